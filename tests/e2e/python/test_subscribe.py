import json

from lib.app import member
from lib.fixture import ServerTest

ANN, BOB = member('ann'), member('bob')
ADDED, REMOVED = 'pusher_internal:member_added', 'pusher_internal:member_removed'


class SubscribeTest(ServerTest):
    def test_public_and_private_channels_are_confirmed(self):
        client = self.client('ann')

        self.assertEqual(client.subscribe('open'), {})
        self.assertEqual(client.subscribe('private-orders.1'), {})

        self.assertEqual(self.app.asked.count('ann private-orders.1'), 1)

    def test_presence_channel_tells_its_members(self):
        ann = self.client('ann')
        alone = ann.subscribe('presence-room')
        bob = self.client('bob')
        both = bob.subscribe('presence-room')

        ann_only = {'ann': ANN['user_info']}
        self.assertEqual(alone['presence'], {'count': 1, 'ids': ['ann'], 'hash': ann_only})
        both['presence']['ids'].sort()
        everybody = {**ann_only, 'bob': BOB['user_info']}
        self.assertEqual(both['presence'], {'count': 2, 'ids': ['ann', 'bob'], 'hash': everybody})

        bob.pusher.unsubscribe('presence-room')
        ann.sees(REMOVED, 'presence-room')
        events = ann.events('presence-room', REMOVED)
        self.assertEqual(
            [(event, json.loads(data)) for event, data in events],
            [(ADDED, BOB), (REMOVED, {'user_id': 'bob'})],
        )

    def test_client_event_reaches_the_others_with_the_senders_data(self):
        ann, bob = self.client('ann'), self.client('bob')
        for client in ann, bob:
            client.subscribe('private-whispers')

        ann.pusher.channel('private-whispers').trigger('client-typing', {'text': 'é🎉'})
        data = bob.sees('client-typing', 'private-whispers')
        self.sdk.trigger('private-whispers', 'last', {})

        self.assertEqual(json.loads(data), {'text': 'é🎉'})
        self.assertEqual(ann.events('private-whispers', 'last'), [('last', '{}')])

    def test_wrong_signature_is_refused_and_the_connection_stays(self):
        client = self.client('ann')

        reason, error = client.refused('private-secret', f'{self.server.key}:{"0" * 64}')

        self.assertEqual((reason['type'], reason['status']), ('AuthError', 401))
        self.assertIn(f'{client.socket_id}:private-secret', reason['error'])
        self.assertEqual(error, {'code': None, 'message': reason['error']})
        self.sdk.trigger('private-secret', 'tick', {'n': 1})
        # The right signature still opens the same channel on the same connection.
        client.subscribe('private-secret')
        self.sdk.trigger('private-secret', 'tick', {'n': 2})
        tick = client.sees('tick', 'private-secret')
        self.assertEqual(json.loads(tick), {'n': 2})

    def test_signature_of_another_connection_is_refused(self):
        ann, bob = self.client('ann'), self.client('bob')
        stolen = self.sdk.authenticate('private-stolen', ann.socket_id)['auth']

        reason, _ = bob.refused('private-stolen', stolen)

        self.assertEqual(reason['status'], 401)
        ann.subscribe('private-stolen', stolen)
