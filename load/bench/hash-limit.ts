/**
 * How many bcrypt comparisons of cost 12 this machine does now, alone: what logins are held against. Run as a process of its own, once a
 * round: `hash-limit.ts SECONDS WIDTH` prints hashes, seconds and CPU-seconds as JSON.
 */
import bcrypt from 'bcrypt';

const seconds = Number(process.argv[2]);
const width = Number(process.argv[3]);
const stored = await bcrypt.hash('Correct-Horse-9-Staple', 12);

const before = process.cpuUsage();
const startedMs = performance.now();
let hashes = 0;
const worker = async (): Promise<void> => {
  while (performance.now() - startedMs < seconds * 1000) {
    await bcrypt.compare('Correct-Horse-9-Staple', stored);
    hashes += 1;
  }
};
await Promise.all(Array.from({ length: width }, worker));
const { user, system } = process.cpuUsage(before);
const elapsed = (performance.now() - startedMs) / 1000;
process.stdout.write(JSON.stringify({ hashes, seconds: elapsed, cpuSeconds: (user + system) / 1e6 }));
