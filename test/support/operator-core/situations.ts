/** Worlds and verdicts that the tables of decide are made of. */

import { type Decision, decide } from '../../../operator/src/core/decide.ts';
import type { Judgement } from '../../../operator/src/core/judge.ts';
import type { Severity } from '../../../operator/src/core/matrix.ts';
import type { StepSamples } from '../../../operator/src/core/observation.ts';
import { runOf } from '../../../operator/src/core/run.ts';
import { type Scene, sceneOf } from '../../../operator/src/core/scene.ts';
import { adoptedWorld, inPhase, runUntil, step, worldAt } from './doing.ts';
import { observe } from './seeing.ts';
import { freshWorld, type Json, type World } from './world.ts';

export const later = (world: World, ms: number): World => ({ ...world, nowMs: world.nowMs + ms });
export const live = (world: World): number => world.route?.canary.weight ?? -1;
export const passesOver = (start: World, count: number, everyMs: number): World => {
  let world = start;
  for (let done = 0; done < count; done += 1) world = step(later(world, everyMs)).world;
  return world;
};
/** Edited to have this `maxWeight`, or none. */
export const under = (world: World, maxWeight: number | undefined, changes: Json = {}): World => {
  const { maxWeight: _lifted, ...rest } = { ...world.spec, ...changes };
  const spec = maxWeight === undefined ? rest : { ...rest, maxWeight };
  return { ...world, spec, generation: world.generation + 1 };
};
export const zeroed = (): World => runUntil({ ...worldAt(50), health: 'P1' }, inPhase('Zeroed'));
export const rolledBack = (): World => runUntil({ ...worldAt(50), health: 'P0' }, inPhase('RolledBack'));

export const SITUATIONS: Readonly<Record<string, () => World>> = {
  'Initializing, stable not ready': () => step({ ...freshWorld(), podsStart: false }).world,
  'Progressing, holding at 25%': () => worldAt(25),
  'Progressing, hold over at 25%': () => readyFor(later(worldAt(25), 61_000), 2),
  'Progressing, hold over at 100%': () => later(worldAt(100), 61_000),
  'Promoting, stable not ready': () => step({ ...later(worldAt(100), 61_000), podsStart: false }).world,
  Succeeded: adoptedWorld,
  'Zeroed, not proven': () => ({ ...zeroed(), quiet: false }),
  'Zeroed, proven': () => step(later(zeroed(), 2_000)).world,
  'RolledBack, not proven': () => ({ ...rolledBack(), quiet: false }),
  'RolledBack, proven': () => step(later(rolledBack(), 2_000)).world,
};

export function readyFor(world: World, replicas: number): World {
  const { target } = world;
  return target === undefined
    ? world
    : { ...world, target: { ...target, replicas, ready: replicas, updated: replicas, current: replicas } };
}

const result = {
  check: 'errorRate',
  value: '2%',
  threshold: '1%',
  requests: 100,
  source: 'prometheus',
  windowMs: 60_000,
} as const;
export const PASS = { verdict: { kind: 'pass' }, results: [] } as const;
export const failed = (severity: Severity): Judgement['sentinel'] => {
  const verdict = { kind: 'fail', severity } as const;
  return { verdict, results: [{ ...result, verdict }] };
};
const unknown = (why: 'NoData' | 'TooLittleTraffic'): Judgement['sentinel'] => {
  const verdict = { kind: 'unknown', why } as const;
  return { verdict, results: [{ ...result, verdict }] };
};

export const VERDICTS: Readonly<Record<string, Judgement>> = {
  'sentinel P0': { sentinel: failed('P0'), step: undefined, alerts: PASS },
  'sentinel P1': { sentinel: failed('P1'), step: PASS, alerts: PASS },
  'checks P0': { sentinel: PASS, step: failed('P0'), alerts: PASS },
  'checks P1': { sentinel: PASS, step: failed('P1'), alerts: PASS },
  'checks P2': { sentinel: PASS, step: failed('P2'), alerts: PASS },
  'checks P3': { sentinel: PASS, step: failed('P3'), alerts: PASS },
  'no data': { sentinel: PASS, step: unknown('NoData'), alerts: PASS },
  'little traffic': { sentinel: PASS, step: unknown('TooLittleTraffic'), alerts: PASS },
  'not checked': { sentinel: PASS, step: undefined, alerts: PASS },
  pass: { sentinel: PASS, step: PASS, alerts: PASS },
};

/** What a rule of decide looks at in this world, with the spec that it has. */
export function sceneIn(world: World, judgement: Partial<Judgement> = {}): Scene {
  const observation = observe(world);
  if (observation.spec.kind !== 'valid') throw new Error('the world has no spec');
  const { spec } = observation.spec;
  const judged = { sentinel: PASS, step: undefined, alerts: PASS, ...judgement };
  return sceneOf(observation, judged, spec, runOf(observation, spec));
}

export function decideWith(world: World, judgement: Judgement): Decision {
  const seen = observe(world);
  const samples = judgement.step === undefined ? undefined : { ...someSamples(), takenAtMs: world.nowMs };
  return decide({ ...seen, samples }, judgement);
}

let sampled: StepSamples | undefined;
export function someSamples(): StepSamples {
  sampled ??= observe(later(worldAt(25), 11_000)).samples;
  if (sampled === undefined) throw new Error('the checks were not due');
  return sampled;
}

export const shown = ({ kind, reason, want }: Decision): string =>
  `${kind} ${reason}${want.weight === 'leave' ? '' : ` → ${want.weight}`}`;
