// Issue, "What must be shown" 8: a wrong manifest is refused at `kubectl apply` with a sentence that says what to change; a
// target or a rule that does not exist gives Stalled with a reason, and no crash loop.
import { expect } from 'chai';
import { names, removeNamespace } from '../../k8s/demo/install.ts';
import { startRecorder } from '../../k8s/demo/record.ts';
import { reasonOf } from '../../k8s/local/failure.ts';
import { namespace, recordedIn, useInstallation } from './installation.ts';
import { operatorPods } from './operator-pods.ts';

const refuseNamespace = 'lk-refuse';
const step = (weight: number, hold = '1m', checkEvery = '10s') => ({ weight, hold, checkEvery });

const soundSpec = {
  targetRef: { kind: 'Deployment', name: 'nobody' },
  route: { httpRoute: 'nowhere', rule: 'api' },
  schedule: [step(5), step(100)],
  metrics: { prometheus: { address: 'http://prometheus.example:9090' } },
};
const manifest = (spec: object, name = 'wrong') => ({
  apiVersion: 'latchkey.dev/v1alpha1',
  kind: 'AuthRollout',
  metadata: { name, namespace: refuseNamespace },
  spec,
});

/** What is wrong, and words that the refusal must hold so that its reader knows what to change. */
const wrong: readonly { readonly title: string; readonly spec: object; readonly says: RegExp }[] = [
  {
    title: 'weights fall',
    spec: { ...soundSpec, schedule: [step(25), step(5), step(100)] },
    says: /weight.*rise|rising/i,
  },
  {
    title: 'the last weight is not 100',
    spec: { ...soundSpec, schedule: [step(5), step(50)] },
    says: /last.*100|100.*last/i,
  },
  {
    title: 'a hold is shorter than its checkEvery',
    spec: { ...soundSpec, schedule: [step(5, '10s', '1m'), step(100)] },
    says: /checkEvery.*hold|hold.*checkEvery/i,
  },
  { title: 'the rule is missing', spec: { ...soundSpec, route: { httpRoute: 'nowhere' } }, says: /spec\.route\.rule/ },
  { title: 'a field is unknown', spec: { ...soundSpec, scheduel: [] }, says: /scheduel/ },
  {
    title: 'there are 60 steps',
    spec: { ...soundSpec, schedule: Array.from({ length: 60 }, (_, index) => step(index + 1)) },
    says: /at most 20|20 items/i,
  },
];

describe('a manifest', function () {
  this.timeout(120_000);
  const installation = useInstallation();
  const apply = async (object: object): Promise<string> => {
    const { kubectl } = installation().place;
    return kubectl.run(['apply', '-f', '-'], { input: JSON.stringify(object) }).catch(reasonOf);
  };

  before('a namespace without anything to roll out', async () => {
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: refuseNamespace } });
  });

  after('and it goes', async () => removeNamespace(installation().place, refuseNamespace));

  for (const { title, spec, says } of wrong) {
    it(`in which ${title} is refused with a sentence that says what to change`, async () => {
      const said = await apply(manifest(spec));
      expect(said).to.match(says);
      expect(said).not.to.match(/created|configured/);
    });
  }

  it('whose target does not exist stalls with a reason, and the operator goes on', async () => {
    const { kubectl } = installation().place;
    const recorder = startRecorder(kubectl, { ...recordedIn(refuseNamespace), rollout: 'lost' });
    const before = (await operatorPods(kubectl)).map(({ name, restarts }) => ({ name, restarts }));
    try {
      expect(await apply(manifest(soundSpec, 'lost'))).to.match(/created/);
      await recorder.until('Stalled', { deadlineMs: 30_000 }, ({ status }) => {
        const stalled = status?.conditions.find(({ type }) => type === 'Stalled');
        return stalled?.status === 'True' && stalled.reason === 'TargetNotFound' && stalled.message.includes('nobody');
      });
      expect((await operatorPods(kubectl)).map(({ name, restarts }) => ({ name, restarts }))).to.deep.equal(before);
    } finally {
      recorder.stop();
    }
  });

  it('whose rule the route does not have stalls with the names of the rules that it has', async () => {
    const { kubectl } = installation().place;
    const spec = { ...soundSpec, targetRef: { kind: 'Deployment', name: names.release } };
    const object = manifest({ ...spec, route: { httpRoute: names.release, rule: 'apy' } }, 'typo');
    const inPlace = { ...object, metadata: { ...object.metadata, namespace } };
    const recorder = startRecorder(kubectl, { ...recordedIn(namespace), rollout: 'typo' });
    try {
      expect(await apply(inPlace)).to.match(/created/);
      await recorder.until('Stalled', { deadlineMs: 30_000 }, ({ status }) => {
        const stalled = status?.conditions.find(({ type }) => type === 'Stalled');
        return stalled?.status === 'True' && /rules api\b.*spec\.route\.rule/.test(stalled.message);
      });
    } finally {
      recorder.stop();
      await kubectl.run(['delete', 'authrollout', 'typo', '-n', namespace]);
    }
  });
});
