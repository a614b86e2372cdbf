/**
 * The container of a backup: a header that anybody may read, then encrypted chunks that only the private key opens. Called by write.ts and
 * read.ts. A file of its own key (ephemeral X25519, HKDF, AES-256-GCM); each chunk authenticates the header, its place and whether it is the
 * last, so that a backup which was cut, reordered or put together from two is refused and never restored in part.
 * @see https://eprint.iacr.org/2015/189 STREAM, the construction of the chunks
 */
import {
  createCipheriv,
  createDecipheriv,
  type DecipherGCM,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { z } from 'zod';
import { keyIdOf, rawPublicKey, readPublicKey } from './archive-keys.ts';

const MAGIC = Buffer.from('latchkey-backup-1\n');
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const MAX_HEADER_BYTES = 16 * 1024;

const described = z.object({
  /** When the snapshot was taken: RFC 3339. */
  createdAt: z.iso.datetime(),
  tag: z.string().max(64).optional(),
  /** Newest migration that the database had. */
  schemaVersion: z.int(),
  /** Version of the API that wrote it. */
  release: z.string(),
});
const header = described.extend({ keyId: z.string(), ephemeral: z.string().regex(/^[\w-]{43}$/) });

/** What `list` shows without the private key. */
export type ArchiveDescription = Readonly<z.infer<typeof described>>;
export type ArchiveHeader = Readonly<z.infer<typeof header>>;

/** A file is not a backup, is damaged, or belongs to another key. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
  readonly code: 'not-a-backup' | 'backup-damaged' | 'backup-other-key';

  constructor(code: ArchiveError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const fileKey = (secret: Buffer, ephemeral: Buffer, recipient: Buffer): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, Buffer.concat([ephemeral, recipient]), 'latchkey backup 1', 32));

/** 12 bytes: the chunk's number and whether it ends the file. The key is the file's own, so no nonce comes twice. */
const nonceOf = (index: number, isLast: boolean): Buffer => {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(index), 3);
  nonce.writeUInt8(isLast ? 1 : 0, 11);
  return nonce;
};

const lengthOf = (bytes: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
};

/** Pieces of exactly `size` bytes; what is left over comes last, marked, and may be empty. */
const inChunks = async function* (
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ readonly bytes: Buffer; readonly isLast: boolean }> {
  let rest = Buffer.alloc(0);
  for await (const bytes of source) {
    rest = Buffer.concat([rest, bytes]);
    // More than one chunk must be there before one goes: the last of all is marked, and may be a full one.
    while (rest.length > size) {
      yield { bytes: rest.subarray(0, size), isLast: false };
      rest = rest.subarray(size);
    }
  }
  yield { bytes: rest, isLast: true };
};

/** The bytes of the file, for a recipient whose private key is elsewhere. */
export const seal = async function* (
  plain: AsyncIterable<Uint8Array>,
  description: ArchiveDescription,
  recipient: KeyObject,
): AsyncGenerator<Buffer> {
  const { privateKey } = generateKeyPairSync('x25519');
  const ephemeral = rawPublicKey(privateKey);
  const key = fileKey(diffieHellman({ privateKey, publicKey: recipient }), ephemeral, rawPublicKey(recipient));
  const said: ArchiveHeader = { ...description, keyId: keyIdOf(recipient), ephemeral: ephemeral.toString('base64url') };
  const head = Buffer.from(JSON.stringify(said));
  yield Buffer.concat([MAGIC, lengthOf(head), head]);

  let index = 0;
  for await (const { bytes, isLast } of inChunks(plain, CHUNK_BYTES)) {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(index, isLast)).setAAD(head);
    const sealed = Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
    yield Buffer.concat([lengthOf(sealed), sealed]);
    index += 1;
  }
};

