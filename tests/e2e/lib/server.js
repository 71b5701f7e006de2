import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once as onceEvent } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { once } from './wait.js';

const DEFAULT_BIN = fileURLToPath(new URL('../../../target/release/fanfare', import.meta.url));
const BIN = process.env.FANFARE_BIN ? resolve(process.env.FANFARE_BIN) : DEFAULT_BIN;
const READY_TIMEOUT = 10_000;
const STOP_TIMEOUT = 10_000;

export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await onceEvent(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await onceEvent(probe, 'close');
  return port;
}

/** The variables that `php artisan reverb:install` leaves behind, and no others. */
function dotenv({ id, key, secret, port, extra }) {
  const lines = {
    BROADCAST_CONNECTION: 'reverb',
    REVERB_APP_ID: id,
    REVERB_APP_KEY: key,
    REVERB_APP_SECRET: secret,
    REVERB_HOST: '"localhost"',
    REVERB_PORT: port,
    REVERB_SCHEME: 'http',
    REVERB_SERVER_HOST: '127.0.0.1',
    REVERB_SERVER_PORT: port,
    ...extra,
    VITE_REVERB_APP_KEY: '"${REVERB_APP_KEY}"',
    VITE_REVERB_HOST: '"${REVERB_HOST}"',
    VITE_REVERB_PORT: '"${REVERB_PORT}"',
    VITE_REVERB_SCHEME: '"${REVERB_SCHEME}"',
  };
  return Object.entries(lines).map(([name, value]) => `${name}=${value}\n`).join('');
}

/** The process environment wins over `.env`, so anything that could configure the server goes. */
function cleanEnv(home) {
  const ours = /^(APP|BROADCAST|CACHE|DB|FANFARE|PUSHER|REDIS|REVERB|VITE)_/;
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name));
  // Certificates of local development tools are looked up below the home directory.
  return { ...Object.fromEntries(kept), HOME: home };
}

export class Server {
  args = ['serve', '--drain-delay', '0'];
  output = '';

  /** `fanfare serve --dev`: credentials of its own, and no configuration. */
  static async dev() {
    const server = new Server();
    server.port = await freePort();
    Object.assign(server, { id: 'app-id', key: 'app-key', secret: 'app-secret' });
    server.args = ['serve', '--dev', '--port', String(server.port)];
    server.dir = await mkdtemp(join(tmpdir(), 'fanfare-e2e-'));
    await server.run();
    return server;
  }

  /** Configured by a Reverb `.env` with `extra` variables and, if given, a config file. */
  static async start(extra = {}, toml = undefined) {
    const server = new Server();
    server.port = await freePort();
    server.id = String(randomInt(100_000, 1_000_000));
    server.key = randomBytes(10).toString('hex');
    server.secret = randomBytes(10).toString('hex');
    server.dir = await mkdtemp(join(tmpdir(), 'fanfare-e2e-'));
    await writeFile(join(server.dir, '.env'), dotenv({ ...server, extra }));
    if (toml) {
      await writeFile(join(server.dir, 'fanfare.toml'), toml);
      server.args.push('--config', 'fanfare.toml');
    }
    try {
      await server.run();
    } catch (error) {
      await rm(server.dir, { recursive: true, force: true });
      throw error;
    }
    return server;
  }

  /** Starts the binary; also used to start it again on the same port. */
  async run() {
    const child = spawn(BIN, this.args, {
      cwd: this.dir,
      env: cleanEnv(this.dir),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    // A test file that dies half-way must not leave a server behind.
    this.killOnExit = () => child.kill('SIGKILL');
    process.on('exit', this.killOnExit);
    this.exited = new Promise((done) => {
      child.once('error', (error) => done({ error }));
      child.once('close', (code, signal) => done({ code, signal }));
    });

    this.output = '';
    const ready = `Starting server on 127.0.0.1:${this.port}`;
    const started = once(
      (done) => {
        child.stdout.on('data', (chunk) => {
          this.output += chunk;
          if (this.output.includes(ready)) done({ listening: true });
        });
        // Both pipes are read to the end: a full pipe would block the server.
        child.stderr.on('data', (chunk) => (this.output += chunk));
        this.exited.then(done);
      },
      { what: `line "${ready}"`, timeout: READY_TIMEOUT },
    );
    try {
      const { listening, error, code, signal } = await started;
      if (!listening) throw error ?? new Error(`${BIN} ended, code ${code}, signal ${signal}`);
    } catch (error) {
      child.kill('SIGKILL');
      error.message += `\noutput of the server:\n${this.output}`;
      throw error;
    }
  }

  /** Asks politely and insists on a clean exit. */
  async stop() {
    const { child } = this;
    child.kill('SIGTERM');
    try {
      const exit = await once((done) => this.exited.then(done), {
        what: 'exit after SIGTERM',
        timeout: STOP_TIMEOUT,
      });
      assert.deepEqual(exit, { code: 0, signal: null });
    } finally {
      child.kill('SIGKILL');
      process.off('exit', this.killOnExit);
    }
  }

  async dispose() {
    try {
      await this.stop();
    } finally {
      await rm(this.dir, { recursive: true, force: true });
    }
  }
}
