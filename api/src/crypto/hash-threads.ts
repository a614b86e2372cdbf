/**
 * Lets the event loop go before the password hashes. Called by service.ts before the first request.
 *
 * A hash keeps a thread of libuv's pool busy for a quarter of a second. Where it shares its core with the event loop, every other request waits
 * for the scheduler's turn; at a lower priority the threads take what the loop leaves, and it leaves nearly everything.
 */
import { readdir, readFile } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';

/** As libuv names the threads of its pool on Linux. */
const POOL_THREAD = 'libuv-worker';
/** Behind the loop: a tenth of its weight when both want the core. */
const STEPS_BACK = 10;
const LAST = 19;

/** Says how many threads step back: none where the kernel has no such list. Threads are made at the first use of the pool, which this is. */
export const yieldToEventLoop = async (): Promise<number> => {
  const threads = await readdir('/proc/self/task').catch(() => []);
  const names = await Promise.all(threads.map((id) => readFile(`/proc/self/task/${id}/comm`, 'utf8').catch(() => '')));
  const pool = threads.filter((_id, index) => names[index]?.trim() === POOL_THREAD);
  return pool.filter((id) => lower(Number(id))).length;
};

/** One's own priority may always be lowered; should a sandbox forbid it, only latency under load is lost. */
const lower = (threadId: number): boolean => {
  try {
    setPriority(threadId, Math.min(LAST, getPriority() + STEPS_BACK));
    return true;
  } catch {
    return false;
  }
};
