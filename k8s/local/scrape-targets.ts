/**
 * A process of its own, started by prometheus.ts: lists the annotated pods every second and writes Prometheus' target
 * file when they changed; keeps the components' logs bounded on the side.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { reasonOf } from './failure.ts';
import { bridge, paths, ports } from './layout.ts';
import { pkiFile } from './pki.ts';

const podListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        namespace: z.string(),
        annotations: z.record(z.string(), z.string()).optional(),
        labels: z.record(z.string(), z.string()).optional(),
      }),
      status: z.object({ phase: z.string().optional(), podIP: z.string().optional() }).optional(),
    }),
  ),
});

export type PodList = z.infer<typeof podListSchema>;

export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const everyMs = 1000;
const answerTimeoutMs = 3000;
const logLimitBytes = 16 * 1024 * 1024;
const keptTailBytes = 1024 * 1024;

/** The scrape targets of a pod list: running pods with `prometheus.io/scrape: "true"`, in a stable order. */
export function targetsOf(pods: PodList): readonly TargetGroup[] {
  return pods.items
    .flatMap(({ metadata, status }) => {
      const annotations = metadata.annotations ?? {};
      const ip = status?.podIP;
      if (annotations['prometheus.io/scrape'] !== 'true' || status?.phase !== 'Running' || ip === undefined) return [];
      const port = annotations['prometheus.io/port'] ?? '80';
      const labels = {
        __metrics_path__: annotations['prometheus.io/path'] ?? '/metrics',
        job: metadata.labels?.['app.kubernetes.io/name'] ?? 'pods',
        namespace: metadata.namespace,
        pod: metadata.name,
      };
      return [{ targets: [`${ip}:${port}`], labels }];
    })
    .toSorted((a, b) => `${a.labels.namespace}/${a.labels.pod}`.localeCompare(`${b.labels.namespace}/${b.labels.pod}`));
}

/** Cuts a log that has outgrown its limit down to its last megabyte, kept beside it. Its writer appends, so it goes on. */
export function boundLog(file: string, limitBytes = logLimitBytes): boolean {
  const size = statSync(file).size;
  if (size <= limitBytes) return false;
  const log = openSync(file, 'r+');
  try {
    const tail = Buffer.alloc(Math.min(keptTailBytes, size));
    readSync(log, tail, 0, tail.length, size - tail.length);
    writeFileSync(`${file}.1`, tail);
    ftruncateSync(log, 0);
  } finally {
    closeSync(log);
  }
  return true;
}

async function listPods(agent: Agent): Promise<PodList> {
  const body = await new Promise<string>((resolve, reject) => {
    // resourceVersion=0 answers from the API server's cache: no read of etcd each second
    const path = '/api/v1/pods?resourceVersion=0';
    const options = { host: bridge.address, port: ports.apiserver, path, agent, timeout: answerTimeoutMs };
    const asked = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks).toString()));
      response.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${answerTimeoutMs} ms`)));
    asked.on('error', reject);
    asked.end();
  });
  return podListSchema.parse(JSON.parse(body));
}

async function writeForever(): Promise<never> {
  const pem = (name: string) => readFileSync(pkiFile(name), 'utf8');
  const agent = new Agent({ keepAlive: true, ca: pem('ca.crt'), cert: pem('admin.crt'), key: pem('admin.key') });
  let written = '';
  for (;;) {
    try {
      const text = JSON.stringify(targetsOf(await listPods(agent)), null, 1);
      if (text !== written) {
        writeFileSync(`${paths.scrapeTargets}.new`, text);
        renameSync(`${paths.scrapeTargets}.new`, paths.scrapeTargets); // Prometheus never reads half a file
        written = text;
      }
    } catch (error) {
      console.error(`targets not written: ${reasonOf(error)}`); // the last file stands; the next second tries again
    }
    if (existsSync(paths.logs)) boundLogs();
    await pause(everyMs);
  }
}

function boundLogs(): void {
  for (const name of readdirSync(paths.logs)) if (name.endsWith('.log')) boundLog(join(paths.logs, name));
}

if (import.meta.main) await writeForever();
