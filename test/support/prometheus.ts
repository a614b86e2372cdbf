/**
 * A real Prometheus: one with a past (counters that were never scraped, written into its storage before it starts), and what every one of them needs
 * (watching-prometheus.ts and live-prometheus.ts are others). Used by the tests of the plugin and of the monitor.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { partsFor } from '../../k8s/local/parts.ts';
import { eventually } from './eventually.ts';

/** One counter as it was scraped: `name{labels}` and its value at each time. */
export interface PastSeries {
  readonly series: string;
  readonly samples: readonly { readonly atMs: number; readonly value: number }[];
}

export interface RunningPrometheus {
  readonly address: string;
  /** Reads its files again. */
  readonly reload: () => Promise<void>;
  /** Ends it and takes its folder away. */
  readonly stop: () => Promise<void>;
}

/** Ready. `folder` holds `prometheus.yml` and, if there is one, the storage `data`. */
export const runPrometheus = async (folder: string, more: readonly string[] = []): Promise<RunningPrometheus> => {
  const { prometheus } = await partsFor(['prometheus']);
  const listen = `127.0.0.1:${await freePort()}`;
  const places = [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`];
  const flags = [
    `--web.listen-address=${listen}`,
    '--storage.tsdb.retention.time=30d',
    '--web.enable-lifecycle',
    '--log.level=error',
  ];
  const child = spawn(prometheus, [...places, ...flags, ...more], { stdio: 'ignore' });
  const stop = async (): Promise<void> => {
    await ended(child);
    await rm(folder, { recursive: true });
  };
  const address = `http://${listen}`;
  await eventually('Prometheus is ready', 30_000, async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}`);
    return await fetch(`${address}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  const reload = async (): Promise<void> => {
    const { ok, status } = await fetch(`${address}/-/reload`, { method: 'POST' });
    if (!ok) throw new Error(`Prometheus does not read its files again: ${status}`);
  };
  return { address, reload, stop };
};

const ended = async (child: ChildProcess): Promise<void> => {
  const end = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await end;
};

export class PastPrometheus {
  readonly #running: RunningPrometheus;

  private constructor(running: RunningPrometheus) {
    this.#running = running;
  }

  static async start(past: readonly PastSeries[]): Promise<PastPrometheus> {
    const { promtool } = await partsFor(['prometheus', 'promtool']);
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-prometheus-'));
    const text = join(folder, 'past.txt');
    const lines = past.flatMap(({ series, samples }) =>
      samples.map(({ atMs, value }) => `${series} ${value} ${atMs / 1_000}`),
    );
    await writeFile(text, `${lines.join('\n')}\n# EOF\n`);
    await writeFile(join(folder, 'prometheus.yml'), '{}');
    await promisify(execFile)(promtool, ['tsdb', 'create-blocks-from', 'openmetrics', text, join(folder, 'data')]);
    return new PastPrometheus(await runPrometheus(folder));
  }

  get address(): string {
    return this.#running.address;
  }

  stop(): Promise<void> {
    return this.#running.stop();
  }
}
