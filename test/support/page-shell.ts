/**
 * Types commands as the documentation shows them: into bash, in a folder of its own, with the programs that they name on the PATH. Called by the
 * tests of the documentation's commands.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { partsFor } from '../../k8s/local/parts.ts';
import { ROOT } from './page-commands.ts';

/** Longer than the pages let kubectl wait. */
const DEADLINE_MS = 75_000;

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Begun extends Said {
  end(): Promise<void>;
}

export interface Shell {
  /** Where it stands: what a command reads and writes by a bare name. */
  readonly folder: string;
  run(text: string): Promise<Said>;
  /** Of a command that does not end by itself: what it said until that was `enough`, and a way to end it. */
  begin(text: string, enough: RegExp): Promise<Begun>;
  write(name: string, text: string): Promise<void>;
  close(): Promise<void>;
}

/** For those of a cluster: kubectl, helm and the plugin, a kubeconfig, and a folder that looks like a checkout. */
export async function openShell(kubeconfig: string): Promise<Shell> {
  const { kubectl, helm } = await partsFor(['kubectl', 'helm']);
  const programs = { kubectl, helm, 'kubectl-authrollout': join(ROOT, 'operator/bin/kubectl-authrollout') };
  const shell = await openPlainShell(programs, { KUBECONFIG: kubeconfig });
  for (const name of ['charts', 'k8s']) await symlink(join(ROOT, name), join(shell.folder, name));
  return shell;
}

/** `programs`: the files behind their names. */
export async function openPlainShell(
  programs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
): Promise<Shell> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-pages-'));
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const [name, file] of Object.entries(programs)) await symlink(file, join(bin, name));
  const PATH = [bin, process.env['PATH'] ?? ''].join(delimiter);
  const place = { cwd: folder, env: { ...process.env, PATH, HOME: folder, ...env } };
  return {
    folder,
    run: (text) => type(place, text),
    begin: (text, enough) => type(place, text, enough),
    write: (name, text) => writeFile(join(folder, name), text),
    close: () => rm(folder, { recursive: true }),
  };
}

interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

function type(place: Place, text: string, enough?: RegExp): Promise<Begun> {
  // A group of its own, which is ended with everything that it has started.
  const child = spawn('bash', ['-c', `set -o pipefail\n${text}`], {
    ...place,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const ended = new Promise<void>((done) => child.once('close', () => done()));
  const end = async (): Promise<void> => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, 'SIGKILL');
    await ended;
  };
  return new Promise((resolve, reject) => {
    let [out, err] = ['', ''];
    const deadline = setTimeout(() => void end(), DEADLINE_MS);
    const finish = (code: number): void => {
      clearTimeout(deadline);
      resolve({ code, out, err, end });
    };
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (enough?.test(out) === true) finish(0);
    });
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => finish(code ?? 124));
  });
}

/** A line as far as it does not depend on whose installation it is: figures, times, revisions, names in brackets. */
const shapeOf = (line: string): string =>
  line
    .replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+Z?/g, 'TIME')
    .replaceAll(/\b[0-9a-f]{10}\b/g, 'REVISION')
    .replaceAll(/\([^)]*\)/g, '()')
    .replaceAll(/\d+([.,]\d+)*/g, '0')
    .replaceAll(/\s+/g, ' ')
    .trim();

/** Whether the first line of an output is the one that the page shows; `…` at its end stands for anything, alone for nothing that is shown. */
export const isAsShown = (shown: string, said: string): boolean => {
  const [first = '', begin = ''] = [shown.split('\n')[0], said.split('\n')[0]];
  if (first === '' || first === '…') return true;
  if (first.endsWith('…')) return shapeOf(begin).startsWith(shapeOf(first.slice(0, -1)));
  return shapeOf(begin) === shapeOf(first);
};