/** Takes exactly so many bytes at a time from a stream that comes in pieces of any size. */
const createByteReader = (source: AsyncIterable<Uint8Array>) => {
  const pieces = source[Symbol.asyncIterator]();
  let rest = Buffer.alloc(0);

  const fill = async (size: number): Promise<void> => {
    while (rest.length < size) {
      const next = await pieces.next();
      if (next.done === true) return;
      rest = Buffer.concat([rest, next.value]);
    }
  };
  return {
    /** @throws ArchiveError `backup-damaged` when the stream ends before. */
    take: async (size: number): Promise<Buffer> => {
      await fill(size);
      if (rest.length < size) throw new ArchiveError('backup-damaged', 'the backup ends too early: it was cut off');
      const taken = rest.subarray(0, size);
      rest = rest.subarray(size);
      return taken;
    },
    isAtEnd: async (): Promise<boolean> => {
      await fill(1);
      return rest.length === 0;
    },
    close: async (): Promise<void> => {
      await pieces.return?.();
    },
  };
};

type ByteReader = ReturnType<typeof createByteReader>;

const takeHeader = async (reader: ByteReader): Promise<{ readonly said: ArchiveHeader; readonly bytes: Buffer }> => {
  const notOurs = () => new ArchiveError('not-a-backup', 'this file is not a backup of Latchkey');
  const magic = await reader.take(MAGIC.length).catch(() => Buffer.alloc(0));
  if (!magic.equals(MAGIC)) throw notOurs();
  const length = (await reader.take(4)).readUInt32BE();
  if (length > MAX_HEADER_BYTES) throw notOurs();
  const bytes = await reader.take(length);
  try {
    return { said: header.parse(JSON.parse(bytes.toString('utf8'))), bytes };
  } catch {
    throw notOurs();
  }
};

/** The header alone: not authenticated, since that takes the private key. @throws ArchiveError */
export const readHeader = async (source: AsyncIterable<Uint8Array>): Promise<ArchiveHeader> => {
  const reader = createByteReader(source);
  const { said } = await takeHeader(reader);
  await reader.close();
  return said;
};

/** The tag is wrong where a byte differs, and also where the chunk stands elsewhere than it was written. */
const finish = (decipher: DecipherGCM, index: number): Buffer => {
  try {
    return decipher.final();
  } catch {
    throw new ArchiveError(
      'backup-damaged',
      `chunk ${index} of the backup was changed, or what follows it was cut off`,
    );
  }
};

const chunks = async function* (reader: ByteReader, key: Buffer, head: Buffer): AsyncGenerator<Buffer> {
  for (let index = 0, isLast = false; !isLast; index += 1) {
    const length = (await reader.take(4)).readUInt32BE();
    if (length > CHUNK_BYTES + TAG_BYTES || length < TAG_BYTES) {
      throw new ArchiveError('backup-damaged', `chunk ${index} of the backup is damaged`);
    }
    const sealed = await reader.take(length);
    isLast = await reader.isAtEnd();
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(index, isLast))
      .setAAD(head)
      .setAuthTag(sealed.subarray(-TAG_BYTES));
    const opened = Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), finish(decipher, index)]);
    yield opened;
  }
};

export interface OpenArchive {
  /** Authentic: the first chunk has been opened under it. */
  readonly header: ArchiveHeader;
  /** The plain bytes; ends with an ArchiveError where the file was tampered with. */
  readonly plain: AsyncGenerator<Buffer>;
}

const startingWith = async function* (
  first: IteratorResult<Buffer, void>,
  rest: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  if (first.done !== true) yield first.value;
  yield* rest;
};

/** @throws ArchiveError; `backup-damaged` also while it is read. */
export const open = async (source: AsyncIterable<Uint8Array>, privateKey: KeyObject): Promise<OpenArchive> => {
  const reader = createByteReader(source);
  const { said, bytes } = await takeHeader(reader);
  if (said.keyId !== keyIdOf(privateKey)) {
    await reader.close();
    throw new ArchiveError(
      'backup-other-key',
      `the backup was made for key ${said.keyId}, and BACKUP_PRIVATE_KEY is ${keyIdOf(privateKey)}`,
    );
  }
  const publicKey = readPublicKey(`lkpub_${said.ephemeral}`);
  const secret = diffieHellman({ privateKey, publicKey });
  const plain = chunks(reader, fileKey(secret, rawPublicKey(publicKey), rawPublicKey(privateKey)), bytes);
  // Nothing is done on the word of a header that nobody vouches for.
  const first = await plain.next();
  return { header: said, plain: startingWith(first, plain) };
};
