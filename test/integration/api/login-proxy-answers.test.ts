/** What comes back through the login proxy, and over which connections: the server behind it does what the test says. */
import { connect } from 'node:net';
import { expect } from 'chai';
import { eventually } from '../../support/eventually.ts';
import { BASE, useLoginProxy } from '../../support/login-proxy-scene.ts';
import { answers } from '../../support/misbehaving-upstream.ts';

describe('back through the login proxy', () => {
  const { upstream, proxy, withProxy } = useLoginProxy();
  describe('down', () => {
    it('come status, body and what belongs to the user; nothing about the server, no second copy of our own headers', async () => {
      const refusal = '{"code":"invalid-request","errors":[]}';
      upstream().behave = answers(refusal, '422 Unprocessable Content', [
        'Server: secret-server/1.2',
        'X-Powered-By: x',
        'X-Internal: 10.1.2.3',
        'Cache-Control: public',
        'Strict-Transport-Security: max-age=1',
        'Access-Control-Allow-Origin: *',
        'ETag: "v1"',
        'Keep-Alive: timeout=5',
        'Trailer: x',
        'RateLimit: "api"; r=1',
      ]);
      const answer = await proxy().send({ path: '/api/auth/me' });
      expect([answer.status, answer.text]).to.deep.equal([422, refusal]);
      expect(answer.headers).to.include({
        'cache-control': 'no-store',
        etag: '"v1"',
        'content-type': 'application/json',
      });
      expect(JSON.stringify(answer.headers)).not.to.match(
        /secret-server|10\.1\.2\.3|powered|trailer|access-control|\\"api/i,
      );
      expect(answer.headers['strict-transport-security']).not.to.equal('max-age=1');
    });

    it('come cookies as this host’s: with the path that clients see, without a domain', async () => {
      upstream().behave = answers('{}', '200 OK', [
        `Set-Cookie: r=1; Path=${BASE}; HttpOnly; Secure; SameSite=Strict`,
        `Set-Cookie: s=2; path=${BASE}/refresh; Domain=.example.com`,
        'Set-Cookie: __Host-t=3; Path=/; Secure',
        `Set-Cookie: u=4; Path=${BASE}entication`,
      ]);
      const { headers } = await proxy().send({ method: 'POST', path: '/api/auth/login', body: '{}' });
      expect(headers['set-cookie']).to.deep.equal([
        'r=1; Path=/api/auth; HttpOnly; Secure; SameSite=Strict',
        's=2; Path=/api/auth/refresh',
        '__Host-t=3; Path=/; Secure',
        `u=4; Path=${BASE}entication`,
      ]);
    });

    it('comes a 401 with a challenge, the server’s or else our own', async () => {
      upstream().behave = answers('{}', '401 Unauthorized', ['WWW-Authenticate: Bearer error="invalid_token"']);
      expect((await proxy().send({ path: '/api/auth/me' })).headers['www-authenticate']).to.equal(
        'Bearer error="invalid_token"',
      );
      upstream().behave = answers('{}', '401 Unauthorized');
      expect((await proxy().send({ path: '/api/auth/me' })).headers['www-authenticate']).to.equal('Bearer');
    });

    it('comes nothing but the head for a HEAD, and nothing but the status for a 204', async () => {
      upstream().behave = (socket) =>
        void socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n');
      expect(await proxy().send({ method: 'HEAD', path: '/api/auth/me' })).to.include({ status: 200, text: '' });
      upstream().behave = (socket) => void socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      const { status, text, headers } = await proxy().send({ method: 'POST', path: '/api/auth/logout', body: '{}' });
      expect([status, text, headers['content-length']]).to.deep.equal([204, '', undefined]);
    });
  });

  describe('connections', () => {
    it('are shared by what reads, and one each for what changes something', async () => {
      await withProxy({}, async (own) => {
        for (let i = 0; i < 5; i += 1) await own.send({ path: '/api/auth/me' });
        expect(upstream().connections, 'five reads').to.equal(1);
        for (let i = 0; i < 3; i += 1) await own.send({ method: 'POST', path: '/api/auth/login', body: '{}' });
        expect(upstream().connections, 'and three logins').to.equal(4);
      });
    });

    it('that the server has just closed cost a read nothing, in production too', async () => {
      await withProxy({}, async (own) => {
        await own.send({ path: '/api/auth/me' });
        // Hears the request, and hangs up as if it had been idle: once.
        upstream().behave = (socket) => {
          upstream().behave = answers();
          socket.destroy();
        };
        expect((await own.send({ path: '/api/auth/me' })).status).to.equal(200);
        expect(await own.metric('auth_upstream_attempts_total')).to.equal(2);
        expect(upstream().heard).to.have.length(3);
      });
    });
  });

  describe('a refresh whose answer is lost', () => {
    const refresh = { method: 'POST', path: '/api/auth/refresh', body: '{"refreshToken":"x"}' };
    const losesOnce = (): void => {
      upstream().behave = (socket) => {
        upstream().behave = answers();
        socket.destroy();
      };
    };

    it('is not repeated: the second one could be taken for a theft', async () => {
      losesOnce();
      await withProxy({ appEnv: 'staging' }, async (own) => {
        expect((await own.send(refresh)).status).to.equal(502);
        expect(upstream().heard).to.have.length(1);
      });
    });

    it('is repeated where the auth service is known to repeat its answer', async () => {
      losesOnce();
      await withProxy({ appEnv: 'staging', env: { AUTH_UPSTREAM_REPEATS_REFRESH: 'true' } }, async (own) => {
        expect((await own.send(refresh)).status).to.equal(200);
        expect(upstream().heard).to.have.length(2);
        losesOnce();
        expect((await own.send({ ...refresh, path: '/api/auth/login' })).status, 'a login never is').to.equal(502);
      });
    });
  });

  it('a client that is gone is not waited for: nothing is tried again for it', async () => {
    await withProxy({ appEnv: 'staging', env: { AUTH_UPSTREAM_READ_TIMEOUT_MS: '300' } }, async (own) => {
      upstream().behave = () => undefined;
      const socket = connect(own.port, '127.0.0.1');
      socket.write('GET /api/auth/me HTTP/1.1\r\nHost: x\r\n\r\n');
      await eventually('it was asked', 5_000, () => upstream().heard.length === 1);
      socket.destroy();
      await eventually(
        'it was given up',
        5_000,
        async () => (await own.metric('auth_upstream_requests_total', 'category="read-timeout"')) === 1,
      );
      expect(upstream().heard).to.have.length(1);
    });
  });
});
