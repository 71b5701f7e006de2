import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connected, subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Inbox, once } from './lib/wait.js';

const context = fixture();

test('private: an authorised client subscribes and receives', async () => {
  const { app, clients } = context;
  const inbox = new Inbox();
  const channel = clients.echo('ann').private('orders.1').listen('OrderShipped', inbox.push);
  await subscribed(channel);

  await app.trigger('private-orders.1', 'App\\Events\\OrderShipped', { order: 1 });

  assert.deepEqual(await inbox.reaches(1, { what: 'OrderShipped' }), [{ order: 1 }]);
  assert.ok(app.asked.includes('ann private-orders.1'));
});

test('private: a custom handler may ask the application in JSON', async () => {
  const { app, clients } = context;
  const customHandler = async ({ socketId, channelName }, callback) => {
    const response = await fetch(app.authEndpoint, {
      method: 'POST',
      headers: { authorization: 'Bearer bob', 'content-type': 'application/json' },
      body: JSON.stringify({ socket_id: socketId, channel_name: channelName }),
    });
    callback(null, await response.json());
  };
  const pusher = clients.pusher('bob', { channelAuthorization: { customHandler } });
  const inbox = new Inbox();
  const channel = pusher.subscribe('private-json').bind('tick', inbox.push);
  await subscribed(channel);

  await app.trigger('private-json', 'tick', { n: 1 });

  assert.deepEqual(await inbox.reaches(1, { what: 'tick' }), [{ n: 1 }]);
});

test('private: a refusal by the application fires error() with 403', async () => {
  const { clients } = context;
  const error = await once((done) => clients.echo('ann').private('forbidden').error(done), {
    what: 'error of the forbidden channel',
  });

  assert.equal(error.type, 'AuthError');
  assert.equal(error.status, 403);
});

test('LAR-06 private: a tampered signature fires error() with 401, the socket stays usable', async () => {
  const { app, clients } = context;
  const echo = await connected(clients.echo('ann'));
  const socketId = echo.socketId();
  const errors = new Inbox();
  const inbox = new Inbox();
  echo.private('tampered').error(errors.push).listen('.secret', inbox.push);

  const error = await errors.until(() => true, { what: 'error of the tampered channel' });
  assert.equal(error.type, 'AuthError');
  assert.equal(error.status, 401);
  assert.equal(typeof error.error, 'string');

  await subscribed(echo.private('sound').listen('.secret', inbox.push));
  await app.trigger('private-tampered', 'secret', { n: 1 });
  await app.trigger('private-sound', 'secret', { n: 2 });

  assert.deepEqual(await inbox.reaches(1, { what: 'event of the sound channel' }), [{ n: 2 }]);
  assert.equal(echo.socketId(), socketId);
  assert.equal(errors.items.length, 1);
});

test('private: a signature made for another connection is refused', async () => {
  const { app, clients } = context;
  const other = await connected(clients.pusher('bob'));
  const stolen = app.pusher.authorizeChannel(other.connection.socket_id, 'private-stolen');
  const pusher = clients.pusher('ann', {
    channelAuthorization: { customHandler: (_, callback) => callback(null, stolen) },
  });

  const error = await once(
    (done) => pusher.subscribe('private-stolen').bind('pusher:subscription_error', done),
    { what: 'subscription error' },
  );

  assert.equal(error.status, 401);
});

test('LAR-03 whisper: reaches the others on a private channel, not the sender', async () => {
  const { app, clients } = context;
  const heard = { ann: new Inbox(), bob: new Inbox() };
  const channels = {};
  for (const user of ['ann', 'bob']) {
    const channel = clients.echo(user).private('chat');
    channel.listenForWhisper('typing', (data) => heard[user].push(['typing', data]));
    channel.listen('.marker', (data) => heard[user].push(['marker', data]));
    channels[user] = await subscribed(channel);
  }

  channels.ann.whisper('typing', { who: 'ann', deep: [1, { two: 2 }] });
  await heard.bob.reaches(1, { what: 'whisper' });
  await app.trigger('private-chat', 'marker', {});
  await heard.ann.reaches(1, { what: 'marker at the sender' });
  await heard.bob.reaches(2, { what: 'marker at the other' });

  assert.deepEqual(heard.ann.items, [['marker', {}]]);
  assert.deepEqual(heard.bob.items, [
    ['typing', { who: 'ann', deep: [1, { two: 2 }] }],
    ['marker', {}],
  ]);
});

test('LAR-02 toOthers: an event with a socket id reaches everybody else', async () => {
  const { app, clients } = context;
  const inboxes = [];
  const echoes = [];
  for (const user of ['ann', 'bob', 'cid']) {
    const inbox = new Inbox();
    const echo = clients.echo(user);
    await subscribed(echo.private('room').listen('Posted', inbox.push));
    inboxes.push(inbox);
    echoes.push(echo);
  }

  const params = { socket_id: echoes[0].socketId() };
  await app.trigger('private-room', 'App\\Events\\Posted', { n: 1 }, params);
  await app.trigger('private-room', 'App\\Events\\Posted', { n: 2 });

  const [ann, bob, cid] = inboxes;
  assert.deepEqual(await ann.reaches(1, { what: 'marker' }), [{ n: 2 }]);
  assert.deepEqual(await bob.reaches(2, { what: 'both events' }), [{ n: 1 }, { n: 2 }]);
  assert.deepEqual(await cid.reaches(2, { what: 'both events' }), [{ n: 1 }, { n: 2 }]);
});
