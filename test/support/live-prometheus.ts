/** A real Prometheus that scrapes what it is told to, once a second. Used by the recorded run of the documentation's pictures. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { partsFor } from '../../k8s/local/parts.ts';
import type { TargetGroup } from '../../k8s/local/scrape-targets.ts';
import { eventually } from './eventually.ts';

export class LivePrometheus {
  readonly address: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(address: string, process: ChildProcess, folder: string) {
    this.address = address;
    this.#process = process;
    this.#folder = folder;
  }

  static async start(): Promise<LivePrometheus> {
    const { prometheus } = await partsFor(['prometheus']);
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-prometheus-'));
    const targets = { files: [join(folder, 'targets.json')], refresh_interval: '5s' };
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s' },
      scrape_configs: [{ job_name: 'pods', file_sd_configs: [targets] }],
    };
    await writeFile(join(folder, 'targets.json'), '[]');
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const listen = `127.0.0.1:${await freePort()}`;
    const places = [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`];
    const args = [...places, `--web.listen-address=${listen}`, '--scrape.discovery-reload-interval=1s'];
    const process = spawn(prometheus, [...args, '--log.level=error'], { stdio: 'ignore' });
    const started = new LivePrometheus(`http://${listen}`, process, folder);
    await eventually('Prometheus is ready', 30_000, async () => {
      if (process.exitCode !== null) throw new Error(`Prometheus ended with ${process.exitCode}`);
      return (await fetch(`${started.address}/-/ready`, { signal: AbortSignal.timeout(2_000) })).ok;
    });
    return started;
  }

  /** From now on these and no others. */
  async scrape(groups: readonly TargetGroup[]): Promise<void> {
    const file = join(this.#folder, 'targets.json');
    await writeFile(`${file}.new`, JSON.stringify(groups));
    await rename(`${file}.new`, file); // Prometheus never reads half a file.
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
    await rm(this.#folder, { recursive: true });
  }
}
