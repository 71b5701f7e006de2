import json

from lib.client import ESTABLISHED
from lib.fixture import ServerTest


class ConnectionTest(ServerTest):
    def test_handshake_names_the_socket_and_reverbs_activity_timeout(self):
        client = self.client()

        established = json.loads(client.sees(ESTABLISHED))

        self.assertRegex(established['socket_id'], r'^\d+\.\d+$')
        self.assertEqual(established['activity_timeout'], 30)
        self.assertEqual(client.socket_id, established['socket_id'])
        self.assertEqual(client.pusher.connection.state, 'connected')

    def test_ping_is_answered_before_and_after_a_subscription(self):
        client = self.client()
        client.ping()
        client.subscribe('pinged')
        client.ping()

        self.assertTrue(client.pusher.connection.pong_received)
        self.assertEqual(client.frames.matching(lambda frame: frame[1] == 'pusher:error'), [])
