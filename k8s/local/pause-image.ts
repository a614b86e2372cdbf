/**
 * The image of the process that holds a pod's network open, made here byte by byte: a registry may be out of reach and
 * a C compiler may be missing. node.ts imports it into containerd.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

const loadAddress = 0x400000n;
const headerBytes = 64 + 56;

/** `for (;;) pause();` for x86-64: mov eax, 34 (pause); syscall; jmp back. */
const code = Buffer.from([0xb8, 0x22, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0xf7]);

/** A static ELF program that sleeps until it is killed. */
export function pauseProgram(): Buffer {
  const size = BigInt(headerBytes + code.length);
  const elf = Buffer.alloc(headerBytes);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]); // ELF, 64 bit, little endian, version 1, System V
  elf.writeUInt16LE(2, 16); // an executable
  elf.writeUInt16LE(62, 18); // x86-64
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(loadAddress + BigInt(headerBytes), 24); // entry point
  elf.writeBigUInt64LE(64n, 32); // the program header follows this header
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56); // one program header
  elf.writeUInt32LE(1, 64); // PT_LOAD
  elf.writeUInt32LE(5, 68); // readable, executable
  elf.writeBigUInt64LE(loadAddress, 80);
  elf.writeBigUInt64LE(loadAddress, 88);
  elf.writeBigUInt64LE(size, 96);
  elf.writeBigUInt64LE(size, 104);
  elf.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([elf, code]);
}

/** Writes an OCI archive with the pause program as its one layer, and returns the archive's path. */
export async function writePauseImage(folder: string): Promise<string> {
  const root = join(folder, 'root');
  const blobs = join(folder, 'blobs', 'sha256');
  mkdirSync(root, { recursive: true });
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(root, 'pause'), pauseProgram(), { mode: 0o755 });
  await run('tar', ['-C', root, '--owner=0', '--group=0', '-cf', join(folder, 'layer.tar'), 'pause']);
  const layer = addBytes(blobs, readFileSync(join(folder, 'layer.tar')));
  const config = addBlob(blobs, {
    architecture: 'amd64',
    os: 'linux',
    config: { Entrypoint: ['/pause'], User: '65535:65535' },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  });
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const manifest = addBlob(blobs, {
    schemaVersion: 2,
    mediaType: type('manifest.v1+json'),
    config: { mediaType: type('config.v1+json'), ...config },
    layers: [{ mediaType: type('layer.v1.tar'), ...layer }],
  });
  const annotations = { 'org.opencontainers.image.ref.name': '1' };
  const index = { schemaVersion: 2, manifests: [{ mediaType: type('manifest.v1+json'), ...manifest, annotations }] };
  writeFileSync(join(folder, 'index.json'), JSON.stringify(index));
  writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const archive = join(folder, 'pause.tar');
  await run('tar', ['-C', folder, '-cf', archive, 'oci-layout', 'index.json', 'blobs']);
  return archive;
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

function addBlob(blobs: string, value: object): Descriptor {
  return addBytes(blobs, Buffer.from(JSON.stringify(value)));
}

function addBytes(blobs: string, bytes: Buffer): Descriptor {
  const hex = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(blobs, hex), bytes);
  return { digest: `sha256:${hex}`, size: bytes.length };
}
