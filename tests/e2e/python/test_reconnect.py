from lib.client import ESTABLISHED, SUBSCRIBED
from lib.fixture import ServerTest

RECONNECT_TIMEOUT = 15
CHANNELS = ['back', 'private-back', 'presence-back']


def established(frame):
    return frame[1] == ESTABLISHED


class ReconnectTest(ServerTest):
    def restart(self):
        self.server.stop()
        self.server.run()

    def test_client_comes_back_and_takes_up_its_public_channels(self):
        client = self.client(auto_sub=True)
        client.subscribe('back')
        first_id = client.socket_id

        self.restart()

        client.frames.reaches(2, 'new connection', established, RECONNECT_TIMEOUT)
        client.frames.reaches(2, 'new confirmation', lambda frame: frame[1] == SUBSCRIBED)
        self.sdk.trigger('back', 'tick', {})
        client.sees('tick', 'back')
        self.assertNotEqual(client.socket_id, first_id)
        self.assertEqual(client.closes.matching()[0], 4200)

    def test_client_subscribes_anew_on_each_connection(self):
        client = self.client('ann')
        for name in CHANNELS:
            client.subscribe(name)
        # A signature is bound to the connection, so pysher's users subscribe in this callback.
        client.pusher.connection.bind(
            ESTABLISHED, lambda _: [client.pusher.subscribe(name) for name in CHANNELS]
        )

        self.restart()

        client.frames.reaches(2, 'new connection', established, RECONNECT_TIMEOUT)
        for name in CHANNELS:
            confirmed = (name, SUBSCRIBED)
            client.frames.reaches(2, f'{name} again', lambda frame: frame[:2] == confirmed)
        self.sdk.trigger(CHANNELS, 'tick', {})
        for name in CHANNELS:
            self.assertEqual(client.events(name, 'tick'), [('tick', '{}')])
        self.assertEqual(self.app.asked, ['ann private-back', 'ann presence-back'] * 2)
