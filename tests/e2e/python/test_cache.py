from lib.fixture import ServerTest


class CacheTest(ServerTest):
    def test_first_subscriber_is_told_of_a_miss(self):
        client = self.client()
        client.subscribe('cache-empty')

        self.sdk.trigger('cache-empty', 'last', {})

        events = [('pusher:cache_miss', '{}'), ('last', '{}')]
        self.assertEqual(client.events('cache-empty', 'last'), events)

    def test_late_subscriber_receives_the_last_event_as_it_was_sent(self):
        early = self.client('ann')
        kinds = ['cache-', 'private-cache-', 'presence-cache-']
        for kind in kinds:
            self.sdk.trigger(f'{kind}late', 'first', 'forgotten')
            self.sdk.trigger(f'{kind}late', 'second', '{"é":  "🎉"}')

        for kind in kinds:
            name = f'{kind}late'
            early.subscribe(name)
            self.assertEqual(early.events(name, 'second'), [('second', '{"é":  "🎉"}')], name)

    def test_channel_info_tells_what_is_cached(self):
        self.sdk.trigger('cache-told', 'tick', {'n': 1})

        told = self.sdk.channel_info('cache-told', ['cache'])
        empty = self.sdk.channel_info('private-cache-none', ['cache', 'subscription_count'])

        ttl = told['cache'].pop('ttl')
        self.assertIsInstance(ttl, int)
        self.assertTrue(0 < ttl <= 1800, ttl)
        self.assertEqual(told, {'occupied': False, 'cache': {'data': '{"n": 1}'}})
        self.assertEqual(empty, {'occupied': False, 'cache': None, 'subscription_count': 0})
