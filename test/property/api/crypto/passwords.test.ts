/** Password hashes: what they match, what they cost, and how they move to another pepper or cost. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { HashQueue } from '../../../../api/src/crypto/hash-queue.ts';
import { createPasswords } from '../../../../api/src/crypto/passwords.ts';

const RUNS = process.env['TEST_LONG'] === undefined ? 40 : 1000;
const OLD = Buffer.alloc(32, 1);
const NEW = Buffer.alloc(32, 2);
const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 256 });

const create = (pepper = NEW, cost = 4, previousPeppers: readonly Buffer[] = []) =>
  createPasswords({ pepper, cost, previousPeppers, queue: new HashQueue(2) });

describe('password hashes', () => {
  const passwords = create();

  it('Property 1: a hash is never its password, never the same twice, and always matches', async () => {
    await fc.assert(
      fc.asyncProperty(text, async (password) => {
        const [one, two] = await Promise.all([passwords.hash(password), passwords.hash(password)]);
        expect(one).to.match(/^\$pep\$[0-9a-f]{8}\$2b\$04\$.{53}$/);
        expect(one).not.to.equal(two);
        expect(await passwords.matches(password, one)).to.equal(true);
        expect(await passwords.matches(password, two)).to.equal(true);
      }),
      { numRuns: RUNS },
    );
  });

  it('Property 2: a hash matches its password and, Unicode spelling apart, nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(text, text, async (password, other) => {
        const isSame = password.normalize('NFKC') === other.normalize('NFKC');
        expect(await passwords.matches(other, await passwords.hash(password))).to.equal(isSame);
      }),
      { numRuns: RUNS },
    );
  });

  it('of an earlier pepper match while it is listed, and ask to be made again', async () => {
    const stored = await create(OLD).hash('the same');
    const moved = create(NEW, 4, [OLD]);
    expect(await moved.matches('the same', stored)).to.equal(true);
    expect(await moved.matches('another', stored)).to.equal(false);
    expect(moved.needsRehash(stored)).to.equal(true);
    expect(moved.needsRehash(await moved.hash('the same'))).to.equal(false);
    expect(await create(NEW).matches('the same', stored), 'once it is gone').to.equal(false);
  });

  it('of another cost match and ask to be made again, in either direction', async () => {
    const [cheap, dear] = [create(NEW, 4), create(NEW, 5)];
    const stored = await cheap.hash('the same');
    expect(await dear.matches('the same', stored)).to.equal(true);
    expect(dear.needsRehash(stored)).to.equal(true);
    expect(cheap.needsRehash(await dear.hash('the same'))).to.equal(true);
    expect(dear.needsRehash('no hash at all')).to.equal(true);
  });

  it('above cost 15 are not computed, though they look right', async () => {
    const stored = (await passwords.hash('the same')).replace('$2b$04$', '$2b$31$');
    const startedMs = performance.now();
    expect(await passwords.matches('the same', stored)).to.equal(false);
    expect(performance.now() - startedMs).to.be.below(1_000);
  });

  it('are opaque: no text in the column makes a match or throws', async () => {
    const stored = await passwords.hash('the same');
    const changed = fc
      .tuple(fc.nat({ max: stored.length - 1 }), fc.constantFrom('$', 'x', '0', '\0', ''))
      .map(([at, character]) => stored.slice(0, at) + character + stored.slice(at + 1));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), changed), async (garbage) => {
        fc.pre(garbage !== stored);
        // The salt's last character has bits that bcrypt ignores, so a change there is the same hash.
        fc.pre(garbage.length !== stored.length || garbage.slice(0, 41) !== stored.slice(0, 41));
        expect(await passwords.matches('the same', garbage)).to.equal(false);
      }),
      { numRuns: RUNS },
    );
  });
});
