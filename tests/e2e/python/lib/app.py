import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

from pusher import Pusher


def sdk(server, **overrides):
    """The official server SDK, pointed at the server under test."""
    settings = {
        'app_id': server.id,
        'key': server.key,
        'secret': server.secret,
        'host': '127.0.0.1',
        'port': server.port,
        'ssl': False,
    }
    return Pusher(**{**settings, **overrides})


def member(user):
    return {'user_id': user, 'user_info': {'name': user.title()}}


class App:
    """Plays the application: authorises channels with the SDK."""

    def __init__(self, pusher):
        self.pusher = pusher
        # Channel authorisations asked for, as `user channel`.
        self.asked = []
        self._http = ThreadingHTTPServer(('127.0.0.1', 0), self._handler())
        self.auth_endpoint = f'http://127.0.0.1:{self._http.server_port}/broadcasting/auth'
        Thread(target=self._http.serve_forever, kwargs={'poll_interval': 0.01}, daemon=True).start()

    def _handler(app):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length'])).decode()
                user = self.headers['Authorization'].removeprefix('Bearer ')
                answer = json.dumps(app.authorize(user, parse_qs(body))).encode()
                self.send_response(200)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        return Handler

    def authorize(self, user, form):
        [channel], [socket_id] = form['channel_name'], form['socket_id']
        self.asked.append(f'{user} {channel}')
        data = member(user) if channel.startswith('presence-') else None
        return self.pusher.authenticate(channel, socket_id, data)

    def stop(self):
        self._http.shutdown()
        self._http.server_close()
