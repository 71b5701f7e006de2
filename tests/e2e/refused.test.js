import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sdk } from './lib/app.js';
import { connected, subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Inbox, once } from './lib/wait.js';

// Reverb's default of 10,000 bytes is for the whole body and would come before the limit of an event's data.
const context = fixture({}, '[limits]\nmax_request_bytes = 100_000\n');

test('unknown key: pusher-js reports 4001 and gives up for good', async () => {
  const { clients } = context;
  const pusher = clients.pusher('ann', { key: 'no-such-key' });
  const errors = [];
  const states = [];
  pusher.connection.bind('error', (error) => errors.push(error));
  pusher.connection.bind('state_change', ({ current }) => states.push(current));

  await once((done) => pusher.connection.bind('disconnected', done), { what: 'disconnection' });

  assert.deepEqual(errors.map(({ error }) => error?.data?.code), [4001]);
  // What pusher-js does on any other code is to arm this timer.
  assert.ok(!pusher.connection.retryTimer);
  await connected(clients.pusher('ann'));
  assert.deepEqual(states, ['disconnected']);
});

test('wrong secret: the SDK rejects with 401 and nothing is published', async () => {
  const { app, clients, server } = context;
  const inbox = new Inbox();
  await subscribed(clients.echo().channel('guarded').listen('.tick', inbox.push));
  const impostor = sdk(server, { secret: 'not-the-secret' });

  await assert.rejects(impostor.trigger('guarded', 'tick', { n: 1 }), (error) => {
    assert.equal(error.status, 401);
    assert.match(error.body, /Invalid signature/);
    return true;
  });

  await app.trigger('guarded', 'tick', { n: 2 });
  assert.deepEqual(await inbox.reaches(1, { what: 'marker' }), [{ n: 2 }]);
});

test('LAR-10 too large: the SDK rejects with the text that Laravel shows', async () => {
  const { app, clients } = context;
  const inbox = new Inbox();
  await subscribed(clients.echo().channel('large').listen('.tick', inbox.push));

  await assert.rejects(app.trigger('large', 'tick', { text: 'x'.repeat(10_240) }), (error) => {
    assert.equal(error.status, 413);
    assert.match(error.body, /^The data content of this event exceeds/);
    return true;
  });

  await app.trigger('large', 'tick', { n: 2 });
  assert.deepEqual(await inbox.reaches(1, { what: 'marker' }), [{ n: 2 }]);
});
