/**
 * Prometheus on the bridge's address, scraping annotated pods every second. cluster.ts calls `startPrometheus`; the
 * operator and the demo query it. Its targets come from scrape-targets.ts, since Debian's build cannot watch a cluster.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bridge, paths, ports } from './layout.ts';
import { startProcess, waitUntilUp } from './processes.ts';

type Binaries = Readonly<Record<'prometheus', string>>;

const startTimeoutMs = 60_000;
const scrapeEvery = '1s';

/** Starts the target writer and Prometheus, and resolves when Prometheus is ready. */
export async function startPrometheus(binaries: Binaries): Promise<void> {
  mkdirSync(paths.prometheus, { recursive: true });
  mkdirSync(paths.config, { recursive: true });
  writeFileSync(paths.scrapeTargets, '[]');
  const config = join(paths.config, 'prometheus.yml');
  writeFileSync(config, JSON.stringify(prometheusConfig(), null, 2));
  const script = fileURLToPath(new URL('scrape-targets.ts', import.meta.url));
  await startProcess({ name: 'scrape-targets', command: process.execPath, args: [script] });
  await startProcess({
    name: 'prometheus',
    command: binaries.prometheus,
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(paths.prometheus, 'data')}`,
      '--storage.tsdb.retention.time=12h',
      `--web.listen-address=${bridge.address}:${ports.prometheus}`,
      '--web.enable-lifecycle',
      '--scrape.discovery-reload-interval=1s', // default 5 s: a new pod would be invisible for that long
      '--log.level=warn',
    ],
  });
  const ready = `http://${bridge.address}:${ports.prometheus}/-/ready`;
  await waitUntilUp('prometheus', startTimeoutMs, async () => {
    return (await fetch(ready, { signal: AbortSignal.timeout(2000) })).ok;
  });
}

function prometheusConfig(): object {
  return {
    global: { scrape_interval: scrapeEvery, scrape_timeout: scrapeEvery, evaluation_interval: '5s' },
    scrape_configs: [
      {
        job_name: 'pods',
        file_sd_configs: [{ files: [paths.scrapeTargets], refresh_interval: '5s' }],
      },
    ],
  };
}
