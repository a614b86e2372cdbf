/**
 * The words of a message: pure, one layout for every event. Called by channels.ts and mail.ts, each of which escapes for its own medium.
 *
 * The lines answer what somebody who was just woken asks, in that order: what happened, how bad, to whom, by which figures, what now.
 */
import type { CheckName } from '../core/status.ts';
import type { EventKind, Figure, News } from './news.ts';

export interface Text {
  /** One line: the subject of a mail, the first line of a chat message. */
  readonly title: string;
  readonly lines: readonly string[];
}

const HEADLINES: Readonly<Record<EventKind, (news: News) => string>> = {
  step: ({ weight }) => `now at ${weight.after}%`,
  hold: ({ weight, reason }) => `holds at ${weight.after}%: ${reason}`,
  reduction: ({ weight }) => `reduced from ${weight.before}% to ${weight.after}%`,
  zero: ({ phase }) => (phase === 'Zeroed' ? 'taken to 0%, pods kept' : 'taken to 0%'),
  rollback: () => 'rolled back',
  approval: ({ weight, act }) => `waits at ${weight.after}% for ${act?.who ?? 'a person'}`,
  drift: () => 'weight changed by somebody else',
  done: ({ revision }) => `revision ${revision} serves everybody`,
};

/** @param link where the reader can see more; undefined leaves the line out */
export function textOf(news: News, link: string | undefined): Text {
  const { rollout, light, severity, events, act } = news;
  const [headline] = events;
  const marks = severity === 'None' ? light : `${light} ${severity}`;
  const lines = [
    `Status: ${marks}, ${new Date(news.atMs).toISOString()}`,
    `What happened: ${news.message || HEADLINES[headline](news)} (${news.reason})`,
    headline === 'done'
      ? 'Weight: 0%, the canary is empty'
      : `Weight: ${news.weight.before}% before, ${news.weight.after}% now`,
    `Progress: step ${news.step.index + 1} of ${news.step.of}, phase ${news.phase}, revision ${news.revision}`,
    `Impact: ${impactOf(news)}`,
    ...news.figures.map(figureLine),
    `Next: ${nextOf(news)}`,
    ...(act === undefined ? [] : [`Who must act: ${act.who}: ${act.what}`]),
    ...(act?.command === undefined ? [] : [`Command: ${act.command}`]),
    ...(link === undefined ? [] : [`Link: ${link}`]),
    `Event: ${news.id}`,
  ];
  return { title: `[${marks}] ${rollout.namespace}/${rollout.name} ${HEADLINES[headline](news)}`, lines };
}

/** Whom it touches: the share of the requests, before and from now on. */
function impactOf({ events: [headline], weight, stableRevision }: News): string {
  const stable = `stable${stableRevision === '' ? '' : ` (revision ${stableRevision})`}`;
  if (headline === 'done') return 'none; every request is served by the new revision';
  if (weight.after === 0) {
    const until = weight.before === 0 ? '' : `up to ${weight.before}% of the requests until now; `;
    return `${until}${stable} serves every request, sessions and accounts stay as they are`;
  }
  return `${weight.after}% of the requests on the new revision, the others on ${stable}`;
}

const NAMES: Readonly<Record<CheckName, string>> = {
  serviceDown: 'No answer',
  errorRate: 'Error rate',
  latencyP95: 'Latency p95',
  authFailureRate: 'Failed logins',
  databaseErrors: 'Database errors',
  complaints: 'Complaints',
  dataLoss: 'Data loss signals',
  alerts: 'Alerts firing',
};

function figureLine({ check, verdict, severity, why, value, threshold, requests }: Figure): string {
  if (value === undefined) return `${NAMES[check]}: not known (${why ?? 'no value'})`;
  const evidence = requests === undefined ? '' : `, ${requests} counted`;
  const judged = verdict === 'fail' ? ` — ${severity ?? 'failed'}` : '';
  return `${NAMES[check]}: ${value}, limit ${threshold ?? 'none'}${evidence}${judged}`;
}

function nextOf({ act, nextAt, events: [headline], weight }: News): string {
  if (headline === 'done') return 'nothing';
  if (nextAt !== undefined) return `goes on by itself when healthy, at ${nextAt} at the earliest`;
  if (act !== undefined && weight.after === 0) return `no traffic until ${act.who} has acted`;
  return act === undefined ? 'the checks go on' : `not up again until ${act.who} has acted`;
}
