// Issue "what operators of the service live with", "What must be shown" 2: every query of the dashboards is asked of a Prometheus that
// has scraped a real run, and none is empty.
import { expect } from 'chai';
import { z } from 'zod';
import { BOARDS } from '../../k8s/dashboards/boards.ts';
import { statusOf } from '../../k8s/demo/traffic.ts';
import { eventually } from '../support/eventually.ts';
import {
  host,
  namespace,
  quickSchedule,
  rolloutDeadlineMs,
  runsAndIs,
  untilOver,
  upgradeTo,
  useInstallation,
} from './installation.ts';

const answerShape = z.object({ status: z.literal('success'), data: z.object({ result: z.array(z.unknown()) }) });
/** Some scrapes, and the minute that the rates look back over. */
const shownWithinMs = 60_000;

describe('the dashboards', function () {
  this.timeout(rolloutDeadlineMs + shownWithinMs);
  const installation = useInstallation();

  it('have something to show on every panel after a rollout that was taken back', async () => {
    const { recorder, place } = installation();
    const isRolledBack = runsAndIs(recorder, 'RolledBack');
    const fault = { kind: 'error', ratio: 0.5, afterRps: 5 };
    await upgradeTo(installation(), { content: 'faulty', fault, schedule: quickSchedule });
    await untilOver(recorder, isRolledBack);
    // An error that the API counts by its type.
    expect(await statusOf(`${place.gatewayUrl}/api/v1/auth/me`, host)).to.equal(401);
    const empty = async (): Promise<readonly string[]> => {
      const queries = Object.values(BOARDS).flatMap(({ panels }) => panels.flatMap((panel) => panel.queries));
      const found = await Promise.all(queries.map(({ expr }) => countOf(place.prometheusUrl, expr)));
      return queries.flatMap(({ expr }, index) => (found[index] === 0 ? [expr] : []));
    };
    await eventually('every query finds something', shownWithinMs, async () => (await empty()).length === 0).catch(
      async () => expect(await empty()).to.deep.equal([]),
    );
  });
});

/** Series that the query gives now. */
async function countOf(prometheusUrl: string, expr: string): Promise<number> {
  const query = expr.replaceAll('$namespace', namespace).replaceAll('$__rate_interval', '1m');
  const url = `${prometheusUrl}/api/v1/query?query=${encodeURIComponent(query)}`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  return answerShape.parse(await answer.json()).data.result.length;
}
