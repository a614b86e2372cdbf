/** The login proxy before an auth service that speaks TLS: one whose certificate is good is asked, any other one hears nothing. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { expect } from 'chai';
import { startProxy, type TestProxy } from '../../support/login-proxy.ts';

const LOGIN = { method: 'POST', path: '/api/auth/login', body: '{"password":"Hidden-Horse-9-Staple"}' };

/** Signs itself, for this name alone. */
const makeCertificate = (name: string): { readonly key: string; readonly cert: string } => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${name}`, '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

describe('the login proxy before an auth service that speaks TLS', () => {
  const trusted = getCACertificates('default');
  let good: ReturnType<typeof makeCertificate>;
  let server: Server;
  let proxy: TestProxy;
  let heard: number;
  let connections: number;

  before(() => {
    good = makeCertificate('IP:127.0.0.1');
    setDefaultCACertificates([...trusted, good.cert]);
  });
  after(() => setDefaultCACertificates(trusted));
  afterEach(async () => {
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });

  const start = async (certificate: ReturnType<typeof makeCertificate>): Promise<void> => {
    [heard, connections] = [0, 0];
    server = createServer(certificate, (request, response) => {
      if (!request.url?.startsWith('/api/health')) heard += 1;
      request.resume();
      response.setHeader('content-type', 'application/json').end('{}');
    }).listen(0, '127.0.0.1');
    server.on('secureConnection', () => (connections += 1));
    await once(server, 'listening');
    proxy = await startProxy({
      upstreamUrl: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      appEnv: 'staging',
    });
  };

  it('asks it, and shares a connection between reads', async () => {
    await start(good);
    expect((await proxy.send(LOGIN)).status).to.equal(200);
    for (let i = 0; i < 4; i += 1) expect((await proxy.send({ path: '/api/auth/me' })).status).to.equal(200);
    expect([heard, connections]).to.deep.equal([5, 2]);
  });

  for (const [what, name] of [
    ['that nobody signed', 'DNS:localhost'],
    ['for another name', 'DNS:auth.example.com'],
  ] as const)
    it(`sends nothing, no password and no secret, to one with a certificate ${what}`, async () => {
      await start(makeCertificate(name));
      const { status, body } = await proxy.send(LOGIN);
      expect([status, body['code']]).to.deep.equal([503, 'upstream-unreachable']);
      expect(body['detail']).to.match(/DEPTH_ZERO_SELF_SIGNED_CERT|ERR_TLS_CERT_ALTNAME_INVALID/);
      expect(heard).to.equal(0);
    });
});
