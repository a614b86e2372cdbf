/** A real Prometheus with a past: counters that were never scraped, written into its storage before it starts. Used by test/integration/operator. */
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

export class PastPrometheus {
  readonly address: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(address: string, process: ChildProcess, folder: string) {
    this.address = address;
    this.#process = process;
    this.#folder = folder;
  }

  static async start(past: readonly PastSeries[]): Promise<PastPrometheus> {
    const { prometheus, promtool } = await partsFor(['prometheus', 'promtool']);
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-prometheus-'));
    const [text, config, data] = [join(folder, 'past.txt'), join(folder, 'prometheus.yml'), join(folder, 'data')];
    const lines = past.flatMap(({ series, samples }) =>
      samples.map(({ atMs, value }) => `${series} ${value} ${atMs / 1_000}`),
    );
    await writeFile(text, `${lines.join('\n')}\n# EOF\n`);
    await writeFile(config, '{}');
    await promisify(execFile)(promtool, ['tsdb', 'create-blocks-from', 'openmetrics', text, data]);
    const listen = `127.0.0.1:${await freePort()}`;
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${data}`, `--web.listen-address=${listen}`];
    const process = spawn(prometheus, [...args, '--storage.tsdb.retention.time=30d', '--log.level=error'], {
      stdio: 'ignore',
    });
    const started = new PastPrometheus(`http://${listen}`, process, folder);
    await eventually('Prometheus is ready', 30_000, async () => {
      if (process.exitCode !== null) throw new Error(`Prometheus ended with ${process.exitCode}`);
      return await fetch(`${started.address}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    return started;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
    await rm(this.#folder, { recursive: true });
  }
}
