/**
 * Sizes libuv's thread pool before anything uses it. Imported first by main.ts and dev.ts, for its effect.
 * Hashes may take every core; DNS, files and compression need threads of their own, or a login storm stops name resolution.
 * libuv reads the variable when the pool is first used, which is after this line (seen in /proc/self/task); a value that is set wins.
 */
import { availableParallelism } from 'node:os';

process.env['UV_THREADPOOL_SIZE'] ??= String(availableParallelism() + 4);
