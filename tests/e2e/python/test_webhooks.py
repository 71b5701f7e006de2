import json

from lib.app import sdk
from lib.fixture import ServerTest
from lib.receiver import Receiver

CONFIG = """
[features]
private_webhook_targets = true
[webhooks]
debounce_ms = 300
[[webhooks.endpoints]]
url = "{url}"
"""


def validated(pusher, request):
    headers, body = request
    return pusher.validate_webhook(headers['X-Pusher-Key'], headers['X-Pusher-Signature'], body)


class WebhooksTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.stop)
        cls.config = CONFIG.format(url=cls.receiver.url)
        super().setUpClass()

    def told(self, **event):
        """Waits for the request that tells of this event alone, which the SDK must accept."""
        request = self.receiver.inbox.until(
            lambda request: json.loads(request[1])['events'] == [event], f'webhook {event}'
        )
        told = validated(self.sdk, request)
        self.assertIsNotNone(told, request)
        self.assertEqual(told['events'], [event])
        return request

    def test_what_happens_is_told_in_a_way_that_the_sdk_accepts(self):
        client = self.client('ann')
        client.subscribe('orders')
        self.told(name='channel_occupied', channel='orders')
        self.told(name='subscription_count', channel='orders', subscription_count=1)
        client.subscribe('cache-empty')
        self.told(name='cache_miss', channel='cache-empty')
        client.subscribe('presence-room')
        self.told(name='member_added', channel='presence-room', user_id='ann')
        client.pusher.channel('presence-room').trigger('client-typing', {'n': 1})
        self.told(
            name='client_event',
            channel='presence-room',
            event='client-typing',
            data='{"n":1}',
            socket_id=client.socket_id,
            user_id='ann',
        )
        client.pusher.unsubscribe('presence-room')
        self.told(name='member_removed', channel='presence-room', user_id='ann')
        self.told(name='channel_vacated', channel='presence-room')

    def test_what_the_app_has_not_signed_is_refused_by_the_sdk(self):
        self.client().subscribe('signed')
        headers, body = request = self.told(name='channel_occupied', channel='signed')

        self.assertIsNone(validated(sdk(self.server, secret='another'), request))
        self.assertIsNone(validated(sdk(self.server, key='another'), request))
        self.assertIsNone(validated(self.sdk, (headers, body.replace('"events"', '"events" '))))
