from pusher.errors import PusherBadAuth

from lib.app import sdk
from lib.client import ESTABLISHED
from lib.fixture import ServerTest

RECONNECT_TIMEOUT = 10


class UsersTest(ServerTest):
    def signed_in(self, user_id):
        """A client with a signed-in user who listens on the user's own channel."""
        client = self.client()
        self.sign_in(client, user_id)
        client.subscribe_as_user(user_id)
        return client

    def sign_in(self, client, user_id):
        answer = self.sdk.authenticate_user(client.socket_id, {'id': user_id, 'name': 'Zoë 🎉'})
        client.send('pusher:signin', answer)
        self.assertEqual(
            client.sees('pusher:signin_success'), {'user_data': answer['user_data']}
        )

    def test_send_to_user_reaches_all_of_the_users_connections(self):
        phone, laptop, other = (self.signed_in(user) for user in ('ann', 'ann', 'bob'))

        self.assertEqual(self.sdk.send_to_user('ann', 'greet', {'text': 'é🎉'}), {})
        self.sdk.send_to_user('ann', 'last', {})
        self.sdk.send_to_user('bob', 'last', {})

        expected = [('greet', '{"text": "é🎉"}'), ('last', '{}')]
        self.assertEqual(phone.events('#server-to-user-ann', 'last'), expected)
        self.assertEqual(laptop.events('#server-to-user-ann', 'last'), expected)
        self.assertEqual(other.events('#server-to-user-bob', 'last'), [('last', '{}')])

    def test_send_to_nobody_is_no_error(self):
        self.assertEqual(self.sdk.send_to_user('nobody', 'greet', {}), {})

    def test_users_channel_is_for_the_user_alone(self):
        bob, stranger = self.signed_in('bob'), self.client()

        for client in bob, stranger:
            reason, _ = client.refused('#server-to-user-ann', '')
            self.assertEqual(reason['type'], 'AuthError')

    def test_users_channels_are_not_listed(self):
        self.signed_in('hidden')

        # Not asked for by prefix: the SDK would send the `#` as it is, which ends the query.
        self.assertNotIn('#server-to-user-hidden', self.sdk.channels_info()['channels'])

    def test_wrong_signature_signs_nobody_in(self):
        client = self.client()
        forged = sdk(self.server, secret='not-the-secret')

        client.send('pusher:signin', forged.authenticate_user(client.socket_id, {'id': 'ann'}))

        error = client.sees('pusher:error')
        self.assertIsNone(error['code'])
        self.assertIn('Invalid signature', error['message'])
        # The connection stays, and may sign in rightly.
        self.sign_in(client, 'ann')

    def test_terminate_closes_what_the_user_signed_in_on_and_nothing_else(self):
        first, second = self.signed_in('gone'), self.signed_in('gone')
        other, namesake = self.signed_in('stays'), self.client('gone')
        namesake.subscribe('presence-namesake')

        self.assertEqual(self.sdk.terminate_user_connections('gone'), {})

        for client in first, second:
            self.assertEqual(client.closes.reaches(1, 'close'), [4009])
        other.ping()
        namesake.ping()
        self.assertEqual(other.closes.matching() + namesake.closes.matching(), [])
        # pysher knows 4009 only as an error event: it connects again, as nobody.
        for client in first, second:
            client.frames.reaches(
                2, 'new connection', lambda frame: frame[1] == ESTABLISHED, RECONNECT_TIMEOUT
            )
            reason, _ = client.refused('#server-to-user-gone', '')
            self.assertEqual(reason['type'], 'AuthError')

    def test_terminate_takes_every_user_id_that_the_sdk_lets_through(self):
        client = self.signed_in('aZ_09-=@,.;')

        self.assertEqual(self.sdk.terminate_user_connections('aZ_09-=@,.;'), {})

        self.assertEqual(client.closes.reaches(1, 'close'), [4009])
        client.frames.reaches(
            2, 'new connection', lambda frame: frame[1] == ESTABLISHED, RECONNECT_TIMEOUT
        )
        self.assertEqual(self.sdk.terminate_user_connections('unknown'), {})

    def test_terminate_needs_the_right_secret(self):
        client = self.signed_in('safe')

        with self.assertRaisesRegex(PusherBadAuth, 'Invalid signature'):
            sdk(self.server, secret='not-the-secret').terminate_user_connections('safe')

        client.ping()
        self.assertEqual(client.closes.matching(), [])

    def test_presence_member_may_be_the_signed_in_user(self):
        client = self.client()
        self.sign_in(client, 'ann')

        # Without `channel_data` the member is the user; pysher sends none beside a ready signature.
        auth = self.sdk.authenticate('presence-signed-in', client.socket_id)['auth']
        roster = client.subscribe('presence-signed-in', auth)['presence']

        self.assertEqual((roster['count'], roster['ids']), (1, ['ann']))
        self.assertEqual(self.sdk.users_info('presence-signed-in'), {'users': [{'id': 'ann'}]})
