import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connected, subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Inbox, once } from './lib/wait.js';

const context = fixture({}, '[features]\nwatchlist = true\nsubscription_count_events = true\n');

/** A client that is signed in and has its own channel. */
async function signedIn(user) {
  const pusher = await connected(context.clients.pusher(user));
  pusher.signin();
  await pusher.user.signinDonePromise;
  assert.equal(pusher.user.user_data?.id, user);
  await subscribed(pusher.user.serverToUserChannel);
  return pusher;
}

test('LAR-09 users: an event to a user reaches every connection of that user and nobody else', async () => {
  const { app } = context;
  const inboxes = [];
  for (const user of ['ann', 'ann', 'bob']) {
    const inbox = new Inbox();
    (await signedIn(user)).user.bind('notice', inbox.push);
    inboxes.push(inbox);
  }

  await app.pusher.sendToUser('ann', 'notice', { n: 1 });
  await app.pusher.sendToUser('bob', 'notice', { n: 2 });

  const [first, second, bob] = inboxes;
  assert.deepEqual(await first.reaches(1, { what: 'notice' }), [{ n: 1 }]);
  assert.deepEqual(await second.reaches(1, { what: 'notice' }), [{ n: 1 }]);
  assert.deepEqual(await bob.reaches(1, { what: 'notice' }), [{ n: 2 }]);
});

test('users: another user cannot listen in', async () => {
  const eve = await signedIn('eve');
  const messages = new Inbox();
  eve.connection.bind('message', messages.push);
  // pusher-js itself refuses such names, so the frame is sent past it.
  eve.send_event('pusher:subscribe', { auth: '', channel: '#server-to-user-ann' });
  const { channel, data } = await messages.until(
    ({ event }) => event === 'pusher:subscription_error',
    { what: 'subscription error' },
  );
  assert.equal(channel, '#server-to-user-ann');
  assert.equal(data.status, 401);
});

test('users: who is signed in joins a presence channel without being introduced', async () => {
  const cid = await signedIn('cid');
  const channel = await subscribed(cid.subscribe('presence-signed-in'));
  assert.deepEqual(channel.members.me, { id: 'cid', info: { name: 'cid' } });
});

test('users: a watchlist tells who comes and goes', async () => {
  const { app } = context;
  app.watchlists.dan = ['fay', 'gus'];
  await signedIn('fay');
  const seen = new Inbox();
  const dan = await connected(context.clients.pusher('dan'));
  for (const name of ['online', 'offline']) {
    dan.user.watchlist.bind(name, (event) => seen.push([name, event.user_ids]));
  }
  dan.signin();
  assert.deepEqual(await seen.reaches(2, { what: 'state' }), [
    ['online', ['fay']],
    ['offline', ['gus']],
  ]);

  const gus = await signedIn('gus');
  gus.disconnect();

  assert.deepEqual((await seen.reaches(4, { what: 'coming and going' })).slice(2), [
    ['online', ['gus']],
    ['offline', ['gus']],
  ]);
});

test('users: a terminated user is disconnected for good, a mere member stays', async () => {
  const { app } = context;
  const hal = await signedIn('hal');
  const member = await connected(context.clients.pusher('hal'));
  await subscribed(member.subscribe('presence-lobby'));
  const codes = new Inbox();
  // pusher-js tells the same error again, wrapped as a WebSocketError.
  hal.connection.bind('error', ({ type, data }) => type === 'PusherError' && codes.push(data.code));
  const gone = once((done) => hal.connection.bind('disconnected', done), { what: 'disconnection' });

  await app.pusher.terminateUserConnections('hal');

  await gone;
  assert.deepEqual(codes.items, [4009]);
  assert.equal(member.connection.state, 'connected');
});

test('counts: subscribers hear how many they are', async () => {
  const counts = new Inbox();
  const one = context.clients.pusher('ann').subscribe('crowd');
  one.bind('pusher:subscription_count', ({ subscription_count: count }) => counts.push(count));
  await counts.reaches(1, { what: 'first count' });
  const other = context.clients.pusher('bob');
  await subscribed(other.subscribe('crowd'));
  await counts.reaches(2, { what: 'second count' });
  other.disconnect();
  assert.deepEqual(await counts.reaches(3, { what: 'third count' }), [1, 2, 1]);
});
