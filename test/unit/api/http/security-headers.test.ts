/** The security headers go out as one block of text that Node knows nothing of: every answer has each of them, and has it once. */
import { once } from 'node:events';
import { get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import express from 'express';
import {
  securityHeaders,
  spellOutSecurityHeaders,
  writeSecurityBlock,
} from '../../../../api/src/http/security-headers.ts';

const NAMES = [
  'cache-control',
  'content-security-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'origin-agent-cluster',
  'permissions-policy',
  'referrer-policy',
  'strict-transport-security',
  'x-content-type-options',
  'x-dns-prefetch-control',
  'x-download-options',
  'x-frame-options',
  'x-permitted-cross-domain-policies',
  'x-xss-protection',
];

const POLICY = "default-src 'none'; sandbox";

const createApp = (): express.Express => {
  const app = express();
  app.disable('x-powered-by');
  writeSecurityBlock(app);
  app.get('/before', (_request, response) => void response.end());
  app.use(securityHeaders(true));
  app.get('/plain', (_request, response) => void response.json({}));
  app.get('/empty', (_request, response) => void response.status(204).end());
  app.get('/own-head', (_request, response) => void response.writeHead(200, { 'x-own': 'yes' }).end());
  app.get('/otherwise', (_request, response) => {
    spellOutSecurityHeaders(response);
    response.set('Content-Security-Policy', POLICY).end();
  });
  return app;
};

describe('the security headers', () => {
  let server: Server;

  before(async () => {
    server = createApp().listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  after(() => server.close());

  /** The raw head: Node's client would join what comes twice. */
  const answered = async (path: string): Promise<ReadonlyMap<string, readonly string[]>> => {
    // A server that listens on a port has an address with one.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const { port } = server.address() as AddressInfo;
    const request = get({ port, path, agent: false });
    // What Node's `response` event carries.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    const raw = response.rawHeaders;
    const pairs = raw.flatMap((name, at) =>
      at % 2 === 0 ? [{ name: name.toLowerCase(), value: raw[at + 1] ?? '' }] : [],
    );
    return new Map(
      [...Map.groupBy(pairs, ({ name }) => name)].map(([name, all]) => [name, all.map(({ value }) => value)]),
    );
  };

  for (const path of ['/plain', '/empty', '/own-head', '/otherwise']) {
    it(`are on ${path}, each once`, async () => {
      const headers = await answered(path);
      for (const name of NAMES) expect(headers.get(name), name).to.have.length(1);
    });
  }

  it('leave the answer its own headers', async () => {
    expect((await answered('/own-head')).get('x-own')).to.deep.equal(['yes']);
    expect((await answered('/plain')).get('content-type')).to.deep.equal(['application/json; charset=utf-8']);
  });

  it('can be said otherwise by an answer that spells them out first', async () => {
    expect((await answered('/otherwise')).get('content-security-policy')).to.deep.equal([POLICY]);
    expect((await answered('/plain')).get('content-security-policy')?.[0]).to.match(
      /^default-src 'none';frame-ancestors/,
    );
  });

  it('are not on an answer that did not pass them', async () => {
    const headers = await answered('/before');
    expect(NAMES.filter((name) => headers.has(name))).to.deep.equal([]);
  });
});
