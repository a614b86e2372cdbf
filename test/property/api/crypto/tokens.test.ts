/** Refresh tokens, access tokens, the hash queue: the parts with keys and cores, without a server. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { createAccessTokens } from '../../../../api/src/crypto/access-token.ts';
import { HashQueue } from '../../../../api/src/crypto/hash-queue.ts';
import { createPasswords } from '../../../../api/src/crypto/passwords.ts';
import { createRefreshTokens } from '../../../../api/src/crypto/refresh-token.ts';
import { createSigningKeys, ringOf } from '../../../../api/src/crypto/signing-keys.ts';

const key = Buffer.alloc(32, 7);

const parts = fc.record({
  sessionId: fc.uuid(),
  tenantId: fc.uuid(),
  absoluteExpiresAtMs: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000),
  counter: fc.nat(2_000_000_000),
});

describe('refresh tokens', () => {
  const tokens = createRefreshTokens(key);

  it('say exactly what was minted, and are the same bytes every time', () => {
    fc.assert(
      fc.property(parts, (minted) => {
        expect(tokens.read(tokens.mint(minted))).to.deep.equal(minted);
        expect(tokens.mint(minted)).to.equal(tokens.mint({ ...minted }));
      }),
    );
  });

  it('are nothing with any character changed', () => {
    fc.assert(
      fc.property(parts, fc.nat(), fc.constantFrom('a', 'B', '0', '-', '_', '.', '='), (minted, seed, character) => {
        const token = tokens.mint(minted);
        const at = seed % token.length;
        const changed = `${token.slice(0, at)}${character}${token.slice(at + 1)}`;
        expect(tokens.read(changed) === undefined).to.equal(changed !== token);
      }),
      { numRuns: 300 },
    );
  });

  it('are nothing to another installation', () => {
    const [minted] = fc.sample(parts, 1);
    if (minted === undefined) throw new Error('no sample');
    expect(createRefreshTokens(randomBytes(32)).read(tokens.mint(minted))).to.equal(undefined);
  });

  it('are nothing when they are arbitrary text', () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => tokens.read(text) === undefined));
  });
});

describe('access tokens', () => {
  const keys = ringOf(createSigningKeys(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey));
  const ids = [
    '11111111-1111-4111-8111-111111111111',
    '22222222-2222-4222-8222-222222222222',
    '33333333-3333-4333-8333-333333333333',
  ] as const;
  const subject = { userId: ids[0], sessionId: ids[1], tenantId: ids[2], expiresAtMs: 1_799_000_000_000 };
  let nowMs = 1_795_000_000_000;
  const tokens = createAccessTokens({ keys, issuer: 'i', audience: 'a', nowMs: () => nowMs });

  it('carry user, session and tenant, and end after 15 minutes though they are remembered', () => {
    const { token } = tokens.sign(subject);
    expect(tokens.verify(token)).to.include({ sub: ids[0], sid: ids[1], tid: ids[2], iss: 'i', aud: 'a' });
    nowMs += 15 * 60_000 - 1_000;
    expect(tokens.verify(token)).to.include({ sub: ids[0] });
    nowMs += 1_000;
    expect(() => tokens.verify(token))
      .to.throw()
      .with.property('code', 'access-token-expired');
  });

  it('end with their session, where that is sooner', () => {
    const { token, expiresInSeconds } = tokens.sign({ ...subject, expiresAtMs: nowMs + 90_500 });
    expect(expiresInSeconds).to.equal(90);
    expect(tokens.verify(token).exp).to.equal(Math.floor(nowMs / 1000) + 90);
  });

  it('are remembered by all of their bytes: a twin of a verified token is verified by itself', () => {
    const { token } = tokens.sign(subject);
    tokens.verify(token);
    expect(() => tokens.verify(`${token} `))
      .to.throw()
      .with.property('code', 'access-token-invalid');
    expect(() => tokens.verify(`${token.slice(0, -4)}AAAA`))
      .to.throw()
      .with.property('code', 'access-token-invalid');
  });

  it('are refused as arbitrary text, as three parts of text, and above 4 kB', () => {
    const code = (text: string) => {
      expect(() => tokens.verify(text))
        .to.throw()
        .with.property('code', 'access-token-invalid');
    };
    fc.assert(fc.property(fc.string(), code), { numRuns: 50 });
    fc.assert(
      fc.property(fc.array(fc.base64String(), { minLength: 3, maxLength: 3 }), (three) => code(three.join('.'))),
      { numRuns: 50 },
    );
    code('a'.repeat(5_000));
  });
});

describe('passwords', () => {
  const passwords = createPasswords({ pepper: key, cost: 4, queue: new HashQueue(2) });

  it('differ behind the 72nd byte, in any script', async () => {
    for (const start of ['x'.repeat(72), 'x'.repeat(71), '€'.repeat(24), '😀'.repeat(20)]) {
      const stored = await passwords.hash(`${start}A`);
      expect(await passwords.matches(`${start}A`, stored)).to.equal(true);
      expect(await passwords.matches(`${start}B`, stored)).to.equal(false);
    }
  });

  it('are the same in every Unicode spelling, and may contain NUL', async () => {
    expect(await passwords.matches('Ame\u0301lie', await passwords.hash('Am\u00e9lie'))).to.equal(true);
    expect(await passwords.matches('a\0b', await passwords.hash('a\0c'))).to.equal(false);
  });

  it('match nothing that is missing, foreign or made with another pepper', async () => {
    const other = createPasswords({ pepper: Buffer.alloc(32, 8), cost: 4, queue: new HashQueue(2) });
    for (const stored of [undefined, '', 'x', await other.hash('same')])
      expect(await passwords.matches('same', stored)).to.equal(false);
  });
});

describe('the hash queue', () => {
  const open = () => {
    const gate = Promise.withResolvers<void>();
    return { work: () => gate.promise, finish: gate.resolve };
  };

  it('runs no more at once than it is wide, and the others in order', async () => {
    const queue = new HashQueue(2);
    const gates = Array.from({ length: 4 }, open);
    const started: number[] = [];
    const runs = gates.map(({ work }, index) =>
      queue.run(() => {
        started.push(index);
        return work();
      }),
    );
    await Promise.resolve();
    await Promise.resolve();
    expect(started).to.deep.equal([0, 1]);
    gates[1]?.finish();
    await runs[1];
    await new Promise(setImmediate);
    expect(started).to.deep.equal([0, 1, 2]);
    for (const { finish } of gates) finish();
    await Promise.all(runs);
    expect(started).to.deep.equal([0, 1, 2, 3]);
  });

  it('refuses at once, with Retry-After, who would wait too long', async () => {
    const queue = new HashQueue(1);
    const gate = open();
    const runs = Array.from({ length: 5 }, () => queue.run(gate.work)); // 250 ms each: five fit into 1.4 s
    expect(() => queue.refuseWhenFull())
      .to.throw()
      .with.property('code', 'overloaded');
    const refusal = await queue.run(gate.work).catch((error: unknown) => error);
    expect(refusal).to.include({ code: 'overloaded', retryAfterSeconds: 1 });
    gate.finish();
    await Promise.all(runs);
  });

  it('refuses at its turn, without hashing, who would be served too late because the cores slowed down', async () => {
    let nowMs = 0;
    const queue = new HashQueue(1, () => nowMs);
    const gate = open();
    const first = queue.run(gate.work);
    const late = queue.run(() => Promise.reject(new Error('ran'))).catch((error: unknown) => error);
    nowMs = 1_800;
    gate.finish();
    await first;
    expect(await late).to.include({ code: 'overloaded' });
    expect(await queue.run(() => Promise.resolve('next'))).to.equal('next');
  });

  it('forgets who went away while waiting, and is idle only when nothing runs', async () => {
    const queue = new HashQueue(1);
    const gate = open();
    const first = queue.run(gate.work);
    const leaving = new AbortController();
    const gone = queue.run(() => Promise.reject(new Error('ran')), leaving.signal);
    leaving.abort();
    expect(await gone.catch((error: unknown) => error)).to.have.property('name', 'AbortError');
    let isIdle = false;
    const idle = queue.idle().then(() => (isIdle = true));
    await new Promise(setImmediate);
    expect(isIdle).to.equal(false);
    gate.finish();
    await Promise.all([first, idle]);
  });

  it('goes on after a hash that failed', async () => {
    const queue = new HashQueue(1);
    expect(
      await queue.run(() => Promise.reject(new Error('broken'))).catch((error: unknown) => error),
    ).to.have.property('message', 'broken');
    expect(await queue.run(() => Promise.resolve('next'))).to.equal('next');
  });
});
