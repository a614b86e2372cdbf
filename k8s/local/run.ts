/**
 * Runs one command to its end, with a deadline. Called by every file here that needs a tool of the machine
 * (ip, iptables, openssl, kubectl, buildah, …); what it returns goes back to the caller as text.
 */
import { spawn } from 'node:child_process';
import { environmentWith } from './environment.ts';
import { LocalClusterError } from './failure.ts';

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Gets every finished line of stderr: a long command's own words for the progress display. */
  readonly onLine?: (line: string) => void;
}

const defaultTimeoutMs = 60_000;
const tailChars = 600;

/**
 * Runs a command and resolves to its stdout.
 * @throws LocalClusterError COMMAND_FAILED (exit code and the end of stderr in the message), TIMED_OUT
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  return await new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      cwd: options.cwd,
      env: environmentWith(options.env),
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
      signal,
      killSignal: 'SIGKILL',
    });
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().split('\n')) if (line.trim() !== '') options.onLine?.(line.trim());
      stderr = (stderr + chunk.toString()).slice(-tailChars * 4);
    });
    child.stdin?.on('error', () => undefined); // a child that exits early closes its stdin: its exit code says why
    child.stdin?.end(options.input);
    child.on('error', (cause) => reject(failureOf(cause, { command, timeoutMs, timedOut: deadline.aborted })));
    child.on('close', (status) => {
      const text = Buffer.concat(stdout).toString();
      if (status === 0) return resolve(text);
      const words = (stderr.trim() === '' ? text : stderr).trim().slice(-tailChars);
      reject(new LocalClusterError('COMMAND_FAILED', `${command} ${args[0] ?? ''} ended with ${status}: ${words}`));
    });
  });
}

/** Like `run`, for a command whose failure is an answer too: undefined instead of an error. */
export async function tryRun(command: string, args: readonly string[], options?: RunOptions) {
  try {
    return await run(command, args, options);
  } catch {
    return undefined;
  }
}

function failureOf(cause: Error, about: { command: string; timeoutMs: number; timedOut: boolean }): Error {
  if (about.timedOut) {
    const seconds = Math.round(about.timeoutMs / 1000);
    return new LocalClusterError('TIMED_OUT', `${about.command} did not end within ${seconds} s`, { cause });
  }
  return new LocalClusterError('COMMAND_FAILED', `${about.command} did not run: ${cause.message}`, { cause });
}
