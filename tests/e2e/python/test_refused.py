from pusher.errors import PusherBadAuth, PusherBadRequest, PusherBadStatus

from lib.app import sdk
from lib.fixture import ServerTest

TOO_LONG = r'413: The data content of this event exceeds the allowed maximum \(10240 bytes\)'


class RefusedTest(ServerTest):
    # Reverb's default of 10,000 bytes is for the whole body, where the SDK escapes much.
    config = '[limits]\nmax_request_bytes = 100_000\n'

    def test_data_of_exactly_the_limit_passes_and_a_byte_more_is_refused(self):
        client = self.client()
        client.subscribe('long')

        for unit in 'x', 'é', '🎉':
            fits = unit * (10_240 // len(unit.encode()))
            self.sdk.trigger('long', 'fits', fits)
            with self.assertRaisesRegex(PusherBadStatus, TOO_LONG):
                self.sdk.trigger('long', 'too-long', fits + 'x')
        self.sdk.trigger('long', 'last', {})

        events = client.events('long', 'last')
        self.assertEqual([event for event, _ in events], ['fits'] * 3 + ['last'])
        self.assertEqual([len(data.encode()) for _, data in events], [10_240] * 3 + [2])

    def test_one_bad_event_fails_its_whole_batch(self):
        client = self.client()
        client.subscribe('batch')

        with self.assertRaisesRegex(PusherBadStatus, TOO_LONG):
            # `already_encoded` passes by a check of the SDK's own.
            self.sdk.trigger_batch(
                [
                    {'channel': 'batch', 'name': 'good', 'data': ''},
                    {'channel': 'batch', 'name': 'bad', 'data': 'x' * 10_241},
                ],
                already_encoded=True,
            )
        eleven = [{'channel': 'batch', 'name': 'n', 'data': ''} for _ in range(11)]
        with self.assertRaisesRegex(PusherBadRequest, r'Batch too large \(11 > 10\)'):
            self.sdk.trigger_batch(eleven)

        self.sdk.trigger('batch', 'last', {})
        self.assertEqual(client.events('batch', 'last'), [('last', '{}')])

    def test_wrong_secret_publishes_nothing(self):
        client = self.client()
        client.subscribe('guarded')
        impostor = sdk(self.server, secret='not-the-secret')

        with self.assertRaisesRegex(PusherBadAuth, 'Invalid signature'):
            impostor.trigger('guarded', 'tick', {})
        with self.assertRaisesRegex(PusherBadAuth, 'Invalid signature'):
            impostor.trigger_batch([{'channel': 'guarded', 'name': 'tick', 'data': {}}])

        self.sdk.trigger('guarded', 'last', {})
        self.assertEqual(client.events('guarded', 'last'), [('last', '{}')])

    def test_wrong_key_and_wrong_app_are_told_apart(self):
        with self.assertRaisesRegex(PusherBadAuth, 'Unknown auth_key'):
            sdk(self.server, key='not-the-key').trigger('any', 'tick', {})
        with self.assertRaisesRegex(PusherBadStatus, '404: Unknown app_id'):
            sdk(self.server, app_id='1').trigger('any', 'tick', {})


class ReverbDefaultsTest(ServerTest):
    def test_body_over_reverbs_limit_is_refused(self):
        with self.assertRaisesRegex(PusherBadStatus, '^413: '):
            self.sdk.trigger('long', 'too-long', 'x' * 10_000)

        self.assertEqual(self.sdk.trigger('long', 'fits', 'x' * 9_900), {})
