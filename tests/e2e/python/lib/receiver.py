from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from .inbox import Inbox


class Receiver:
    """Plays the back end that webhooks are sent to, and keeps every request as it came."""

    def __init__(self):
        # Headers and body of each.
        self.inbox = Inbox()
        self._http = ThreadingHTTPServer(('127.0.0.1', 0), self._handler())
        self.url = f'http://127.0.0.1:{self._http.server_port}/hook'
        Thread(target=self._http.serve_forever, kwargs={'poll_interval': 0.01}, daemon=True).start()

    def _handler(receiver):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length'])).decode()
                receiver.inbox.push((self.headers, body))
                self.send_response(200)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def stop(self):
        self._http.shutdown()
        self._http.server_close()
