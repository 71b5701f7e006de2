import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Inbox } from './lib/wait.js';

const context = fixture();

const ANN = { name: 'ann' };
const BOB = { name: 'bob' };

/** Joins and notes everything that the presence channel tells. */
async function join(user, room) {
  const echo = context.clients.echo(user);
  const log = new Inbox();
  const channel = echo
    .join(room)
    .here((members) => log.push(['here', members.sort((a, b) => a.name.localeCompare(b.name))]))
    .joining((member) => log.push(['joining', member]))
    .leaving((member) => log.push(['leaving', member]))
    .listen('.marker', ({ n }) => log.push(['marker', n]));
  await subscribed(channel);
  return { echo, channel, log };
}

/** Publishes a marker and returns all that was told up to it. */
async function upTo(n, room, log) {
  await context.app.trigger(`presence-${room}`, 'marker', { n });
  await log.until(([kind, value]) => kind === 'marker' && value === n, { what: `marker ${n}` });
  return log.items;
}

test('LAR-04 presence: here lists everyone including oneself', async () => {
  const ann = await join('ann', 'here');
  const bob = await join('bob', 'here');

  assert.deepEqual(ann.log.items[0], ['here', [ANN]]);
  assert.deepEqual(bob.log.items[0], ['here', [ANN, BOB]]);
  const { members } = bob.echo.connector.pusher.channel('presence-here');
  assert.deepEqual(members.me, { id: 'bob', info: BOB });
  assert.equal(members.count, 2);
});

test('LAR-04 presence: joining and leaving fire exactly once, not at the joiner', async () => {
  const ann = await join('ann', 'come-and-go');
  const bob = await join('bob', 'come-and-go');
  assert.deepEqual(await upTo(1, 'come-and-go', bob.log), [
    ['here', [ANN, BOB]],
    ['marker', 1],
  ]);

  bob.echo.disconnect();
  await ann.log.until(([kind]) => kind === 'leaving', { what: 'leave of bob' });

  assert.deepEqual(await upTo(2, 'come-and-go', ann.log), [
    ['here', [ANN]],
    ['joining', BOB],
    ['marker', 1],
    ['leaving', BOB],
    ['marker', 2],
  ]);
});

test('presence: a second tab is silent, only the last one to go is a leave', async () => {
  const ann = await join('ann', 'tabs');
  const first = await join('bob', 'tabs');
  const second = await join('bob', 'tabs');
  assert.deepEqual(second.log.items[0], ['here', [ANN, BOB]]);
  await upTo(1, 'tabs', ann.log);

  first.echo.leave('tabs');
  // Frames of one connection are handled in order, so the leave is done by then.
  await subscribed(first.echo.channel('elsewhere'));
  await upTo(2, 'tabs', ann.log);

  second.echo.disconnect();
  await ann.log.until(([kind]) => kind === 'leaving', { what: 'leave of bob' });

  assert.deepEqual(await upTo(3, 'tabs', ann.log), [
    ['here', [ANN]],
    ['joining', BOB],
    ['marker', 1],
    ['marker', 2],
    ['leaving', BOB],
    ['marker', 3],
  ]);
});

test('presence: the roster is right for one who comes after a leave', async () => {
  const ann = await join('ann', 'late');
  const bob = await join('bob', 'late');
  bob.echo.leave('late');
  await ann.log.until(([kind]) => kind === 'leaving', { what: 'leave of bob' });

  const cid = await join('cid', 'late');

  assert.deepEqual(cid.log.items[0], ['here', [ANN, { name: 'cid' }]]);
});

test('whisper: on a presence channel the metadata names the sender', async () => {
  const { app } = context;
  const ann = await join('ann', 'talk');
  const bob = await join('bob', 'talk');
  const heard = new Inbox();
  for (const { echo } of [ann, bob]) {
    const bare = echo.connector.pusher.channel('presence-talk');
    bare.bind('client-typing', (data, metadata) => heard.push([bare.members.myID, data, metadata]));
  }

  ann.channel.whisper('typing', { on: true });
  await heard.reaches(1, { what: 'whisper' });
  // An event from the server, on the contrary, has no sender.
  bob.echo.connector.pusher
    .channel('presence-talk')
    .bind('posted', (data, metadata) => heard.push(['bob', data, metadata]));
  await app.trigger('presence-talk', 'posted', {});
  await heard.reaches(2, { what: 'event from the server' });
  await upTo(1, 'talk', ann.log);

  assert.deepEqual(heard.items, [
    ['bob', { on: true }, { user_id: 'ann' }],
    ['bob', {}, {}],
  ]);
});
