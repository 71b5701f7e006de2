import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { Inbox } from './wait.js';

/** Plays the back end that webhooks are sent to, and keeps every request as it came. */
export class Receiver {
  inbox = new Inbox();

  /** With a key and a certificate it speaks TLS. */
  static async start(tls) {
    const receiver = new Receiver();
    const answer = async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const { url, headers } = request;
      // In the form that the SDK takes.
      receiver.inbox.push({ url, headers, rawBody: Buffer.concat(chunks).toString() });
      response.writeHead(200).end();
    };
    receiver.http = tls ? createSecureServer(tls, answer) : createServer(answer);
    receiver.http.listen(0, '127.0.0.1');
    await once(receiver.http, 'listening');
    receiver.url = `${tls ? 'https' : 'http'}://127.0.0.1:${receiver.http.address().port}`;
    return receiver;
  }

  async stop() {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }
}
