import re
import unittest
from urllib.request import urlopen

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lib.server import Server, free_port


class Metrics(unittest.TestCase):
    """The parser of the Prometheus project's own library reads what the server answers."""

    def test_the_official_parser_reads_them(self):
        port = free_port()
        server = Server(config=f'[metrics]\nport = {port}\n')
        server.run()
        self.addCleanup(server.dispose)
        with urlopen(f'http://127.0.0.1:{port}/metrics', timeout=10) as answer:
            self.assertRegex(answer.headers['Content-Type'], '^application/openmetrics-text; version=1.0.0')
            families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
        self.assertEqual('gauge', families['fanfare_connections'].type)
        self.assertEqual('counter', families['fanfare_connections_opened'].type)
        self.assertEqual('histogram', families['fanfare_delivery_latency_seconds'].type)
        self.assertEqual([{'app': server.id}], [sample.labels for sample in families['fanfare_connections'].samples])
        for name, family in families.items():
            self.assertTrue(re.match('fanfare_|process_', name) and family.documentation.endswith('.'), family)
