/** What the login proxy lets through to the auth service, byte by byte: the server behind it writes down what it hears. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { SERVICE_SECRET } from '../../support/login-proxy.ts';
import { BASE, useLoginProxy } from '../../support/login-proxy-scene.ts';

describe('through the login proxy', () => {
  const { upstream, proxy, withProxy } = useLoginProxy();
  const headersHeard = (index = 0): ReadonlyMap<string, readonly string[]> => {
    const [head = ''] = (upstream().heard[index] ?? '').split('\r\n\r\n', 1);
    const headers = new Map<string, string[]>();
    for (const line of head.split('\r\n').slice(1)) {
      const [name = '', value = ''] = line.split(/: (.*)/s, 2);
      headers.set(name.toLowerCase(), [...(headers.get(name.toLowerCase()) ?? []), value]);
    }
    return headers;
  };
  const firstLine = (index = 0): string => (upstream().heard[index] ?? '').split('\r\n', 1)[0] ?? '';
  /** Exactly these bytes, and what comes back until the connection ends. */
  const sendRaw = async (text: string): Promise<string> => {
    const socket = connect(proxy().port, '127.0.0.1');
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')));
    socket.write(text);
    await once(socket, 'close');
    return got;
  };

  describe('up', () => {
    it('go the credentials of this service, one each, whatever a client calls its own', async () => {
      await proxy().send({
        path: '/api/auth/me',
        headers: {
          'X-Service-ID': 'somebody',
          'x-service-secret': 'guess',
          X_Service_Secret: 'guess',
          X_SERVICE_ID: 'somebody',
          'X-Service-Role': 'admin',
        },
      });
      expect(headersHeard().get('x-service-id')).to.deep.equal(['latchkey-proxy']);
      expect(headersHeard().get('x-service-secret')).to.deep.equal([SERVICE_SECRET]);
      expect(upstream().heard[0]).not.to.match(/guess|somebody|role|X_/i);
    });

    it('goes one address, the client’s by the rule of TRUST_PROXY, and no host or protocol that a client claims', async () => {
      const claims = {
        'x-forwarded-for': '203.0.113.9, 198.51.100.7',
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'https',
        'x-forwarded-prefix': '/x',
        'x-real-ip': '203.0.113.9',
        forwarded: 'for=203.0.113.9',
        host: 'evil.example',
      };
      await proxy().send({ path: '/api/auth/me', headers: claims });
      expect(headersHeard().get('x-forwarded-for')).to.deep.equal(['198.51.100.7']);
      expect(headersHeard().get('x-forwarded-proto')).to.deep.equal(['https']);
      await withProxy(
        { env: { TRUST_PROXY: '' } },
        async (own) => void (await own.send({ path: '/api/auth/me', headers: claims })),
      );
      expect(headersHeard(1).get('x-forwarded-for')).to.deep.equal(['127.0.0.1']);
      expect(headersHeard(1).get('x-forwarded-proto')).to.deep.equal(['http']);
      for (const text of upstream().heard) expect(text).not.to.match(/evil|203\.0\.113|forwarded:|real-ip|prefix/i);
      expect(headersHeard().get('host')).to.deep.equal([`127.0.0.1:${upstream().port}`]);
    });

    it('Apache CVE-2022-31813: a header that Connection names for one hop goes no further, and what the proxy adds stays', async () => {
      await proxy().send({
        path: '/api/auth/me',
        headers: {
          connection: 'X-Forwarded-For, X-Service-Secret, X-Request-Id, Authorization',
          authorization: 'Bearer x',
        },
      });
      expect(headersHeard().get('authorization')).to.equal(undefined);
      for (const name of ['x-forwarded-for', 'x-service-secret', 'x-request-id'])
        expect(headersHeard().get(name), name).to.have.length(1);
    });

    it('go what belongs to the user and the request id that the client sees, and nothing else', async () => {
      const answer = await proxy().send({
        method: 'POST',
        path: '/api/auth/login',
        body: '{"a":1}',
        headers: {
          authorization: 'Bearer t',
          cookie: 'a=b; c=d',
          'x-csrf-token': 'csrf',
          'sec-fetch-site': 'same-origin',
          'user-agent': 'agent/1',
          'x-request-id': 'request-12345',
          te: 'trailers',
          upgrade: 'h2c',
          'proxy-authorization': 'Basic x',
          'x-own': 'y',
        },
      });
      expect(answer.headers['x-request-id']).to.equal('request-12345');
      expect([...headersHeard().keys()].toSorted()).to.deep.equal([
        'accept-encoding',
        'authorization',
        'connection',
        'content-length',
        'content-type',
        'cookie',
        'host',
        'sec-fetch-site',
        'user-agent',
        'via',
        'x-csrf-token',
        'x-forwarded-for',
        'x-forwarded-proto',
        'x-request-id',
        'x-service-id',
        'x-service-secret',
      ]);
      expect(headersHeard().get('cookie')).to.deep.equal(['a=b; c=d']);
      expect(headersHeard().get('x-request-id')).to.deep.equal(['request-12345']);
      expect(upstream().heard[0]?.endsWith('\r\n\r\n{"a":1}')).to.equal(true);
    });

    it('goes a body of a length that was counted here, however it came', async () => {
      const chunked =
        'POST /api/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n';
      expect(await sendRaw(chunked)).to.match(/^HTTP\/1\.1 200 /);
      expect(headersHeard().get('content-length')).to.deep.equal(['7']);
      expect(headersHeard().get('transfer-encoding')).to.equal(undefined);
    });

    it('goes no request that could be read in two ways, and no body of a read', async () => {
      const two = (headers: string) =>
        sendRaw(`POST /api/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n\r\n{"a":1}`);
      for (const headers of [
        'Content-Length: 7\r\nContent-Length: 8',
        'Content-Length: 7\r\nTransfer-Encoding: chunked',
        'Transfer-Encoding: xchunked',
      ])
        expect(await two(headers), headers).to.match(/^HTTP\/1\.1 400 /);
      expect(upstream().heard).to.deep.equal([]);
      await proxy().send({ method: 'GET', path: '/api/auth/me', body: 'GET /admin HTTP/1.1\r\n\r\n' });
      expect(upstream().heard).to.have.length(1);
      expect(upstream().heard[0]).not.to.include('admin');
    });

    it('goes a path behind the configured one, with its query', async () => {
      await proxy().send({ path: '/api/auth/sessions/0a1b-2c?limit=5&cursor=a%2Fb' });
      expect(firstLine()).to.equal(`GET ${BASE}/sessions/0a1b-2c?limit=5&cursor=a%2Fb HTTP/1.1`);
      await withProxy(
        { upstreamUrl: `http://127.0.0.1:${upstream().port}` },
        async (own) => void (await own.send({ path: '/api/auth/me' })),
      );
      expect(firstLine(1)).to.equal('GET /api/auth/me HTTP/1.1');
    });

    for (const path of [
      '/api/auth',
      '/api/auth/',
      '/api/auth//evil.example/me',
      '/api/auth/../../admin',
      '/api/auth/..',
      '/api/auth/./me',
      '/api/auth/%2e%2e/%2e%2e/admin',
      '/api/auth/me%2f..%2fadmin',
      '/api/auth/me/',
      '/api/auth/me;x=1',
      '/api/auth/me\\..\\admin',
      '/api/auth/@evil.example',
      '/api/auth/me%00',
      '/api/auth/me%0d%0aX-Service-ID:%20x',
      'http://evil.example/api/auth/me',
      '//evil.example/api/auth/me',
      '/api/auth/me?x=`',
      '/api/auth/me#x',
    ])
      it(`goes nothing of ${path}`, async () => {
        const got = await sendRaw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
        expect(got).to.match(/^HTTP\/1\.1 (400|404) /);
        expect(upstream().heard).to.deep.equal([]);
      });

    it('goes no method but those of an API, and the others hear which', async () => {
      for (const method of ['OPTIONS', 'TRACE', 'PROPFIND']) {
        const { status, headers } = await proxy().send({ method, path: '/api/auth/me' });
        expect([status, headers['allow']], method).to.deep.equal([405, 'GET, HEAD, POST, PUT, PATCH, DELETE']);
      }
      expect(upstream().heard).to.deep.equal([]);
    });

    it('goes no body of more than a megabyte', async () => {
      const { status, body } = await proxy().send({
        method: 'POST',
        path: '/api/auth/login',
        body: 'x'.repeat(1_100_000),
      });
      expect([status, body['code']]).to.deep.equal([413, 'body-too-large']);
      expect(upstream().heard).to.deep.equal([]);
    });

    it('goes nothing that has been at a login proxy before', async () => {
      await proxy().send({ path: '/api/auth/me' });
      const via = String(headersHeard().get('via'));
      const { status, body } = await proxy().send({ path: '/api/auth/me', headers: { via } });
      expect([status, body['code']]).to.deep.equal([502, 'upstream-misconfigured']);
      expect(upstream().heard).to.have.length(1);
    });
  });
});
