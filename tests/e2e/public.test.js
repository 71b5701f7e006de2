import assert from 'node:assert/strict';
import { test } from 'node:test';
import PusherJs from 'pusher-js';
import { connected, subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Inbox } from './lib/wait.js';

const context = fixture();
const ACCEPTED = { status: 200, body: '{}' };

test('public: a named event reaches Echo with exactly its payload', async () => {
  const { app, clients } = context;
  const inbox = new Inbox();
  const channel = clients.echo().channel('news').listen('.headline', inbox.push);
  await subscribed(channel);

  const payload = { id: 7, title: 'Hello', tags: [], nested: { on: true, off: null, pi: 3.14 } };
  assert.deepEqual(await app.trigger('news', 'headline', payload), ACCEPTED);

  assert.deepEqual(await inbox.reaches(1, { what: 'headline' }), [payload]);
});

test('LAR-01 public: an event named after a PHP class reaches listen() by its short name', async () => {
  const { app, clients } = context;
  const inbox = new Inbox();
  const channel = clients.echo().channel('orders').listen('OrderShipped', inbox.push);
  await subscribed(channel);

  const event = 'App\\Events\\OrderShipped';
  assert.deepEqual(await app.trigger('orders', event, { order: 1 }), ACCEPTED);

  assert.deepEqual(await inbox.reaches(1, { what: 'OrderShipped' }), [{ order: 1 }]);
});

test('LAR-05 public: a notification reaches Echo by its framework event name', async () => {
  const { app, clients } = context;
  const inbox = new Inbox();
  const channel = clients.echo().channel('users').notification(inbox.push);
  await subscribed(channel);

  const event = 'Illuminate\\Notifications\\Events\\BroadcastNotificationCreated';
  await app.trigger('users', event, { type: 'App\\Notifications\\Paid' });

  const received = await inbox.reaches(1, { what: 'notification' });
  assert.deepEqual(received, [{ type: 'App\\Notifications\\Paid' }]);
});

test('public: unicode, emoji, quotes and control characters survive', async () => {
  const { app, clients } = context;
  const inbox = new Inbox();
  const channel = clients.echo().channel('text').listen('.said', inbox.push);
  await subscribed(channel);

  const payload = {
    words: 'Grüße, 世界, مرحبا',
    emoji: '🎺👩‍👩‍👧‍👦',
    quotes: `"double" 'single' \\ back/slash </script>`,
    controls: '\u0000\u001f\n\t\u2028',
    'clé "é"': 1,
  };
  await app.trigger('text', 'said', payload);

  assert.deepEqual(await inbox.reaches(1, { what: 'text' }), [payload]);
});

test('public: one trigger reaches several channels and no other', async () => {
  const { app, clients } = context;
  const echo = clients.echo();
  const inbox = new Inbox();
  for (const name of ['multi-a', 'multi-b', 'multi-c']) {
    const channel = echo.channel(name).listen('.tick', ({ n }) => inbox.push(`${name} ${n}`));
    await subscribed(channel);
  }

  assert.deepEqual(await app.trigger(['multi-a', 'multi-b'], 'tick', { n: 1 }), ACCEPTED);
  await app.trigger('multi-c', 'tick', { n: 2 });
  await inbox.until((item) => item === 'multi-c 2', { what: 'marker on multi-c' });
  await inbox.reaches(3, { what: 'event on both channels' });

  assert.deepEqual([...inbox.items].sort(), ['multi-a 1', 'multi-b 1', 'multi-c 2']);
});

test('LAR-07 public: a broadcast to 101 channels takes two calls and reaches all', async () => {
  const { app, clients } = context;
  const echo = clients.echo();
  const inbox = new Inbox();
  const names = Array.from({ length: 101 }, (_, n) => `crowd-${n}`);
  for (const name of names) {
    await subscribed(echo.channel(name).listen('OrderShipped', () => inbox.push(name)));
  }

  // As Laravel does it: the SDK refuses more than 100 channels at once.
  for (const chunk of [names.slice(0, 100), names.slice(100)]) {
    assert.deepEqual(await app.trigger(chunk, 'App\\Events\\OrderShipped', { order: 1 }), ACCEPTED);
  }

  const heard = await inbox.reaches(101, { what: 'event on every channel' });
  assert.deepEqual(heard.toSorted(), names.toSorted());
});

test('public: a batch arrives complete and in order', async () => {
  const { app, clients } = context;
  const inbox = new Inbox();
  const channel = clients.echo().channel('batch').listenToAll((name, data) => {
    inbox.push([name, data]);
  });
  await subscribed(channel);

  const batch = [1, 2, 3].map((n) => ({ channel: 'batch', name: `step-${n}`, data: { n } }));
  assert.deepEqual(await app.triggerBatch(batch), ACCEPTED);

  assert.deepEqual(await inbox.reaches(3, { what: 'batch' }), [
    ['.step-1', { n: 1 }],
    ['.step-2', { n: 2 }],
    ['.step-3', { n: 3 }],
  ]);
});

test('public: nothing arrives after leaving the channel', async () => {
  const { app, clients } = context;
  const inbox = new Inbox();
  const echo = clients.echo();
  await subscribed(echo.channel('left').listen('.tick', inbox.push));
  echo.connector.pusher.bind_global((name, data) => inbox.push([name, data]));
  echo.leave('left');
  // Frames of one connection are handled in order, so the leave is done by then.
  await subscribed(echo.channel('stayed'));

  await app.trigger('left', 'tick', {});
  await app.trigger('stayed', 'marker', {});

  assert.deepEqual(await inbox.reaches(1, { what: 'marker' }), [['marker', {}]]);
});

test('public: Echo works with a ready-made pusher-js as its client', async () => {
  const { app, clients, server } = context;
  const client = await connected(clients.pusher());
  assert.ok(client instanceof PusherJs);
  const echo = clients.echo('guest', { client, Pusher: undefined, key: server.key });
  const inbox = new Inbox();
  await subscribed(echo.channel('ready').listen('.tick', inbox.push));

  await app.trigger('ready', 'tick', { n: 1 });

  assert.deepEqual(await inbox.reaches(1, { what: 'tick' }), [{ n: 1 }]);
  assert.match(echo.socketId(), /^\d+\.\d+$/);
});
