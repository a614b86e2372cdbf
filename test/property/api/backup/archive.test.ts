/** The container of backups: any bytes come out as they went in, and no part of a file is ever taken for the whole. */
import { Readable } from 'node:stream';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { ArchiveError, open, seal } from '../../../../api/src/backup/archive.ts';
import { generateBackupKeys, readPrivateKey, readPublicKey } from '../../../../api/src/backup/archive-keys.ts';

const KEYS = generateBackupKeys();
const DESCRIPTION = { createdAt: '2026-11-22T06:00:00.000Z', schemaVersion: 30, release: '1.0.0' };

const collect = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
};

/** The bytes in pieces of the given sizes, over and over. */
const inPieces = (bytes: Buffer, sizes: readonly number[]): Readable => {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return Readable.from(pieces);
};

const sealed = (plain: Buffer, sizes: readonly number[]): Promise<Buffer> =>
  collect(seal(inPieces(plain, sizes), DESCRIPTION, readPublicKey(KEYS.publicKey)));

const opened = async (bytes: Buffer, sizes: readonly number[]): Promise<Buffer> => {
  const { plain } = await open(inPieces(bytes, sizes), readPrivateKey(KEYS.privateKey));
  return collect(plain);
};

const sizesOf = fc.array(fc.integer({ min: 100, max: 100_000 }), { minLength: 1, maxLength: 5 });
/** Around one, two and three chunks, where the marks of the last one are. */
const plainOf = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -2, max: 2 }), fc.integer({ min: 0, max: 255 }))
  .map(([chunks, more, byte]) => Buffer.alloc(Math.max(0, chunks * 65_536 + more), byte));

describe('a sealed backup', () => {
  it('opens to what went in, whatever pieces it comes and goes in', async () => {
    await fc.assert(
      fc.asyncProperty(plainOf, sizesOf, sizesOf, async (plain, ins, outs) => {
        expect((await opened(await sealed(plain, ins), outs)).equals(plain)).to.equal(true);
      }),
      { numRuns: 40 },
    );
  });

  it('is refused when any byte of it was changed, and when it was cut or prolonged anywhere', async () => {
    const whole = await sealed(Buffer.alloc(140_000, 7), [10_000]);
    const refusedAs = async (bytes: Buffer): Promise<string> => {
      try {
        await opened(bytes, [50_000]);
        return 'taken';
      } catch (error) {
        return error instanceof ArchiveError ? error.code : String(error);
      }
    };
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.nat({ max: 400 }), fc.nat({ max: whole.length - 1 })),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const changed = Buffer.from(whole);
          changed[at] = (changed[at] ?? 0) ^ change;
          expect(await refusedAs(changed)).to.be.oneOf(['not-a-backup', 'backup-damaged', 'backup-other-key']);
          expect(await refusedAs(whole.subarray(0, at))).to.be.oneOf(['not-a-backup', 'backup-damaged']);
          expect(await refusedAs(Buffer.concat([whole, whole.subarray(at)]))).to.equal('backup-damaged');
        },
      ),
      { numRuns: 60 },
    );
  });
});
