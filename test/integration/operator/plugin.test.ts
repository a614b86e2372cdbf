/** kubectl authrollout as its user runs it: a process of its own, the real apiserver, the real operator behind it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { z } from 'zod';
import { HELP } from '../../../operator/src/plugin/options.ts';
import { approvalsIn, mayApprove, person } from '../../support/approvals.ts';
import { commandLine, runPlugin, type Said } from '../../support/plugin.ts';
import { Scene } from '../../support/rollout-scene.ts';

const LAUNCHER = fileURLToPath(new URL('../../../operator/bin/kubectl-authrollout', import.meta.url));
const SCHEDULE = [
  { weight: 25, hold: '10m', checkEvery: '1s' },
  { weight: 100, hold: '2s', checkEvery: '1s' },
];
const QUICK = [
  { weight: 50, hold: '2s', checkEvery: '1s' },
  { weight: 100, hold: '2s', checkEvery: '1s' },
];

describe('kubectl authrollout', function () {
  this.timeout(120_000);
  let scene: Scene;

  const run = (args: readonly string[], kubeconfig?: string): Promise<Said> => runPlugin(scene, args, kubeconfig);
  const underWay = async (): Promise<void> => {
    scene = await Scene.create({ schedule: SCHEDULE });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await scene.until('v2 has 25 %', 30_000, () => scene.weight().then((weight) => weight === 25));
  };

  it('shows a run, approves what a P1 has closed in the name that the API server knows, and the run goes on', async () => {
    await underWay();
    const running = await run(['status', 'auth-api']);
    expect(running, running.err).to.include({ code: 0 });
    expect(running.out)
      .to.match(/Progressing/)
      .and.to.include('● 25 %');

    const early = await run(['approve', 'auth-api', '--as', 'on-call', '--reason', 'too early']);
    expect(early).to.deep.equal({ code: 1, out: '', err: 'error: auth-api needs no approval: it is Progressing\n' });

    scene.workloads.behaviours.set('v2', { slowShare: 0.3 });
    await scene.until('approval is needed', 30_000, ({ status }) => status['approvalNeeded'] !== undefined);
    scene.workloads.behaviours.set('v2', {});
    const waiting = await run(['status', 'auth-api']);
    expect(waiting.code).to.equal(4);
    expect(waiting.out).to.include('kubectl authrollout approve auth-api --as on-call');

    const wrongRole = await run(['approve', 'auth-api', '--as', 'team-lead', '--reason', 'mine']);
    expect(wrongRole.err).to.include('needs an approval of on-call, not of team-lead: say --as on-call');
    const rehearsed = await run(['approve', 'auth-api', '--as', 'on-call', '--reason', 'looked at it', '--dry-run']);
    expect(rehearsed.out, rehearsed.err).to.match(/^would approve step 1 .*\(test-admin\)/);
    expect(await scene.server.request('GET', approvalsIn(scene.namespace))).to.have.property('items').that.is.empty;
    const approved = await run(['approve', 'auth-api', '--as', 'on-call', '--reason', 'looked at it']);
    expect(approved.out, approved.err).to.match(/^approved step 1 .* as on-call \(test-admin\)/);
    await scene.until('it enters step 0 again', 30_000, () => scene.weight().then((weight) => weight === 25));

    const { code, out } = await run(['history', 'auth-api', '-o', 'json']);
    expect(code).to.equal(0);
    const reasons = z
      .array(z.looseObject({ reason: z.string() }))
      .parse(JSON.parse(out))
      .map(({ reason }) => reason);
    expect(reasons).to.include.members(['SeverityP1', 'Approved']);
  });

  it('approves in a role that is bound to the user, and says which line binds it where it is not', async () => {
    scene = await Scene.create();
    const approvalNeeded = { role: 'on-call', stepIndex: 0, since: new Date().toISOString() };
    const status = { phase: 'Zeroed', revision: '0123456789', approvalNeeded };
    const rollouts = `/apis/latchkey.dev/v1alpha1/namespaces/${scene.namespace}/authrollouts`;
    await scene.server.request('PATCH', `${rollouts}/auth-api/status`, { status }, 'application/merge-patch+json');
    const { username, token } = await person(scene.server, scene.namespace, 'engineer');
    const approve = ['approve', 'auth-api', '--as', 'on-call', '--reason', 'looked at it'];
    await mayApprove(scene.server, scene.namespace, { username, role: 'team-lead' });
    const refused = await run(approve, scene.server.kubeconfig(token));
    expect([refused.code, refused.out]).to.deep.equal([1, '']);
    expect(refused.err)
      .to.include(`${username} may not approve as on-call`)
      .and.to.include(
        `kubectl create rolebinding approve-on-call --namespace ${scene.namespace} --clusterrole latchkey-operator-approve-on-call --user ${username}`,
      );
    await mayApprove(scene.server, scene.namespace, { username, role: 'on-call' });
    const approved = await run(approve, scene.server.kubeconfig(token));
    expect(approved.out, approved.err).to.match(new RegExp(`^approved step 1 .* as on-call \\(${username}\\)`));
    const made = JSON.stringify(await scene.server.request('GET', approvalsIn(scene.namespace)));
    expect(made, 'it goes when the rollout goes').to.include('"kind":"AuthRollout","name":"auth-api"');
  });

  it('pauses and resumes, and says when there was nothing to do', async () => {
    await underWay();
    expect((await run(['pause', 'auth-api', '--dry-run'])).out).to.equal('auth-api would be paused\n');
    expect((await run(['status', 'auth-api'])).code).to.equal(0);
    expect((await run(['pause', 'auth-api'])).out).to.equal('auth-api is paused\n');
    expect((await run(['pause', 'auth-api'])).out).to.equal('auth-api is already paused\n');
    expect((await run(['status', 'auth-api'])).code).to.equal(4);
    expect((await run(['list'])).out).to.match(/auth-api +Progressing +1\/2 +25 % +\w+ +resume/);
    expect((await run(['resume', 'auth-api'])).out).to.equal('auth-api is resumed\n');
    const everywhere = await run(['list', '-A']);
    expect(everywhere.out)
      .to.match(/^NAMESPACE/)
      .and.to.include(scene.namespace);
  });

  it('watches a run to its end: a line a decision into a pipe, and the exit code of how it ended', async () => {
    scene = await Scene.create({ schedule: QUICK });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await scene.until('v2 runs', 30_000, ({ status }) => status.phase === 'Progressing');
    const watch: ChildProcess = spawn(process.execPath, [...commandLine(scene, ['status', 'auth-api', '--watch'])], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    watch.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const code = await new Promise((resolve) => watch.once('close', resolve));
    expect(code).to.equal(0);
    const lines = out.trim().split('\n');
    expect(lines.at(-1)).to.match(/^Succeeded/);
    expect(new Set(lines).size, 'no line twice').to.equal(lines.length);
  });

  it('runs by the name that kubectl looks for, wherever its link stands', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-plugin-'));
    try {
      const link = join(folder, 'kubectl-authrollout');
      await symlink(LAUNCHER, link);
      const { stdout } = await promisify(execFile)(link, ['--help']);
      expect(stdout).to.equal(`${HELP}\n`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says what to do when something is missing or not allowed', async () => {
    scene = await Scene.create();
    const missing = await run(['status', 'nobody']);
    expect(missing.code).to.equal(1);
    expect(missing.err).to.include('no AuthRollout nobody there: kubectl authrollout list -A');
    const stranger = await person(scene.server, scene.namespace, 'stranger');
    const paused = await run(['pause', 'auth-api'], scene.server.kubeconfig(stranger.token));
    expect(paused.code).to.equal(1);
    expect(paused.err).to.include('not allowed').and.to.include('patch on authrollouts.latchkey.dev');
    const away = await run(['list'], scene.server.kubeconfig('x', 'https://127.0.0.1:9'));
    expect(away.err).to.include('the API server does not answer').and.to.include('--context');
    const lost = await run(['list', '--context', 'elsewhere']);
    expect(lost.err).to.include('no context elsewhere in the kubeconfig: it has');
    const usage = await run(['frob']);
    expect(usage.code).to.equal(2);
    expect(usage.err).to.include('use one of list, status').and.to.include('--help');
  });
});
