/**
 * What a pass leaves for the decision log: the core's record with what only the shell knows, such as images and queries.
 * decision-log.ts calls draftOf for each decision that is news.
 */
import { z } from 'zod';
import manifest from '../../package.json' with { type: 'json' };
import type { Decision } from './core/decide.ts';
import { type ContainerImage, type DecisionDraft, recordOf } from './core/decision-record.ts';
import type { Judgement } from './core/judge.ts';
import type { PodTemplate } from './core/observation.ts';
import type { Outcome } from './core/plan.ts';
import { stableNameOf } from './core/revision.ts';
import type { Seen } from './observe.ts';
import { stepQuestions } from './step-checks.ts';

/** What a pass decided, before its status is written. */
export interface Decided {
  readonly key: string;
  readonly seen: Seen;
  readonly judgement: Judgement;
  readonly decision: Decision;
  readonly outcome: Outcome;
}

export function draftOf({ seen, judgement, decision, outcome }: Decided, pod: string): DecisionDraft {
  const { observation } = seen;
  const actor = { pod, version: manifest.version };
  const images = imagesOf(observation.target?.template);
  const { runningImages } = seen.handles;
  return recordOf(observation, judgement, decision, {
    actor,
    images,
    runningImages,
    queries: queriesOf(seen),
    outcome,
  });
}

/** The same text that was asked: it follows from the spec and the window of the samples. */
function queriesOf({ observation, handles }: Seen): Readonly<Record<string, string>> | undefined {
  const { samples, rollout } = observation;
  const { spec } = handles;
  if (samples === undefined || spec === undefined) return undefined;
  const { windowMs, replicaSets } = samples;
  const stableName = stableNameOf(spec.targetName);
  return stepQuestions({ spec, namespace: rollout.namespace, stableName, replicaSets, windowMs });
}

const templateShape = z.looseObject({
  spec: z.looseObject({ containers: z.array(z.looseObject({ name: z.string(), image: z.string().default('') })) }),
});

/** As the template names them: with the digest where it does. */
function imagesOf(template: PodTemplate | undefined): readonly ContainerImage[] {
  const parsed = templateShape.safeParse(template).data;
  return (parsed?.spec.containers ?? []).map(({ name, image }) => ({ container: name, image }));
}
