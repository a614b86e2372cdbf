/** The rules of a spec that reach over several fields, exactly at their limits; and what is kept of a spec that breaks others. */
import { expect } from 'chai';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import { specViolations } from '../../../../operator/src/core/spec-rules.ts';
import { type SpecManifest, specSchema } from '../../../../operator/src/core/spec-schema.ts';
import { JOB, PERSON, QUERY, scheduleWith } from '../../../support/operator-core/asking.ts';
import { specManifest } from '../../../support/operator-core/world.ts';

const manifest = specSchema.parse(specManifest());
const { matrix } = manifest;
type Step = SpecManifest['schedule'][number];
type Checkpoint = NonNullable<Step['checkpoints']>[number];

const under = (change: Partial<SpecManifest['matrix']>): readonly string[] =>
  specViolations({ ...manifest, matrix: { ...matrix, ...change } });
const steps = (...schedule: readonly Step[]): readonly string[] =>
  specViolations({ ...manifest, schedule: [...schedule] });
const step = (weight: number, change: Partial<Step> = {}): Step => ({
  weight,
  hold: '60s',
  checkEvery: '10s',
  ...change,
});
const before100 = (...checkpoints: readonly Checkpoint[]): readonly string[] =>
  steps(step(100, { checkpoints: [...checkpoints] }));

describe('the thresholds of a matrix', () => {
  it('fall from each severity to the next', () => {
    expect(under({})).to.deep.equal([]);
    const { errorRate } = matrix;
    for (const change of [{ p0: errorRate.p1 }, { p1: errorRate.p2 }, { p2: errorRate.p3 }, { p3: 0.9 }, { p1: 0.9 }])
      expect(under({ errorRate: { ...errorRate, ...change } }), JSON.stringify(change)).to.deep.equal([
        'spec.matrix.errorRate: order the thresholds p0 > p1 > p2 > p3',
      ]);
    const { latencyP95 } = matrix;
    for (const change of [{ p1: '300ms' }, { p2: '200ms' }, { p2: '500ms' }, { p3: '300ms' }, { p1: '100ms' }])
      expect(under({ latencyP95: { ...latencyP95, ...change } }), JSON.stringify(change)).to.deep.equal([
        'spec.matrix.latencyP95: order the thresholds p1 > p2 > p3',
      ]);
    const { complaints } = matrix;
    expect(under({ complaints: { ...complaints, p1: complaints.p2 } })).to.have.length(1);
    expect(under({ complaints: { ...complaints, p1: complaints.p2 + 1 } })).to.deep.equal([]);
  });
});

describe('a schedule', () => {
  it('rises to 100, and checks no more rarely than it holds', () => {
    expect(steps(step(99), step(100))).to.deep.equal([]);
    expect(steps(step(5), step(5), step(100))).to.deep.equal([
      'spec.schedule[1].weight is 5 after 5: make each weight greater than the one before it',
    ]);
    expect(steps()).to.deep.equal(['spec.schedule must end with weight 100: add or change the last step']);
    expect(steps(step(100, { hold: '10s' }))).to.deep.equal([]);
    expect(steps(step(100, { checkEvery: '1s' }))).to.deep.equal([]);
    expect(steps(step(100, { checkEvery: '999ms' }))).to.have.length(1);
  });
});

describe('a checkpoint', () => {
  const query = (atLeast: number | undefined, atMost: number | undefined): Checkpoint => ({
    name: 'q',
    query: { promql: 'up', ...(atLeast !== undefined && { atLeast }), ...(atMost !== undefined && { atMost }) },
  });
  const job = (freshFor: string): Checkpoint => ({ name: 'j', job: { name: 'j', freshFor } });
  const at = 'spec.schedule[0].checkpoints[0]';

  it('asks for exactly one thing', () => {
    const person = { role: 'on-call' } as const;
    expect(before100({ name: 'x', person })).to.deep.equal([]);
    const one = `${at}: name exactly one of query, job and person`;
    expect(before100({ name: 'x' })).to.deep.equal([one]);
    expect(before100({ ...job('1h'), person })).to.deep.equal([one]);
    expect(before100({ ...query(1, 2), ...job('1h'), name: 'x', person })).to.deep.equal([one]);
  });

  it('of a query has a bound, or two that a figure can be between', () => {
    expect([before100(query(1, undefined)), before100(query(undefined, 1)), before100(query(1, 1))]).to.deep.equal([
      [],
      [],
      [],
    ]);
    expect(before100(query(undefined, undefined))).to.deep.equal([`${at}.query: set atLeast, atMost or both`]);
    expect(before100(query(2, 1))).to.deep.equal([`${at}.query: set atLeast no greater than atMost`]);
  });

  it('of a Job counts for a millisecond at least and a day at most', () => {
    expect([before100(job('24h')), before100(job('1ms'))]).to.deep.equal([[], []]);
    const limit = `${at}.job.freshFor: set it above 0 and to 24h at most`;
    expect([before100(job('24h1ms')), before100(job('0s'))]).to.deep.equal([[limit], [limit]]);
  });
});

describe('a spec', () => {
  it('is read into the checkpoints that its steps name, each of its kind', () => {
    const reading = parseSpec(specManifest(scheduleWith(QUERY, JOB, PERSON)));
    const schedule = reading.kind === 'valid' ? reading.spec.schedule : [];
    expect(schedule.map(({ checkpoints }) => checkpoints)).to.deep.equal([
      undefined,
      undefined,
      undefined,
      [
        { name: 'capacity', kind: 'query', promql: 'load', atLeast: 1, atMost: 5 },
        { name: 'verify', kind: 'job', job: 'verify-0021', freshMs: 600_000 },
        { name: 'go-live', kind: 'person', role: 'team-lead' },
      ],
      undefined,
    ]);
  });

  it('that is wrong in one place keeps the others, and an address that nobody answers for the one that is lost', () => {
    const usable = (change: object) => {
      const reading = parseSpec(specManifest({ schedule: 'often', ...change }));
      return reading.kind === 'invalid' ? reading.usable : undefined;
    };
    expect(usable({})?.prometheusAddress).to.equal('http://prometheus:9090');
    expect(usable({ metrics: 'none' })?.prometheusAddress).to.equal('http://invalid');
    expect(usable({ maxWeight: 7, cohort: { cookie: 'c' } })).to.include({ maxWeight: 7, cohortCookie: 'c' });
    expect(usable({ maxWeight: 'x', cohort: 1, matrix: 1 })).to.deep.include({
      maxWeight: 100,
      cohortCookie: undefined,
      targetName: 'api',
    });
    expect(usable({ targetRef: {} })).to.equal(undefined);
  });
});
