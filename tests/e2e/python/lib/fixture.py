import unittest

from .app import App, sdk
from .client import Client
from .server import Server


class ServerTest(unittest.TestCase):
    """One server and one application for a class: its tests each use their own channels."""

    config = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.config)
        cls.server.run()
        cls.addClassCleanup(cls.server.dispose)
        cls.sdk = sdk(cls.server)
        cls.app = App(cls.sdk)
        cls.addClassCleanup(cls.app.stop)

    def client(self, user='guest', **options):
        """A client that is connected."""
        client = Client(self.server, self.app, user, **options)
        self.addCleanup(client.disconnect)
        return client.connect()
