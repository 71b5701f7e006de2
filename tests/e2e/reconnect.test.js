import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Inbox, once } from './lib/wait.js';

const context = fixture();

// pusher-js tries again at once; as nobody listens then, it lets the 15 s of
// that attempt run out before the next one.
const RECONNECT_TIMEOUT = 40_000;
const CHANNELS = ['open', 'private-orders', 'presence-room'];

test('reconnect: clients are told 4200 on shutdown and come back by themselves', async () => {
  const { app, clients, server } = context;
  const pusher = clients.pusher('ann');
  const states = [];
  const codes = [];
  pusher.connection.bind('state_change', ({ current }) => states.push(current));
  pusher.connection.bind('error', (error) => codes.push((error.error ?? error).data?.code));
  const received = new Inbox();
  for (const name of CHANNELS) {
    const channel = pusher.subscribe(name);
    channel.bind('tick', ({ n }) => received.push(`${name} ${n}`));
    await subscribed(channel);
  }
  const firstId = pusher.connection.socket_id;
  await app.trigger(CHANNELS, 'tick', { n: 1 });
  await received.reaches(3, { what: 'events before the restart' });

  const lost = once((done) => pusher.connection.bind('connecting', done), {
    what: 'end of the connection',
    timeout: 10_000,
  });
  await server.stop();
  await lost;
  assert.ok(codes.includes(4200), `close codes seen: ${codes}`);

  const back = once((done) => pusher.connection.bind('connected', done), {
    what: 'new connection',
    timeout: RECONNECT_TIMEOUT,
  });
  await server.run();
  await back;
  for (const name of CHANNELS) await subscribed(pusher.channel(name));
  await app.trigger(CHANNELS, 'tick', { n: 2 });
  await received.reaches(6, { what: 'events after the restart' });

  const expected = CHANNELS.flatMap((name) => [`${name} 1`, `${name} 2`]);
  assert.deepEqual(received.items.toSorted(), expected.toSorted());
  assert.equal(states.at(-1), 'connected');
  assert.ok(!states.includes('disconnected') && !states.includes('failed'), `states: ${states}`);
  assert.notEqual(pusher.connection.socket_id, firstId);
  assert.equal(pusher.channel('presence-room').members.count, 1);
  // A signature is bound to the connection, so each was asked for anew.
  for (const name of CHANNELS.slice(1)) {
    assert.ok(app.asked.filter((asked) => asked === `ann ${name}`).length >= 2, name);
  }
});
