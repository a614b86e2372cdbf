/** A real Prometheus that scrapes what it is told to. Used by the recorded run of the documentation's pictures and by the commands that ask one. */
import { mkdtemp, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TargetGroup } from '../../k8s/local/scrape-targets.ts';
import { type RunningPrometheus, runPrometheus } from './prometheus.ts';

export class LivePrometheus {
  readonly #running: RunningPrometheus;
  readonly #folder: string;

  private constructor(running: RunningPrometheus, folder: string) {
    this.#running = running;
    this.#folder = folder;
  }

  /** A scrape may take until the next one is due: on a busy machine a late one is as good as none. */
  static async start(scrapeEvery = '1s'): Promise<LivePrometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-prometheus-'));
    const targets = { files: [join(folder, 'targets.json')], refresh_interval: '5s' };
    const config = {
      global: { scrape_interval: scrapeEvery, scrape_timeout: scrapeEvery },
      scrape_configs: [{ job_name: 'pods', file_sd_configs: [targets] }],
    };
    await writeFile(join(folder, 'targets.json'), '[]');
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    return new LivePrometheus(await runPrometheus(folder, ['--scrape.discovery-reload-interval=1s']), folder);
  }

  get address(): string {
    return this.#running.address;
  }

  /** From now on these and no others. */
  async scrape(groups: readonly TargetGroup[]): Promise<void> {
    const file = join(this.#folder, 'targets.json');
    await writeFile(`${file}.new`, JSON.stringify(groups));
    await rename(`${file}.new`, file); // Prometheus never reads half a file.
  }

  stop(): Promise<void> {
    return this.#running.stop();
  }
}
