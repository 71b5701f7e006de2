from pusher.errors import PusherBadAuth, PusherBadRequest

from lib.app import sdk
from lib.fixture import ServerTest


class QueriesTest(ServerTest):
    """The SDK sends the digest of an empty body with each GET."""

    def test_channels_info_lists_occupied_channels_without_attributes(self):
        client = self.client('ann')
        names = ['listed-open', 'private-listed', 'presence-listed']
        for name in names:
            client.subscribe(name)
        self.sdk.trigger('listed-unheard', 'tick', {})

        channels = self.sdk.channels_info()['channels']

        self.assertEqual([channels.get(name) for name in names], [{}, {}, {}])
        self.assertNotIn('listed-unheard', channels)

    def test_channels_info_filters_by_prefix(self):
        client = self.client()
        for name in 'prefix-a', 'prefix-b', 'other-prefix-':
            client.subscribe(name)

        found = self.sdk.channels_info(prefix_filter='prefix-')
        none = self.sdk.channels_info(prefix_filter='nothing-starts-so')

        self.assertEqual(found, {'channels': {'prefix-a': {}, 'prefix-b': {}}})
        self.assertEqual(none, {'channels': {}})

    def test_channels_info_counts_users_and_subscriptions(self):
        for user in 'ann', 'ann', 'bob':
            self.client(user).subscribe('presence-many')

        both = self.sdk.channels_info('presence-many', ['user_count', 'subscription_count'])

        counts = {'user_count': 2, 'subscription_count': 3}
        self.assertEqual(both, {'channels': {'presence-many': counts}})

    def test_channels_info_counts_users_of_presence_channels_only(self):
        with self.assertRaisesRegex(PusherBadRequest, 'supply filter_by_prefix'):
            self.sdk.channels_info(attributes=['user_count'])
        with self.assertRaisesRegex(PusherBadRequest, 'supply filter_by_prefix'):
            self.sdk.channels_info('private-', ['user_count'])

    def test_channel_info_of_occupied_and_unoccupied_channels(self):
        client = self.client()
        client.subscribe('info-open')

        self.assertEqual(self.sdk.channel_info('info-open'), {'occupied': True})
        self.assertEqual(self.sdk.channel_info('info-nobody'), {'occupied': False})
        self.assertEqual(
            self.sdk.channel_info('presence-nobody', ['user_count', 'subscription_count']),
            {'occupied': False, 'user_count': 0, 'subscription_count': 0},
        )
        client.pusher.unsubscribe('info-open')
        client.ping()
        self.assertEqual(self.sdk.channel_info('info-open'), {'occupied': False})

    def test_channel_info_counts_members_once_and_connections_each(self):
        for user in 'ann', 'ann', 'bob':
            client = self.client(user)
            client.subscribe('presence-info')
            client.subscribe('info-counted')

        presence = self.sdk.channel_info('presence-info', ['user_count', 'subscription_count'])
        public = self.sdk.channel_info('info-counted', ['subscription_count'])

        counts = {'occupied': True, 'user_count': 2, 'subscription_count': 3}
        self.assertEqual(presence, counts)
        self.assertEqual(public, {'occupied': True, 'subscription_count': 3})

    def test_channel_info_refuses_attributes_that_do_not_apply(self):
        refused = 'unless the channel is a presence channel'
        with self.assertRaisesRegex(PusherBadRequest, refused):
            self.sdk.channel_info('info-open', ['user_count'])
        for attribute in 'cache', 'colour':
            with self.assertRaises(PusherBadRequest, msg=attribute):
                self.sdk.channel_info('info-open', [attribute])

    def test_names_with_every_allowed_character_are_found(self):
        name = 'presence-aZ_09-=@,.;'
        self.client('ann').subscribe(name)

        self.assertEqual(self.sdk.channel_info(name), {'occupied': True})
        self.assertEqual(self.sdk.users_info(name), {'users': [{'id': 'ann'}]})
        self.assertEqual(self.sdk.channels_info(name), {'channels': {name: {}}})

    def test_users_info_names_each_member_once(self):
        for user in 'ann', 'bob', 'ann':
            self.client(user).subscribe('presence-users')

        users = self.sdk.users_info('presence-users')

        self.assertEqual(list(users), ['users'])
        by_id = sorted(users['users'], key=lambda user: user['id'])
        self.assertEqual(by_id, [{'id': 'ann'}, {'id': 'bob'}])
        self.assertEqual(self.sdk.users_info('presence-empty'), {'users': []})

    def test_users_info_is_for_presence_channels(self):
        with self.assertRaisesRegex(PusherBadRequest, 'only be retrieved for presence channels'):
            self.sdk.users_info('private-users')

    def test_wrong_secret_sees_nothing(self):
        impostor = sdk(self.server, secret='not-the-secret')

        for question in (
            impostor.channels_info,
            lambda: impostor.channel_info('presence-users', ['user_count']),
            lambda: impostor.users_info('presence-users'),
        ):
            with self.assertRaisesRegex(PusherBadAuth, 'Invalid signature'):
                question()
