import { after, afterEach, before } from 'node:test';
import { App } from './app.js';
import { Clients } from './clients.js';
import { Server } from './server.js';

/**
 * One server and one application for a test file. The fields are there when the
 * tests run, not before. Tests share the server, so each uses its own channels.
 */
export function fixture(env, toml) {
  const context = {};
  before(async () => {
    context.server = await Server.start(env, toml);
    context.app = await App.start(context.server);
    context.clients = new Clients(context.server, context.app);
  });
  afterEach(() => context.clients?.disconnect());
  after(async () => {
    await context.app?.stop();
    await context.server?.dispose();
  });
  return context;
}
