import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { sdk } from './lib/app.js';
import { subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Receiver } from './lib/receiver.js';

const receiver = await Receiver.start();
const context = fixture(
  {},
  `
[features]
private_webhook_targets = true
[webhooks]
debounce_ms = 300
[[webhooks.endpoints]]
url = "${receiver.url}/single"
[[webhooks.endpoints]]
url = "${receiver.url}/batch"
batch = true
`,
);
after(() => receiver.stop());

/** What the SDK makes of the request that tells of this event, once it has come. */
async function told(path, event) {
  const { pusher } = context.app;
  const tells = ({ url, rawBody }) =>
    url === path && JSON.parse(rawBody).events.some((one) => isDeepStrictEqual(one, event));
  const request = await receiver.inbox.until(tells, { what: `webhook ${JSON.stringify(event)}` });
  const webhook = pusher.webhook(request);
  assert.ok(webhook.isValid(), `the SDK refuses ${request.rawBody}`);
  return webhook;
}

/** The event comes alone, and a moment ago. */
async function toldAlone(event, since) {
  const webhook = await told('/single', event);
  assert.deepEqual(webhook.getEvents(), [event]);
  const time = webhook.getTime().getTime();
  assert.ok(time >= since && time <= Date.now(), `${webhook.getTime()}`);
  assert.deepEqual(webhook.getData(), { time_ms: time, events: [event] });
}

test('webhooks: channels are occupied, counted and vacated', async () => {
  const { clients } = context;
  const [channel, since] = ['orders', Date.now()];
  await subscribed(clients.pusher('ann').subscribe(channel));
  await toldAlone({ name: 'channel_occupied', channel }, since);
  await toldAlone({ name: 'subscription_count', channel, subscription_count: 1 }, since);
  await subscribed(clients.echo('bob').channel(channel));
  await toldAlone({ name: 'subscription_count', channel, subscription_count: 2 }, since);
  clients.disconnect();
  await toldAlone({ name: 'channel_vacated', channel }, since);
});

test('webhooks: members come and go', async () => {
  const { clients } = context;
  const [channel, since] = ['presence-room', Date.now()];
  await subscribed(clients.echo('ann').join('room'));
  await toldAlone({ name: 'member_added', channel, user_id: 'ann' }, since);
  clients.disconnect();
  await toldAlone({ name: 'member_removed', channel, user_id: 'ann' }, since);
});

test('webhooks: what a client says is told as clients get it', async () => {
  const { clients } = context;
  const since = Date.now();
  for (const [channel, member] of [
    ['private-chat', {}],
    ['presence-chat', { user_id: 'ann' }],
  ]) {
    const pusher = clients.pusher('ann');
    const subscription = await subscribed(pusher.subscribe(channel));
    assert.ok(subscription.trigger('client-typing', { text: 'é🎉' }));
    const said = { event: 'client-typing', data: '{"text":"é🎉"}' };
    const from = { socket_id: pusher.connection.socket_id, ...member };
    await toldAlone({ name: 'client_event', channel, ...said, ...from }, since);
  }
});

test('webhooks: an empty cache channel is told of, for the back end to fill it', async () => {
  const { app, clients } = context;
  const [channel, since] = ['cache-prices', Date.now()];
  const arrived = new Promise((done) => {
    clients.pusher('ann').subscribe(channel).bind('price', done);
  });
  await toldAlone({ name: 'cache_miss', channel }, since);
  await app.trigger(channel, 'price', { p: 1 });
  assert.deepEqual(await arrived, { p: 1 });
});

test('webhooks: several events in one body are as good to the SDK as one', async () => {
  const pusher = context.clients.pusher('ann');
  const names = Array.from({ length: 10 }, (_, n) => `many-${n}`);
  await Promise.all(names.map((name) => subscribed(pusher.subscribe(name))));
  let most = 0;
  for (const channel of names) {
    const webhook = await told('/batch', { name: 'channel_occupied', channel });
    most = Math.max(most, webhook.getEvents().length);
  }
  assert.ok(most > 1 && most <= 50, `at most ${most} events in a body`);
});

test('webhooks: the SDK refuses what the app has not signed', async () => {
  const { clients, server } = context;
  await subscribed(clients.pusher('ann').subscribe('signed'));
  await told('/single', { name: 'channel_occupied', channel: 'signed' });
  const [request] = receiver.inbox.items;
  const { key, secret } = server;
  const stranger = sdk(server, { secret: 'another' }).webhook(request);
  assert.equal(stranger.isValid(), false);
  assert.equal(stranger.isValid({ key, secret }), true);
  assert.equal(sdk(server, { key: 'another' }).webhook(request).isValid(), false);
  const forged = { ...request, rawBody: request.rawBody.replace('"events"', '"events" ') };
  assert.equal(context.app.pusher.webhook(forged).isValid(), false);
});
