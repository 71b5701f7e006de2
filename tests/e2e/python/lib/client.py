import json

import pysher

from .app import member
from .inbox import TIMEOUT, Inbox

ESTABLISHED = 'pusher:connection_established'
SUBSCRIBED = 'pusher_internal:subscription_succeeded'
CONNECTION_EVENTS = [ESTABLISHED, 'pusher:pong', 'pusher:error', 'pusher:signin_success']


def is_pong(frame):
    return frame[1] == 'pusher:pong'


class Client:
    """A pysher that notes what it receives."""

    def __init__(self, server, app, user, **options):
        self.pusher = pysher.Pusher(
            server.key,
            secure=False,
            custom_host='127.0.0.1',
            port=server.port,
            auth_endpoint=app.auth_endpoint,
            auth_endpoint_headers={'Authorization': f'Bearer {user}'},
            # pysher sends it as `channel_data`, so it must be what the application signs.
            user_data=member(user),
            reconnect_interval=0.1,
            **options,
        )
        self.frames = Inbox()
        self.closes = Inbox()
        connection = self.pusher.connection
        for event in CONNECTION_EVENTS:
            connection.bind(event, lambda data, event=event: self.frames.push((None, event, data)))
        # A callback bound to a channel can come after the channel's first events.
        dispatch = connection.event_handler

        def note(event, data, channel):
            dispatch(event, data, channel)
            self.frames.push((channel, event, data))

        connection.event_handler = note

    @property
    def socket_id(self):
        return self.pusher.connection.socket_id

    def connect(self):
        self.pusher.connect()
        self.sees(ESTABLISHED)
        # pysher pings as soon as the socket is open; after its answer pongs can be counted.
        self.sees('pusher:pong')
        # pysher keeps this object when it reconnects, and shows no close code itself.
        socket = self.pusher.connection.socket
        closed = socket.on_close

        def note(app, code, reason):
            self.closes.push(code)
            closed(app, code, reason)

        socket.on_close = note
        return self

    def send(self, event, data):
        self.pusher.connection.send_event(event, data)

    def subscribe(self, name, auth=None):
        """Subscribes and returns what the confirmation says."""
        self.pusher.subscribe(name, auth)
        return json.loads(self.sees(SUBSCRIBED, name))

    def subscribe_as_user(self, user_id):
        return self.subscribe(f'#server-to-user-{user_id}', auth='')

    def refused(self, name, auth):
        """Subscribes and returns the reasons that the channel and the connection are given."""
        self.pusher.subscribe(name, auth)
        reason = json.loads(self.sees('pusher:subscription_error', name))
        return reason, self.sees('pusher:error')

    def sees(self, event, channel=None, timeout=TIMEOUT):
        """Waits for an event's first arrival and returns its data."""
        what = f'{event} on {channel or "the connection"}'
        return self.frames.until(lambda frame: frame[:2] == (channel, event), what, timeout)[2]

    def events(self, channel, last):
        """Waits for the event `last` and returns all that the channel got but its confirmation."""
        self.sees(last, channel)
        frames = self.frames.matching(lambda frame: frame[0] == channel and frame[1] != SUBSCRIBED)
        return [frame[1:] for frame in frames]

    def ping(self):
        """Proves that the connection is open and that all sent before it has been handled."""
        pongs = len(self.frames.matching(is_pong))
        self.pusher.connection.send_ping()
        self.frames.reaches(pongs + 1, 'pong', is_pong)

    def disconnect(self):
        connection = self.pusher.connection
        # Or pysher takes the end for a loss and connects again.
        connection.disconnect_called = True
        # pysher's own way closes the socket under the thread that reads it, which then sleeps on.
        socket = connection.socket.sock
        if socket:
            socket.send_close()
        connection.join(TIMEOUT)
        assert not connection.is_alive(), 'pysher runs on'
        if socket:
            socket.shutdown()
