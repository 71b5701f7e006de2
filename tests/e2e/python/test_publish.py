import json

from lib.fixture import ServerTest
from lib.inbox import Inbox

# What the SDK escapes in the body of its request must come out as it was put in.
TEXTS = [
    'plain',
    '',
    'grüße, 日本語, 🎉 and 👩‍👩‍👧',
    'quotes " and \\ and / and \t\n\r and \u0000 \u007f \u2028',
    '{"b":  1,\n "a": 1.0, "b": 1e2, "text": "\\u00e9\\/"}',
    '<script>&amp;</script> %20 +',
]


class PublishTest(ServerTest):
    def test_trigger_reaches_a_bound_callback(self):
        client = self.client()
        client.subscribe('bound')
        called = Inbox()
        client.pusher.channel('bound').bind('tick', called.push)

        self.assertEqual(self.sdk.trigger('bound', 'tick', {'n': 1}), {})

        self.assertEqual(json.loads(called.until(lambda _: True, 'tick')), {'n': 1})

    def test_trigger_reaches_several_channels_and_no_other(self):
        client = self.client()
        names = ['several-1', 'private-several-2', 'presence-several-3', 'several-4']
        for name in names:
            client.subscribe(name)

        self.sdk.trigger(names[:3], 'tick', {'n': 1})
        self.sdk.trigger(names, 'last', {})

        tick = [('tick', '{"n": 1}')]
        for name, expected in zip(names, [tick, tick, tick, []]):
            self.assertEqual(client.events(name, 'last'), [*expected, ('last', '{}')], name)

    def test_data_arrives_as_the_same_bytes(self):
        client = self.client()
        client.subscribe('bytes')

        for text in TEXTS:
            self.sdk.trigger('bytes', 'text', text)
        self.sdk.trigger('bytes', 'last', '')

        texts = [('text', text) for text in TEXTS]
        self.assertEqual(client.events('bytes', 'last'), [*texts, ('last', '')])

    def test_event_names_arrive_unchanged(self):
        client = self.client()
        client.subscribe('names')
        names = ['App\\Events\\Posted', 'gelöscht 🗑', 'with "quotes"', 'x' * 200]

        for name in names:
            self.sdk.trigger('names', name, {})

        events = client.events('names', names[-1])
        self.assertEqual([event for event, _ in events], names)

    def test_batch_is_delivered_in_order(self):
        client = self.client()
        client.subscribe('batch-1')
        client.subscribe('private-batch-2')

        answer = self.sdk.trigger_batch([
            {'channel': 'batch-1', 'name': 'a', 'data': {'text': 'é🎉'}},
            {'channel': 'private-batch-2', 'name': 'b', 'data': 'text'},
            {'channel': 'batch-1', 'name': 'c', 'data': [1, None]},
            {'channel': 'nobody-listens', 'name': 'd', 'data': {}},
        ])

        self.assertEqual(answer, {})
        first = [('a', '{"text": "é🎉"}'), ('c', '[1, null]')]
        self.assertEqual(client.events('batch-1', 'c'), first)
        self.assertEqual(client.events('private-batch-2', 'b'), [('b', 'text')])

    def test_batch_tells_the_counts_that_are_asked_for(self):
        client = self.client('ann')
        client.subscribe('presence-counted')

        answer = self.sdk.trigger_batch([
            {
                'channel': 'presence-counted',
                'name': 'a',
                'data': '',
                'info': 'user_count,subscription_count',
            },
            {'channel': 'presence-counted', 'name': 'b', 'data': ''},
        ])

        counts = {'user_count': 1, 'subscription_count': 1}
        self.assertEqual(answer, {'batch': [counts, {}]})

    def test_socket_id_excludes_one_connection(self):
        ann, bob = self.client('ann'), self.client('bob')
        for client in ann, bob:
            client.subscribe('private-others')

        self.sdk.trigger('private-others', 'one', {}, ann.socket_id)
        self.sdk.trigger_batch([
            {'channel': 'private-others', 'name': 'two', 'data': {}, 'socket_id': bob.socket_id}
        ])
        self.sdk.trigger('private-others', 'last', {})

        self.assertEqual(ann.events('private-others', 'last'), [('two', '{}'), ('last', '{}')])
        self.assertEqual(bob.events('private-others', 'last'), [('one', '{}'), ('last', '{}')])

    def test_unsubscribed_client_receives_no_more(self):
        client = self.client()
        client.subscribe('left')
        client.subscribe('stayed')
        client.pusher.unsubscribe('left')
        client.ping()

        self.sdk.trigger(['left', 'stayed'], 'tick', {})

        client.sees('tick', 'stayed')
        client.ping()
        self.assertEqual(client.frames.matching(lambda frame: frame[:2] == ('left', 'tick')), [])
