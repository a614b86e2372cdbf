/** What an account sees and changes of itself: profile, preferences, picture. */
import { expect } from 'chai';
import { type Answer, Api, type Tokens } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

describe('profile', () => {
  let database: TestDatabase;
  let api: Api;
  let session: Tokens;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
    session = await api.newSession();
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const patch = (path: string, body: unknown): Promise<Answer> =>
    api.send('PATCH', path, { body, bearer: session.accessToken });
  const read = (path: string): Promise<Answer> => api.get(path, { bearer: session.accessToken });

  it('changes what is named, keeps what is not, and empties with null', async () => {
    const first = await patch('/api/v1/users/profile', { firstName: 'Thandi', phone: '+27123456789' });
    expect(first.body).to.include({ firstName: 'Thandi', lastName: null, phone: '+27123456789', hasAvatar: false });
    const second = await patch('/api/v1/users/profile', { firstName: null, displayName: 'T. & Co <3' });
    expect(second.body).to.include({ firstName: null, phone: '+27123456789', displayName: 'T. & Co <3' });
    expect((await read('/api/v1/users/profile')).body).to.deep.equal(second.body);
    expect((await read('/api/v1/auth/me')).body['user']).to.include({ displayName: 'T. & Co <3' });
  });

  it('has the preferences en and Africa/Johannesburg until they are changed', async () => {
    expect((await read('/api/v1/users/preferences')).body).to.deep.equal({
      language: 'en',
      timezone: 'Africa/Johannesburg',
      settings: {},
    });
    const changed = await patch('/api/v1/users/preferences', {
      language: 'EN-za',
      timezone: 'Europe/Oslo',
      settings: { theme: 'dark', columns: ['a', 'b'], gone: 1 },
    });
    expect(changed.body).to.deep.include({ language: 'en-ZA', timezone: 'Europe/Oslo' });
    const merged = await patch('/api/v1/users/preferences', { settings: { gone: null, size: 2 } });
    expect(merged.body['settings']).to.deep.equal({ theme: 'dark', columns: ['a', 'b'], size: 2 });
  });

  it('keeps both of two settings that are changed at once', async () => {
    await Promise.all(
      Array.from({ length: 10 }, (_, n) => patch('/api/v1/users/preferences', { settings: { [`both.${n}`]: n } })),
    );
    const { settings } = (await read('/api/v1/users/preferences')).body;
    expect(Object.keys(settings as object).filter((name) => name.startsWith('both.'))).to.have.length(10);
  });

  it('names the field that it refuses', async () => {
    const wrong: readonly (readonly [string, unknown, string])[] = [
      ['/api/v1/users/profile', { email: 'x@example.com' }, 'email'],
      ['/api/v1/users/profile', { emailVerified: true }, 'emailVerified'],
      ['/api/v1/users/profile', { displayName: '<script></script>' }, 'displayName'],
      ['/api/v1/users/profile', { displayName: null }, 'displayName'],
      ['/api/v1/users/profile', { phone: '0123' }, 'phone'],
      ['/api/v1/users/preferences', { language: 'not a tag' }, 'language'],
      ['/api/v1/users/preferences', { timezone: 'Mars/Olympus' }, 'timezone'],
      ['/api/v1/users/preferences', { timezone: '+02:00' }, 'timezone'],
      ['/api/v1/users/preferences', { settings: { a: { b: 1 } } }, 'settings.a'],
      ['/api/v1/users/preferences', { settings: { a: 'nul\0' } }, 'settings.a'],
    ];
    for (const [path, body, field] of wrong) {
      const answer = await patch(path, body);
      expect(answer.status, JSON.stringify(body)).to.equal(400);
      const errors = answer.body['errors'] as readonly { readonly field: string }[];
      expect(errors[0]?.field, JSON.stringify(body)).to.equal(field);
    }
  });

  it('refuses settings that are too big altogether, and keeps what was there', async () => {
    const before = (await read('/api/v1/users/preferences')).body;
    const big = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`big${n}`, 'x'.repeat(1000)]));
    const answer = await patch('/api/v1/users/preferences', { settings: big });
    expect([answer.status, answer.body['code']]).to.deep.equal([400, 'invalid-request']);
    expect((await read('/api/v1/users/preferences')).body).to.deep.equal(before);
  });

  it('takes HTML out of names and settings, in whatever escaping it comes', async () => {
    const answer = await patch('/api/v1/users/profile', {
      displayName: 'Ann <img src=x onerror=alert(1)>&lt;script&gt;alert(1)&lt;/script&gt;',
    });
    expect(answer.body['displayName']).to.equal('Ann');
    const { body } = await patch('/api/v1/users/preferences', { settings: { note: '<b>hi</b>&amp;lt;i&amp;gt;' } });
    expect((body['settings'] as Record<string, unknown>)['note']).to.equal('hi');
  });

  describe('the picture', () => {
    const put = (content: Buffer, type: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
      fetch(`http://127.0.0.1:${api.port}/api/v1/users/avatar`, {
        method: 'PUT',
        body: new Uint8Array(content),
        headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': type, ...headers },
      });

    it('is kept, shown with its own type in a sandbox, and taken away', async () => {
      expect((await read('/api/v1/users/avatar')).status).to.equal(404);
      expect((await put(PNG, 'image/png', { 'content-disposition': 'attachment; filename="me.png"' })).status).to.equal(
        204,
      );
      const shown = await fetch(`http://127.0.0.1:${api.port}/api/v1/users/avatar`, {
        headers: { authorization: `Bearer ${session.accessToken}` },
      });
      expect(Buffer.from(await shown.arrayBuffer()).equals(PNG)).to.equal(true);
      expect(shown.headers.get('content-type')).to.equal('image/png');
      expect(shown.headers.get('x-content-type-options')).to.equal('nosniff');
      expect(shown.headers.get('content-security-policy')).to.equal("default-src 'none'; sandbox");
      expect((await read('/api/v1/users/profile')).body).to.include({ hasAvatar: true });
      expect((await api.send('DELETE', '/api/v1/users/avatar', { bearer: session.accessToken })).status).to.equal(204);
      expect((await read('/api/v1/users/avatar')).status).to.equal(404);
    });

    it('is refused when its bytes, its type, its file name or its size are wrong, and the field is named', async () => {
      const html = Buffer.from('<html><script>alert(1)</script></html>');
      const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
      const named = (filename: string) => ({ 'content-disposition': `attachment; filename="${filename}"` });
      const answers = await Promise.all([
        put(html, 'image/png'),
        put(svg, 'image/svg+xml'),
        put(PNG, 'image/jpeg'),
        put(PNG, 'text/html'),
        put(Buffer.alloc(0), 'image/png'),
        put(PNG, 'image/png', named('me.html')),
        put(Buffer.concat([PNG, Buffer.alloc(512 * 1024)]), 'image/png'),
        put(Buffer.from('GIF89a\x01\x00\x01\x00'), 'image/png'),
      ]);
      const told = await Promise.all(
        answers.map(async (answer) => {
          const { errors } = (await answer.json()) as { readonly errors?: readonly { readonly field: string }[] };
          return [answer.status, errors?.[0]?.field];
        }),
      );
      expect(told).to.deep.equal([
        [400, 'body'],
        [415, undefined],
        [400, 'content-type'],
        [415, undefined],
        [400, 'body'],
        [400, 'content-disposition'],
        [413, undefined],
        [400, 'body'],
      ]);
    });
  });
});
