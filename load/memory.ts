// Whether memory grows under steady traffic (requirement L1). Mixed requests of users with sessions; beside them one observer reads the
// server's own figure from /api/metrics. The first third of the run is the warm-up. Needs one process behind BASE_URL. By hand:
//   k6 run -e BASE_URL=http://… -e DURATION=30m load/memory.ts
// Options: those of profile.ts (RATE=0, USERS=10, DURATION=5m), those of session.ts, LOOK_EVERY_MS=1000.
import { sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Gauge } from 'k6/metrics';
import { growthOf, type MemorySample } from './growth.ts';
import { executorOf, judgedAs, loadOf } from './profile.ts';
import { lookAtHealth, metricsUrl, userInTurn } from './session.ts';

const load = loadOf({ rate: 0, users: 10, duration: '5m' });
const lookEveryMs = Number(__ENV.LOOK_EVERY_MS ?? 1000);
const growthMb = new Gauge('latchkey_memory_growth_mb');
const residentMb = new Gauge('latchkey_resident_mb');
const logged = (__ENV.LOG_ANSWERS ?? 'none') !== 'none';

export const options = {
  ...judgedAs('memory'),
  scenarios: {
    memory: executorOf(load),
    observer: { executor: 'constant-vus', exec: 'observe', vus: 1, duration: load.duration, gracefulStop: '10s' },
  },
};

export default function memory(): void {
  const user = userInTurn(600);
  if (user === undefined || user.isWaiting) return lookAtHealth();
  if (!user.signedIn) return void user.signIn();
  const dice = Math.random();
  if (dice < 0.1) user.refresh();
  else if (dice < 0.55) user.me();
  else user.validate();
}

const samples: MemorySample[] = [];

export function observe(): void {
  const text = String(http.get(metricsUrl, { tags: { name: 'metrics' } }).body);
  const bytes = Number(/^process_resident_memory_bytes ([\d.e+]+)$/m.exec(text)?.[1]);
  if (Number.isFinite(bytes)) note({ atMs: Date.now() - exec.scenario.startTime, mb: bytes / 1e6 });
  sleep(lookEveryMs / 1000);
}

function note(sample: MemorySample): void {
  samples.push(sample);
  residentMb.add(sample.mb);
  if (logged) console.log(JSON.stringify({ t: Date.now(), residentMb: sample.mb }));
  const growth = growthOf(samples);
  if (growth !== undefined) growthMb.add(growth);
}
