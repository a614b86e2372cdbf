// Issue, "what operators live with", rollback drills: each of the runbook's three ways back, by its page's own command, timed on the real
// cluster while clients go on.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { names } from '../../k8s/demo/install.ts';
import type { ScheduleStep } from '../../k8s/demo/record.ts';
import { commandsOf, placeOf } from '../support/page-runs.ts';
import { openShell } from '../support/page-shell.ts';
import { markTraffic } from '../support/traffic.ts';
import { namespace, patchRollout, rolloutDeadlineMs, upgradeTo, useInstallation, withdraw } from './installation.ts';

const PLUGIN = fileURLToPath(new URL('../../operator/src/plugin/main.ts', import.meta.url));
const JOB = fileURLToPath(new URL('../../k8s/examples/database-rollback.yaml', import.meta.url));
const schedule: readonly ScheduleStep[] = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 50, hold: '10m', checkEvery: '1s' },
  { weight: 100, hold: '10m', checkEvery: '1s' },
];
/** From the command's start; the command itself is half of it. */
const lowerWithinMs = 5_000;
/** A pod has to start for it. */
const databaseWithinMs = 60_000;

describe('a rollback drill', function () {
  this.timeout(rolloutDeadlineMs);
  const installation = useInstallation();

  const authrollout = async (...args: readonly string[]): Promise<void> => {
    const where = ['--kubeconfig', installation().cluster.kubeconfig, '--namespace', namespace];
    await promisify(execFile)(process.execPath, [PLUGIN, ...args, ...where], { timeout: 30_000 });
  };
  const untilAt50 = () =>
    installation().recorder.until('50 %', { deadlineMs: rolloutDeadlineMs }, ({ status, weight }) => {
      return status?.phase === 'Progressing' && weight === 50;
    });
  /** How long after the command the route had the weight. */
  const timed = async (weight: number, command: () => Promise<void>): Promise<number> => {
    const { recorder } = installation();
    const startedMs = Date.now();
    await command();
    await recorder.until(`${weight} %`, { deadlineMs: 20_000 }, (record) => record.weight === weight);
    const seen = recorder.record.weights.findLast((each) => each.weight === weight);
    return (seen?.atMs ?? Number.NaN) - startedMs;
  };

  it('takes a part back, from 50 to 10 %, and then everything, and no client sees more of it than another version', async () => {
    const { recorder, traffic } = installation();
    const mark = markTraffic(traffic);
    const version = await upgradeTo(installation(), { content: 'sound', schedule });
    await untilAt50();
    const partMs = await timed(10, () => authrollout('set-weight', names.release, '10'));
    await patchRollout(installation(), { maxWeight: null });
    await untilAt50();
    const startedMs = Date.now();
    const allMs = await timed(0, () => authrollout('abort', names.release));
    await recorder.until(
      'The proof of zero',
      { deadlineMs: 20_000 },
      ({ status }) => status?.zero?.provenAt !== undefined,
    );
    const provenMs = Date.now();
    await patchRollout(installation(), { maxWeight: null });
    await withdraw(installation());
    const failures = await mark.failures();
    const last = traffic.answers.findLast((answer) => answer.version === version && answer.atMs < provenMs);
    console.log(
      `      50 to 10 % in ${partMs} ms, 50 to 0 % in ${allMs} ms, last canary answer ${(last?.atMs ?? Number.NaN) - startedMs} ms after the command`,
    );
    expect(partMs).to.be.within(0, lowerWithinMs);
    expect(allMs).to.be.within(0, lowerWithinMs);
    expect(failures).to.deep.equal([]);
    expect(await mark.lostSessions()).to.deep.equal([]);
  });

  it('takes the newest migration back alone, under the running version, and forward again', async () => {
    const { cluster, place, traffic } = installation();
    const mark = markTraffic(traffic);
    const image = (
      await place.kubectl.run([
        'get',
        'deployment',
        `${names.release}-stable`,
        '-n',
        namespace,
        '-o',
        'jsonpath={..image}',
      ])
    ).split(' ')[0];
    const manifest = readFileSync(JOB, 'utf8')
      .replaceAll('namespace: auth', `namespace: ${namespace}`)
      .replace('latchkey/api:0.1.0', String(image));
    const shell = await openShell(cluster.kubeconfig);
    await shell.write('database-rollback.yaml', manifest);
    await shell.write(
      'database-forward.yaml',
      manifest.replaceAll('database-rollback', 'database-forward').replace('rollback, --yes', 'migrate'),
    );
    /** As the page says it, of either Job. */
    const typeAll = async (job: string): Promise<{ readonly ms: number; readonly said: string }> => {
      const startedMs = Date.now();
      let said = '';
      for (const command of commandsOf('drill')) {
        const typed = command.text
          .replaceAll('-n auth ', `-n ${namespace} `)
          .replace('k8s/examples/', '')
          .replaceAll('database-rollback', job);
        const { code, out, err } = await shell.run(typed);
        expect(code, `${placeOf(command)}\n${err}`).to.equal(0);
        said = out;
      }
      return { ms: Date.now() - startedMs, said };
    };
    const back = await typeAll('database-rollback');
    const forth = await typeAll('database-forward');
    await shell.close();
    expect(back.said).to.match(/^rolled back \S+/);
    expect(forth.said).to.match(/^applied \S+/);
    console.log(`      the newest migration back in ${back.ms} ms, forward again in ${forth.ms} ms`);
    expect(back.ms).to.be.at.most(databaseWithinMs);
    expect(await mark.failures()).to.deep.equal([]);
    expect(await mark.lostSessions()).to.deep.equal([]);
  });
});
