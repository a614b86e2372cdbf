/** What a rollout's state means to who asks: a word for the view and an exit code for scripts. Pure; called by view.ts and commands.ts. */
import { nextStep } from '../core/schedule.ts';
import type { Rollout } from './rollouts.ts';

export type Conclusion = 'running' | 'promoted' | 'taken-back' | 'waits';

export const EXIT = { done: 0, failed: 1, usage: 2, takenBack: 3, waits: 4 } as const;

/** An approval, a resume, a higher ceiling or a corrected manifest: nothing goes on without a person. */
export function waitsFor({ status, spec, violations, name }: Rollout): string | undefined {
  const needed = status?.approvalNeeded;
  const last = status?.lastDecision;
  if (needed !== undefined && last?.reason === 'ApprovalsUnguarded') return last.message;
  if (needed !== undefined) {
    return `${needed.role} since ${needed.since}: kubectl authrollout approve ${name} --as ${needed.role} --reason "…"`;
  }
  if (violations.length > 0) return `a manifest that can be read: ${violations.join('; ')}`;
  const stalled = status?.conditions?.find(({ type, status: is }) => type === 'Stalled' && is === 'True');
  if (stalled !== undefined) return stalled.message;
  if (spec?.paused === true && status?.phase === 'Progressing') return `kubectl authrollout resume ${name}`;
  return isAtCeiling({ spec, status })
    ? `a ceiling above ${spec?.maxWeight ?? 0} %: kubectl authrollout retry ${name}`
    : undefined;
}

/** Names of the checkpoints that have not said yes; none where none is asked. */
export function shutCheckpoints({ status }: Pick<Rollout, 'status'>): readonly string[] {
  return (status?.checkpoints?.answers ?? []).flatMap(({ name, answer }) => (answer === 'yes' ? [] : [name]));
}

/** spec.maxWeight keeps the next step away. */
export function isAtCeiling({ spec, status }: Pick<Rollout, 'spec' | 'status'>): boolean {
  if (spec === undefined || status?.phase !== 'Progressing') return false;
  const next = nextStep(spec.schedule, status.weight ?? 0);
  return next !== undefined && next.step.weight > spec.maxWeight;
}

export function conclusionOf(rollout: Rollout): Conclusion {
  const phase = rollout.status?.phase;
  if (phase === 'RolledBack') return 'taken-back';
  if (waitsFor(rollout) !== undefined) return 'waits';
  if (phase === 'Zeroed') return 'taken-back';
  return phase === 'Succeeded' ? 'promoted' : 'running';
}

const CODES = {
  running: EXIT.done,
  promoted: EXIT.done,
  'taken-back': EXIT.takenBack,
  waits: EXIT.waits,
} as const satisfies Readonly<Record<Conclusion, number>>;

export function exitCodeOf(rollout: Rollout): number {
  return CODES[conclusionOf(rollout)];
}
