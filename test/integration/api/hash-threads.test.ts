/** The threads that hash step back behind the event loop: as the kernel tells it of a process of its own. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';

const MODULE = new URL('../../../api/src/crypto/hash-threads.ts', import.meta.url).href;

/** Field 19 of /proc/<pid>/task/<tid>/stat is the niceness. */
const SCRIPT = `
  const { yieldToEventLoop } = await import(${JSON.stringify(MODULE)});
  const count = await yieldToEventLoop();
  const { readdirSync, readFileSync } = await import('node:fs');
  const threads = readdirSync('/proc/self/task').map((id) => {
    const stat = readFileSync('/proc/self/task/' + id + '/stat', 'utf8');
    return { name: readFileSync('/proc/self/task/' + id + '/comm', 'utf8').trim(), niceness: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]) };
  });
  console.log(JSON.stringify({ count, threads }));
`;

describe('the threads that hash', () => {
  it('have a lower priority than the event loop', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', SCRIPT]);
    const { count, threads } = JSON.parse(stdout) as { count: number; threads: { name: string; niceness: number }[] };
    const pool = threads.filter(({ name }) => name === 'libuv-worker');
    expect(count).to.equal(pool.length).and.to.be.greaterThan(0);
    const others = threads.filter(({ name }) => name !== 'libuv-worker');
    const most = Math.max(...others.map(({ niceness }) => niceness));
    for (const { niceness } of pool) expect(niceness).to.equal(Math.min(19, most + 10));
  });
});
