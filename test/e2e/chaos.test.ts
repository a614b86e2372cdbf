// Issue, "What must be shown" 4: the operator killed with SIGKILL at random moments, and a hand-over in the middle of a
// step: the rollout converges; installation.ts checks after each test that no weight rose where it must not.
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { images } from '../../k8s/demo/images.ts';
import { installOperator } from '../../k8s/demo/install.ts';
import type { ScheduleStep } from '../../k8s/demo/record.ts';
import { type Mark, markTraffic } from '../support/traffic.ts';
import { breakCanary, halfOfAllFails } from './faulty-pods.ts';
import {
  canaryAt25,
  isPromoted,
  quickSchedule,
  rolloutDeadlineMs,
  runsAt25,
  untilPromoted,
  upgradeTo,
  useInstallation,
} from './installation.ts';
import { killLeader, leader, stopLeader, untilLeader } from './operator-pods.ts';

const kills = process.env['TEST_LONG'] === '1' ? 20 : 3;
/** A rollout of quickSchedule takes about this long, so that a random moment within it can be any moment of a rollout. */
const rolloutMs = 25_000;
const takeOverDeadlineMs = 90_000;
const handOverSchedule: readonly ScheduleStep[] = quickSchedule.map((step) =>
  step.weight === 25 ? { ...step, hold: '6s' } : step,
);

describe('a rollout whose operator dies', function () {
  this.timeout((rolloutDeadlineMs + takeOverDeadlineMs) * kills);
  const installation = useInstallation();

  /** A sound version in the middle of its step at 25 %; `promotion` is the rest of its way. */
  async function holdingAt25(): Promise<{ readonly mark: Mark; readonly promotion: Promise<void> }> {
    const { recorder, traffic } = installation();
    const mark = markTraffic(traffic);
    const isAt25 = runsAt25(recorder);
    const version = await upgradeTo(installation(), { content: 'sound', schedule: handOverSchedule });
    const promotion = untilPromoted(installation(), version);
    await recorder.until('25 %', { deadlineMs: rolloutDeadlineMs }, isAt25);
    return { mark, promotion };
  }

  it(`converges though the leader is killed at ${kills} random moments, and fails no request`, async () => {
    const { recorder, place, traffic } = installation();
    const mark = markTraffic(traffic);
    let version = await upgradeTo(installation(), { content: 'sound', schedule: quickSchedule });
    let promotion = untilPromoted(installation(), version);
    for (let kill = 1; kill <= kills; kill += 1) {
      if (isPromoted(recorder.record)) {
        await promotion;
        version = await upgradeTo(installation(), { content: 'sound', schedule: quickSchedule });
        promotion = untilPromoted(installation(), version);
      }
      await pause(Math.random() * (rolloutMs / Math.min(kills, 3)));
      const { status, weight } = recorder.record;
      const killed = await killLeader(place.kubectl);
      console.log(`      kill ${kill}: phase ${status?.phase}, step ${status?.stepIndex}, weight ${weight}`);
      await untilLeader(place.kubectl, ({ name }) => name !== killed);
    }
    await promotion;
    expect(await mark.failures()).to.deep.equal([]);
    expect(await mark.lostSessions()).to.deep.equal([]);
  });

  it('goes on under the next leader after a hand-over in the middle of a step', async () => {
    const { place } = installation();
    const { mark, promotion } = await holdingAt25();
    const before = await stopLeader(place.kubectl);
    await untilLeader(place.kubectl, ({ name }) => name !== before);
    await promotion;
    expect((await leader(place.kubectl)).name).not.to.equal(before);
    expect(await mark.failures()).to.deep.equal([]);
  });

  it('goes on while the operator itself is upgraded in the middle of a step, and fails no request', async () => {
    const { place } = installation();
    const { mark, promotion } = await holdingAt25();
    const before = await leader(place.kubectl);
    await installOperator(place, images.operator);
    await promotion;
    expect((await leader(place.kubectl)).name).not.to.equal(before.name);
    expect(await mark.failures()).to.deep.equal([]);
    expect(await mark.lostSessions()).to.deep.equal([]);
  });

  it('takes a sick version back though the leader dies in the moment of its first fault', async () => {
    const { recorder, place } = installation();
    await canaryAt25(installation());
    await breakCanary(place, halfOfAllFails);
    await killLeader(place.kubectl);
    await recorder.until('The rollback', { deadlineMs: takeOverDeadlineMs }, ({ status, weight }) => {
      return status?.phase === 'RolledBack' && weight === 0;
    });
  });
});
