import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Inbox } from './lib/wait.js';

const context = fixture({ REVERB_SERVER_PATH: '/ws' });

/** Subscribes below the prefix, publishes by `publish`, expects the event. */
async function arrives(channelName, publish) {
  const inbox = new Inbox();
  const pusher = context.clients.pusher('ann', { wsPath: '/ws' });
  await subscribed(pusher.subscribe(channelName).bind('tick', inbox.push));
  assert.deepEqual(await publish(), { status: 200, body: '{}' });
  assert.deepEqual(await inbox.reaches(1, { what: 'tick' }), [{ n: 1 }]);
}

/** Publishes below the prefix, which the Node SDK cannot do by itself. */
async function post(channel, signedPath) {
  const { app, server } = context;
  const body = JSON.stringify({ name: 'tick', channels: [channel], data: '{"n":1}' });
  const query = app.pusher.createSignedQueryString({ method: 'POST', path: signedPath, body });
  const url = `http://127.0.0.1:${server.port}/ws/apps/${server.id}/events?${query}`;
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body });
  return { status: response.status, body: await response.text() };
}

test('path prefix: the SDK still publishes at the root', () =>
  arrives('at-root', () => context.app.trigger('at-root', 'tick', { n: 1 })));

test('path prefix: publishing below it, signed over the bare path', () =>
  arrives('bare', () => post('bare', `/apps/${context.server.id}/events`)));

test('path prefix: publishing below it, signed over the whole path', () =>
  arrives('whole', () => post('whole', `/ws/apps/${context.server.id}/events`)));

test('path prefix: a private channel below it is authorised as usual', async () => {
  const { app } = context;
  await arrives('private-below', () => app.trigger('private-below', 'tick', { n: 1 }));
});

test('path prefix: a signature over another path is refused', async () => {
  const { status } = await post('other', `/other/apps/${context.server.id}/events`);
  assert.equal(status, 401);
});
