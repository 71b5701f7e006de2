import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { sdk } from './lib/app.js';
import { Server } from './lib/server.js';
import { once } from './lib/wait.js';

const MODULES = fileURLToPath(new URL('./node_modules', import.meta.url));
const print = console.log;

test('dev: the Echo snippet that is printed runs as it is', async () => {
  const server = await Server.dev();
  // Within node_modules, so that the snippet's imports are found.
  const folder = await mkdtemp(join(MODULES, '.snippet-'));
  try {
    const printed = await once((done) => {
      const look = () => server.output.includes('curl ') && done(server.output);
      server.child.stdout.on('data', look);
      look();
    }, { what: 'instructions' });
    const [, snippet] = printed.match(/Echo, in the page:\n([^]*?)\nPublish to it/);
    const file = join(folder, 'snippet.mjs');
    await writeFile(file, snippet);

    globalThis.window = globalThis;
    const logged = once((done) => (console.log = done), { what: 'event in the console' });
    await import(pathToFileURL(file));
    await once((done) => window.Echo.channel('my-channel').subscribed(done), { what: 'subscription' });
    await sdk(server).trigger('my-channel', 'hello', { text: 'Hi' });
    assert.deepEqual(await logged, { text: 'Hi' });
  } finally {
    console.log = print;
    globalThis.window?.Echo?.disconnect();
    await rm(folder, { recursive: true, force: true });
    await server.dispose();
  }
});
