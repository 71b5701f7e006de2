import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Inbox } from './lib/wait.js';

const context = fixture();

/** Every event that the channel's subscriber hears. */
function listening(user, channel) {
  const inbox = new Inbox();
  const pusher = context.clients.pusher(user);
  pusher.subscribe(channel).bind_global((event, data) => {
    if (event !== 'pusher:subscription_succeeded') inbox.push([event, data]);
  });
  return inbox;
}

for (const channel of ['cache-prices', 'private-cache-prices', 'presence-cache-prices']) {
  test(`cache: a newcomer of ${channel} gets the last event, or hears that there is none`, async () => {
    const { app } = context;
    const early = listening('ann', channel);
    await early.reaches(1, { what: 'cache miss' });
    await app.trigger(channel, 'price', { p: 1 });
    await app.trigger(channel, 'price', { p: 2 });
    await early.reaches(3, { what: 'live events' });

    const late = listening('ann', channel);

    assert.deepEqual(await late.reaches(1, { what: 'kept event' }), [['price', { p: 2 }]]);
    assert.deepEqual(early.items, [
      ['pusher:cache_miss', {}],
      ['price', { p: 1 }],
      ['price', { p: 2 }],
    ]);
  });
}

test('cache: what was published to nobody waits for the first subscriber', async () => {
  await context.app.trigger('cache-early', 'price', { p: 1 });
  const inbox = listening('ann', 'cache-early');
  assert.deepEqual(await inbox.reaches(1, { what: 'kept event' }), [['price', { p: 1 }]]);
});

test('LAR-08 encrypted: Echo reads what the SDK encrypted, kept or live', async () => {
  const { app, clients } = context;
  for (const name of ['ledger', 'cache-ledger']) {
    const inbox = new Inbox();
    const channel = clients.echo('ann').encryptedPrivate(name).listen('.entry', inbox.push);
    await subscribed(channel);
    await app.trigger(`private-encrypted-${name}`, 'entry', { sum: 7 });
    assert.deepEqual(await inbox.reaches(1, { what: 'entry' }), [{ sum: 7 }]);
  }
  const late = new Inbox();
  clients.echo('bob').encryptedPrivate('cache-ledger').listen('.entry', late.push);
  assert.deepEqual(await late.reaches(1, { what: 'kept entry' }), [{ sum: 7 }]);
});
