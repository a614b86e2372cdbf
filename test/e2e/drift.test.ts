// Issue, "What must be shown" 7: a route edited by hand in the middle of a step: no jump, Drifted says who, the lower
// weight stands.
import { expect } from 'chai';
import { names } from '../../k8s/demo/install.ts';
import type { ScheduleStep } from '../../k8s/demo/record.ts';
import {
  allowEdit,
  namespace,
  rolloutDeadlineMs,
  runsAt25,
  upgradeTo,
  useInstallation,
  withdraw,
} from './installation.ts';

const schedule: readonly ScheduleStep[] = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 25, hold: '8s', checkEvery: '1s' },
  { weight: 50, hold: '10m', checkEvery: '1s' },
  { weight: 100, hold: '10m', checkEvery: '1s' },
];

/** The lower weight stands for a hold of its own, begun anew: that of the step which was running. */
const leastHoldMs = 7_500;

describe('a route that somebody edits', function () {
  this.timeout(rolloutDeadlineMs);
  const installation = useInstallation();

  /** What `kubectl edit` sends, under its field manager; the rule's backends are stable and canary, in this order. */
  async function editWeights(stable: number, canary: number): Promise<void> {
    const { kubectl } = installation().place;
    allowEdit(canary);
    const patch = [
      { op: 'replace', path: '/spec/rules/0/backendRefs/0/weight', value: stable },
      { op: 'replace', path: '/spec/rules/0/backendRefs/1/weight', value: canary },
    ];
    const where = ['httproute', names.release, '-n', namespace, '--field-manager=kubectl-edit'];
    await kubectl.run(['patch', ...where, '--type=json', '-p', JSON.stringify(patch)]);
  }

  it('keeps a lower weight for a hold, says who lowered it, and climbs from there step by step; a higher one is taken back at once', async () => {
    const { recorder } = installation();
    const isAt25 = runsAt25(recorder);
    await upgradeTo(installation(), { content: 'sound', schedule });
    await recorder.until('25 %', { deadlineMs: rolloutDeadlineMs }, isAt25);
    const from = recorder.record.weights.length;

    await editWeights(93, 7);
    await recorder.until('Drifted', { deadlineMs: 20_000 }, ({ status }) => {
      const drifted = status?.conditions.find(({ type }) => type === 'Drifted');
      return drifted?.status === 'True' && drifted.message.includes('kubectl-edit');
    });
    await recorder.until('The next step', { deadlineMs: rolloutDeadlineMs }, ({ weight }) => weight === 50);
    const after = recorder.record.weights.slice(from);
    const until50 = after.map(({ weight }) => weight);
    expect([...new Set(until50)]).to.deep.equal([7, 10, 25, 50]);
    const edited = after.find(({ weight }) => weight === 7)?.atMs ?? Number.NaN;
    const raised = after.find(({ weight }) => weight === 10)?.atMs ?? Number.NaN;
    expect(raised - edited).to.be.at.least(leastHoldMs);

    await editWeights(10, 90);
    await recorder.until('The lower weight again', { deadlineMs: 20_000 }, ({ weight }) => weight === 50);
    await withdraw(installation());
  });
});
