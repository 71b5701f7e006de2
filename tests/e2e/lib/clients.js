import Echo from 'laravel-echo';
import PusherJs from 'pusher-js';
import { once } from './wait.js';

/** The clients of one test file, so that none of them keeps node alive. */
export class Clients {
  #open = [];

  constructor(server, app) {
    this.server = server;
    this.app = app;
  }

  #options(user) {
    return {
      wsHost: '127.0.0.1',
      wsPort: this.server.port,
      forceTLS: false,
      enabledTransports: ['ws'],
      authEndpoint: this.app.authEndpoint,
      // Echo's `bearerToken` writes into an object that all instances share, so
      // the users of one process would overwrite each other's header.
      auth: { headers: { Authorization: `Bearer ${user}` } },
      userAuthentication: {
        endpoint: this.app.userAuthEndpoint,
        headers: { Authorization: `Bearer ${user}` },
      },
    };
  }

  /** Laravel Echo, given the Pusher class as a Node application does. */
  echo(user = 'guest', overrides = {}) {
    const echo = new Echo({
      broadcaster: 'reverb',
      key: this.server.key,
      Pusher: PusherJs,
      ...this.#options(user),
      ...overrides,
    });
    this.#open.push(echo);
    return echo;
  }

  /** A bare pusher-js, without Echo. */
  pusher(user = 'guest', { key = this.server.key, ...overrides } = {}) {
    const pusher = new PusherJs(key, { cluster: '', ...this.#options(user), ...overrides });
    this.#open.push(pusher);
    return pusher;
  }

  disconnect() {
    for (const client of this.#open.splice(0)) client.disconnect();
  }
}

export async function connected(client) {
  const { connection } = client.connector?.pusher ?? client;
  if (connection.state !== 'connected') {
    await once((done) => connection.bind('connected', done), { what: 'connection' });
  }
  return client;
}

/** Waits until the server has confirmed a channel of Echo or of pusher-js. */
export async function subscribed(channel) {
  const { name, subscription = channel } = channel;
  if (!subscription.subscribed) {
    await once((done) => subscription.bind('pusher:subscription_succeeded', done), {
      what: `confirmation of ${name}`,
    });
  }
  return channel;
}
