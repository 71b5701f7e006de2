import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { subscribed } from './lib/clients.js';
import { fixture } from './lib/fixture.js';
import { Receiver } from './lib/receiver.js';

const folder = await mkdtemp(join(tmpdir(), 'fanfare-tls-'));
const file = (name) => join(folder, name);
const openssl = (...words) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A new authority. */
function authority(name) {
  const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
  openssl('req', '-x509', ...fresh, ...files, '-subj', `/CN=${name}`, '-days', '2');
}

/** A certificate of this machine for which an authority vouches. */
function certificate(name, ca) {
  openssl('req', ...fresh, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  writeFileSync(file('names'), 'subjectAltName=IP:127.0.0.1\n');
  const signs = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-extfile', 'names', '-days', '2'];
  openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signs);
  return { key: readFileSync(file(`${name}.key`)), cert: readFileSync(file(`${name}.pem`)) };
}

authority('trusted');
authority('stranger');
const known = await Receiver.start(certificate('known', 'trusted'));
const unknown = await Receiver.start(certificate('unknown', 'stranger'));
const context = fixture(
  {},
  `
[features]
private_webhook_targets = true
[webhooks]
tls_ca_file = "${file('trusted.pem')}"
[[webhooks.endpoints]]
url = "${known.url}/hook"
[[webhooks.endpoints]]
url = "${unknown.url}/hook"
`,
);
after(async () => {
  await Promise.all([known.stop(), unknown.stop()]);
  await rm(folder, { recursive: true });
});

test('webhooks: an endpoint is told over TLS if the authority vouches for it, and only then', async () => {
  const { app, clients } = context;
  await subscribed(clients.pusher('ann').subscribe('orders'));
  const occupied = ({ rawBody }) => JSON.parse(rawBody).events[0].name === 'channel_occupied';
  const request = await known.inbox.until(occupied, { what: 'webhook over TLS' });
  assert.ok(app.pusher.webhook(request).isValid());
  const answer = await app.pusher.get({ path: '/webhooks' });
  const { endpoints } = await answer.json();
  assert.deepEqual(
    endpoints.map(({ url, failures }) => [url, failures > 0]),
    [
      [`${known.url}/hook`, false],
      [`${unknown.url}/hook`, true],
    ],
  );
  assert.match(endpoints[1].log[0].error, /certificate/i);
  assert.deepEqual(unknown.inbox.items, []);
});
