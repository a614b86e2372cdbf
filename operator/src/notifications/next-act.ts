/** Who must do what now, as a command to copy. Called by news.ts; the commands are those of the kubectl plugin (docs/kubectl.md). */
import type { Step } from '../core/spec.ts';
import type { Status } from '../core/status.ts';
import type { EventKind } from './news.ts';

export interface Act {
  readonly who: string;
  readonly what: string;
  /** Undefined where no command of ours can mend it. */
  readonly command: string | undefined;
}

export interface Situation {
  readonly namespace: string;
  readonly name: string;
  readonly headline: EventKind;
  readonly after: Status;
  readonly schedule: readonly Step[];
}

/** Reasons of a move that somebody has just asked for. */
const BY_ITSELF: ReadonlySet<string> = new Set(['NewRevision', 'RevisionWithdrawn', 'MaxWeight']);

/** @returns undefined when nobody has to do anything */
export function actOf({ namespace, name, headline, after, schedule }: Situation): Act | undefined {
  const plugin = (words: string): string => `kubectl authrollout ${words} --namespace ${namespace}`;
  if (headline === 'rollback' || after.phase === 'RolledBack') {
    const what = `find the fault; revision ${after.revision ?? ''} gets no traffic again, so release another one`;
    return { who: 'on-call', what, command: plugin(`history ${name}`) };
  }
  const role = after.approvalNeeded?.role;
  if (role !== undefined || after.phase === 'Zeroed') {
    const who = role ?? 'on-call';
    const what = 'look at the pods and the figures, then approve, or release another revision';
    return { who, what, command: plugin(`approve ${name} --as ${who} --reason "…"`) };
  }
  const { stepIndex = -1, answers = [] } = after.checkpoints ?? {};
  const person = schedule[stepIndex]?.checkpoints?.find(
    (one) => one.kind === 'person' && answers.some((said) => said.name === one.name && said.why === 'NotAnswered'),
  );
  if (person?.kind === 'person') {
    const what = `go or no-go for ${person.name} before step ${stepIndex + 1}: approve or refuse it`;
    const words = `approve ${name} --checkpoint ${person.name} --as ${person.role} --reason "…"`;
    return { who: person.role, what, command: plugin(words) };
  }
  if (BY_ITSELF.has(after.lastDecision?.reason ?? '')) return undefined;
  switch (headline) {
    case 'step':
    case 'done':
      return undefined;
    case 'drift':
      return {
        who: 'on-call',
        what: `stop ${after.drift?.manager ?? 'the other writer'} from writing the route's weights`,
        command: plugin(`status ${name}`),
      };
    case 'hold':
    case 'reduction':
    case 'zero':
    case 'approval':
      return { who: 'on-call', what: 'look at it', command: plugin(`status ${name}`) };
  }
}
