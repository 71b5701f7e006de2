import atexit
import os
import re
import secrets
import socket
import subprocess
import tempfile
from pathlib import Path
from threading import Thread

from .inbox import Inbox

ROOT = Path(__file__).resolve().parents[4]
BIN = Path(os.environ.get('FANFARE_BIN') or ROOT / 'target/release/fanfare').resolve()
READY_TIMEOUT = 10
STOP_TIMEOUT = 10


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as probe:
        return probe.getsockname()[1]


def clean_env(home):
    """The process environment wins over `.env`, so what could configure the server goes."""
    ours = re.compile('(APP|BROADCAST|CACHE|DB|FANFARE|PUSHER|REDIS|REVERB|VITE)_')
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return {**kept, 'HOME': home}


class Server:
    """The release binary with a Reverb `.env`, and a config file only if `config` has its text."""

    def __init__(self, config=None):
        self.port = free_port()
        # The SDK takes no app id but digits.
        self.id = str(100_000 + secrets.randbelow(900_000))
        self.key = secrets.token_hex(10)
        self.secret = secrets.token_hex(10)
        self.args = ['serve']
        self._dir = tempfile.TemporaryDirectory(prefix='fanfare-e2e-')
        folder = Path(self._dir.name)
        (folder / '.env').write_text(self._dotenv())
        if config:
            (folder / 'fanfare.toml').write_text(config)
            self.args += ['--config', 'fanfare.toml']
        self._process = None

    def _dotenv(self):
        lines = {
            'BROADCAST_CONNECTION': 'reverb',
            'REVERB_APP_ID': self.id,
            'REVERB_APP_KEY': self.key,
            'REVERB_APP_SECRET': self.secret,
            'REVERB_HOST': '"localhost"',
            'REVERB_PORT': self.port,
            'REVERB_SCHEME': 'http',
            'REVERB_SERVER_HOST': '127.0.0.1',
            'REVERB_SERVER_PORT': self.port,
        }
        return ''.join(f'{name}={value}\n' for name, value in lines.items())

    def run(self):
        """Starts the binary; also used to start it again on the same port."""
        self._process = subprocess.Popen(
            [BIN, *self.args],
            cwd=self._dir.name,
            env=clean_env(self._dir.name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # A run that dies half-way must not leave a server behind.
        atexit.register(self._process.kill)
        output = Inbox()
        self._reader = Thread(target=self._read, args=(self._process, output), daemon=True)
        self._reader.start()
        ready = f'Starting server on 127.0.0.1:{self.port}'
        try:
            if not output.until(lambda line: not line or ready in line, ready, READY_TIMEOUT):
                raise AssertionError(f'{BIN} ended: {output.matching()}')
        except AssertionError:
            self._process.kill()
            raise

    @staticmethod
    def _read(process, output):
        # To the end, because a full pipe would block the server.
        with process.stdout as lines:
            for line in lines:
                output.push(line)
        output.push('')

    def stop(self):
        """Asks politely and insists on a clean exit."""
        process = self._process
        process.terminate()
        try:
            code = process.wait(STOP_TIMEOUT)
            assert code == 0, f'{BIN} exited with {code}'
        finally:
            process.kill()
            process.wait()
            self._reader.join(STOP_TIMEOUT)
            atexit.unregister(process.kill)

    def dispose(self):
        try:
            self.stop()
        finally:
            self._dir.cleanup()
