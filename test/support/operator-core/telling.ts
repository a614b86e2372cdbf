/** A rollout as a story: what each pass decided, did and said, without what stays as it was. Used by stories.test.ts and corner-stories.test.ts. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Action } from '../../../operator/src/core/plan.ts';
import { requeueAfterMs } from '../../../operator/src/core/requeue.ts';
import type { Condition, Status } from '../../../operator/src/core/status.ts';
import { act, type Pass, think, writeStatus } from './doing.ts';
import { observe } from './seeing.ts';
import { T0, type World } from './world.ts';

export type Chapter = {
  /** What somebody else does before the first pass of the chapter. */
  readonly title: string;
  readonly change: (world: World) => World;
  readonly passes: number;
};

export type Story = { readonly start: () => World; readonly chapters: readonly Chapter[] };

/** Times are told from the start on: "+12.5s". */
const relative = (text: string): string =>
  text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (instant) => `+${(Date.parse(instant) - T0) / 1_000}s`);

/** The status but for what a decision says already, and for times that move with every check. */
const telling = (status: Status | undefined): Readonly<Record<string, string>> => {
  const { conditions, history, lastCheck, lastDecision, nextCheckAt, ...rest } = status ?? {};
  const isKnown = lastDecision === undefined || history?.some((entry) => entry.reason === lastDecision.reason);
  const conditionOf = ({
    status: state,
    reason,
    message,
    lastTransitionTime,
    observedGeneration,
  }: Condition): string => {
    const text = message === lastDecision?.message ? 'as said' : message;
    return `${state} ${reason} since ${lastTransitionTime}, generation ${observedGeneration}: ${text}`;
  };
  const lines: (readonly [string, unknown])[] = [
    ...Object.entries(rest),
    ['history', isKnown === true ? history?.length : 'lacks the decision'],
    ['nextCheckAt', nextCheckAt === undefined ? undefined : 'set'],
    ...(lastCheck?.results ?? []).map((result) => [`check ${result.check}`, result] as const),
    ...(conditions ?? []).map((condition) => [condition.type, conditionOf(condition)] as const),
  ];
  return Object.fromEntries(
    lines.map(([key, value]) => [key, typeof value === 'string' ? value : (JSON.stringify(value) ?? 'none')]),
  );
};

type Told = Readonly<Record<string, string>>;

const changes = (old: Told, now: Told): readonly string[] => {
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])].toSorted();
  return keys.filter((key) => old[key] !== now[key]).map((key) => `    ${key}: ${now[key] ?? 'gone'}`);
};

const tellAction = (action: Action): string => {
  if (!('patch' in action)) return JSON.stringify(action);
  const { patch, ...rest } = action;
  const operations = patch.map((one) => `\n      ${one.op} ${one.path} ${'value' in one ? String(one.value) : ''}`);
  return `${JSON.stringify(rest)}${operations.join('')}`;
};

const tellPass = (world: World, pass: Pass, againMs: number): string => {
  const { kind, reason, message, severity, run } = pass.decision;
  const at = `+${(world.nowMs - T0) / 1_000}s`;
  const worst = severity === undefined ? '' : ` ${severity}`;
  const actions = pass.actions.map((action) => `    does ${tellAction(action)}`);
  const said = `${at} ${run.phase} ${run.weight ?? 'no'}%: ${kind} ${reason}${worst}: ${message}; again in ${againMs / 1_000} s`;
  return [said, ...actions].join('\n');
};

/** Passes at the times at which the operator asks for them itself; a pass that says nothing new is not told. */
export const tell = ({ start, chapters }: Story): string => {
  let world = start();
  let told = '';
  let known = telling(world.status);
  const lines: string[] = [];
  for (const { title, change, passes } of chapters) {
    lines.push(`== ${title}`);
    world = change(world);
    known = telling(world.status);
    for (let count = 0; count < passes; count += 1) {
      const pass = think(observe(world));
      const { world: acted, outcome } = act(world, pass);
      const after = writeStatus(acted, pass, outcome, world.statusVersion);
      const againMs = requeueAfterMs(pass.observation, pass.decision, outcome);
      const now = telling(after.status);
      const news = changes(known, now);
      const { reason, message } = pass.decision;
      if (news.length > 0 || pass.actions.length > 0 || `${reason}${message}` !== told) {
        lines.push(tellPass(world, pass, againMs), ...news);
      }
      told = `${reason}${message}`;
      known = now;
      world = { ...after, nowMs: world.nowMs + Math.max(1_000, againMs) };
    }
  }
  return relative(`${lines.join('\n')}\n`);
};

const FOLDER = new URL('../../contract/operator/stories/', import.meta.url);

/** How the story was told when somebody read it last; `STORIES=write` keeps what it says now. */
export const keptStory = (title: string, story: Story): string => {
  const file = new URL(`${title.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase()}.txt`, FOLDER);
  if (process.env['STORIES'] === 'write') {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(file, tell(story));
  }
  return readFileSync(file, 'utf8');
};
