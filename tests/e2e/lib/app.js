import { once } from 'node:events';
import { createServer } from 'node:http';
import Pusher from 'pusher';

/** What the application encrypts with; the server never sees it. */
const MASTER_KEY = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');

/** The official server SDK, configured as Laravel's `reverb` connection would be. */
export function sdk({ port, id, key, secret }, overrides = {}) {
  return new Pusher({
    host: '127.0.0.1',
    port,
    useTLS: false,
    appId: id,
    key,
    secret,
    timeout: 5000,
    encryptionMasterKeyBase64: MASTER_KEY,
    ...overrides,
  });
}

async function fields(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return request.headers['content-type']?.startsWith('application/json')
    ? JSON.parse(body)
    : Object.fromEntries(new URLSearchParams(body));
}

function authorize(pusher, user, socketId, channel) {
  // Whoever is signed in may join some rooms without being introduced again.
  const introduced = channel.startsWith('presence-') && !channel.includes('signed-in');
  const presence = introduced
    ? { user_id: user, user_info: { name: user } }
    : undefined;
  const answer = pusher.authorizeChannel(socketId, channel, presence);
  if (channel === 'private-tampered') {
    // Still 64 hex digits, so that only the digest itself is wrong.
    answer.auth = answer.auth.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
  }
  return answer;
}

/** Plays the Laravel application: who may join and who is who, and publishing through the SDK. */
export class App {
  /** Channel authorisations asked for, as `user channel`. */
  asked = [];

  /** Whom each user watches. */
  watchlists = {};

  static async start(server) {
    const app = new App();
    app.pusher = sdk(server);
    app.http = createServer((request, response) => {
      app.#answer(request, response).catch((error) => {
        response.writeHead(500).end(String(error));
      });
    }).listen(0, '127.0.0.1');
    await once(app.http, 'listening');
    const base = `http://127.0.0.1:${app.http.address().port}/broadcasting`;
    app.authEndpoint = `${base}/auth`;
    app.userAuthEndpoint = `${base}/user-auth`;
    return app;
  }

  async #answer(request, response) {
    const known = ['/broadcasting/auth', '/broadcasting/user-auth'];
    if (request.method !== 'POST' || !known.includes(request.url)) {
      return response.writeHead(404).end();
    }
    const { socket_id: socketId, channel_name: channel } = await fields(request);
    const user = request.headers.authorization?.replace(/^Bearer /, '');
    if (!user || channel === 'private-forbidden') {
      return response.writeHead(403).end('{"message":"Forbidden"}');
    }
    this.asked.push(`${user} ${channel ?? 'sign-in'}`);
    const answer = channel
      ? authorize(this.pusher, user, socketId, channel)
      : this.pusher.authenticateUser(socketId, {
          id: user,
          user_info: { name: user },
          watchlist: this.watchlists[user] ?? [],
        });
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(answer));
  }

  /** Publishes and returns what the server said. */
  async trigger(channels, event, data, params) {
    return said(await this.pusher.trigger(channels, event, data, params));
  }

  async triggerBatch(batch) {
    return said(await this.pusher.triggerBatch(batch));
  }

  async stop() {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }
}

async function said(response) {
  return { status: response.status, body: await response.text() };
}
