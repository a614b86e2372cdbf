/** `kubectl authrollout complain` as its user runs it, the real apiserver and its admission, the real operator behind it. */
import { expect } from 'chai';
import { z } from 'zod';
import { bindChartRole, mayDo, person } from '../../support/approvals.ts';
import { eventually } from '../../support/eventually.ts';
import { runPlugin, type Said } from '../../support/plugin.ts';
import { Scene } from '../../support/rollout-scene.ts';

const LASTING = [
  { weight: 25, hold: '60s', checkEvery: '1s' },
  { weight: 100, hold: '60s', checkEvery: '1s' },
];
const reports = z.object({ items: z.array(z.object({ spec: z.looseObject({ count: z.number() }) })) });

describe('kubectl authrollout complain', function () {
  this.timeout(120_000);
  let scene: Scene;

  const complain = (...args: readonly string[]): Promise<Said> => runPlugin(scene, ['complain', 'auth-api', ...args]);
  const path = (): string => `/apis/latchkey.dev/v1alpha1/namespaces/${scene.namespace}/rolloutcomplaints`;
  const underWay = async (): Promise<void> => {
    scene = await Scene.create({ schedule: LASTING });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await scene.holdsAt(25);
  };

  it('holds the rollout at three users, takes its traffic away at five, and says so before', async () => {
    await underWay();
    const rehearsed = await complain('--reason', 'the login page spins', '--count', '3', '--dry-run');
    expect(rehearsed.out, rehearsed.err).to.match(
      /^would report 3 complaints about revision [0-9a-f]{10} \(test-admin\): 3 within 5m hold the rollout, 5 take its traffic away\n$/,
    );
    expect(reports.parse(await scene.server.request('GET', path())).items).to.have.length(0);
    expect((await complain('--reason', 'the login page spins', '--count', '3')).code).to.equal(0);
    const held = await scene.until('it holds', 10_000, ({ status }) => status.lastDecision?.reason === 'SeverityP2');
    expect(held.status.lastDecision?.message).to.include('P2 complaints 3 (limit 3)');
    expect(await scene.weight()).to.equal(25);
    const saidAt = performance.now();
    expect((await complain('--reason', 'cannot log in', '--count', '2', '-o', 'json')).code).to.equal(0);
    await eventually('weight 0', 10_000, async () => (await scene.weight()) === 0);
    console.log(`      complaint to weight 0 ${Math.round(performance.now() - saidAt)} ms, the command included`);
    const zeroed = await scene.until('it is zeroed', 10_000, ({ status }) => status.phase === 'Zeroed');
    expect(zeroed.status.history.find(({ decision }) => decision === 'zero')?.message).to.include('P1 complaints 5');
  });

  it('is refused in another name, without the right, and where nothing runs; the chart’s role is enough', async () => {
    await underWay();
    const { revision } = (await scene.rollout()).status;
    const forged = { rolloutName: 'auth-api', revision, by: 'somebody', reason: 'x', count: 5 };
    const manifest = {
      apiVersion: 'latchkey.dev/v1alpha1',
      kind: 'RolloutComplaint',
      metadata: { generateName: 'x-' },
      spec: forged,
    };
    await eventually('forged ones are refused', 20_000, async () => {
      const told = await scene.server.request('POST', `${path()}?dryRun=All`, manifest).then(String, String);
      return told.includes('spec.by must be the name that the API server knows you by: test-admin');
    });
    const desk = await person(scene.server, scene.namespace, 'desk');
    const kubeconfig = scene.server.kubeconfig(desk.token);
    const may = async (name: string, verb: string, resource: string): Promise<void> => {
      await bindChartRole(scene.server, scene.namespace, { username: desk.username, name });
      await mayDo(scene.server, desk.username, { namespace: scene.namespace, verb, resource });
    };
    await may('latchkey-operator-view', 'get', 'authrollouts');
    const args = ['complain', 'auth-api', '--reason', 'cannot log in'];
    const refused = await runPlugin(scene, args, kubeconfig);
    expect(refused.code).to.equal(1);
    expect(refused.err).to.include(`${desk.username} needs the verb create on rolloutcomplaints.latchkey.dev`);
    await may('latchkey-operator-complain', 'create', 'rolloutcomplaints');
    const taken = await runPlugin(scene, args, kubeconfig);
    expect(taken.out, taken.err).to.match(/^reported 1 complaint about revision /);
    expect((await complain('--reason', 'x', '--count', '0')).err).to.include('write how many users complain, 1 to 100');
    await scene.release('v1');
    await scene.until('it is withdrawn', 20_000, ({ status }) => status.phase === 'Succeeded');
    const late = await complain('--reason', 'too late');
    expect(late).to.deep.equal({
      code: 1,
      out: '',
      err: 'error: auth-api runs no new version (Succeeded): there is nothing to take back\n',
    });
  });
});
