/** What each command does: reads through rollouts.ts, writes lines, and says the exit code. Called by main.ts. */
import { setTimeout as pause } from 'node:timers/promises';
import { makeApproval } from './approving.ts';
import { abort, retry, setWeight } from './ceiling.ts';
import { type CommandDeps, json, lines, type Terminal } from './command.ts';
import { complain } from './complaining.ts';
import { completionScript } from './completion.ts';
import { conclusionOf, EXIT, exitCodeOf } from './conclusion.ts';
import { showPlan } from './plan.ts';
import { replayRange } from './range.ts';
import { diff, printRecords, replay, verify } from './record-commands.ts';
import type { Rollout } from './rollouts.ts';
import { type Canvas, decisionsOf, decisionText, drawList, drawStatus } from './view.ts';

const LOOK_EVERY_MS = 1_000;
const CLEAR = '\x1b[H\x1b[J';

/** Runs the command and resolves to the exit code. @throws {ApiError} @throws {CommandError} */
export function runCommand(deps: CommandDeps): Promise<number> {
  switch (deps.options.command) {
    case 'list':
      return showList(deps);
    case 'status':
      return deps.options.watch ? watchStatus(deps) : showStatus(deps);
    case 'history':
      return showHistory(deps);
    case 'approve':
    case 'refuse':
      return approve(deps);
    case 'complain':
      return complain(deps);
    case 'pause':
      return setPaused(deps, true);
    case 'resume':
      return setPaused(deps, false);
    case 'abort':
      return abort(deps);
    case 'set-weight':
      return setWeight(deps);
    case 'retry':
      return retry(deps);
    case 'records':
      return printRecords(deps);
    case 'verify':
      return verify(deps);
    case 'replay':
      return deps.options.range === undefined ? replay(deps) : replayRange(deps);
    case 'diff':
      return diff(deps);
    case 'plan':
      return showPlan(deps);
    case 'completion':
      return showCompletion(deps);
  }
}

async function showCompletion({ options, terminal }: CommandDeps): Promise<number> {
  lines(terminal, [completionScript(options.name) ?? '']);
  return EXIT.done;
}

async function showList({ rollouts, options, namespace, terminal }: CommandDeps): Promise<number> {
  const found = await rollouts.list(options.allNamespaces ? '' : namespace);
  if (options.output === 'json')
    json(
      terminal,
      found.map(({ raw }) => raw),
    );
  else if (found.length > 0) lines(terminal, drawList(found, { withNamespace: options.allNamespaces }));
  else
    lines(terminal, [
      options.allNamespaces
        ? 'no AuthRollout anywhere'
        : `no AuthRollout in namespace ${namespace}: -A looks everywhere`,
    ]);
  return EXIT.done;
}

function canvasOf({ columns, hasColour, nowMs }: Terminal): Canvas {
  return { columns, hasColour, nowMs: nowMs() };
}

async function showStatus({ rollouts, options, namespace, terminal }: CommandDeps): Promise<number> {
  const rollout = await rollouts.get(namespace, options.name);
  if (options.output === 'json') json(terminal, rollout.raw);
  else lines(terminal, drawStatus(rollout, canvasOf(terminal)));
  return exitCodeOf(rollout);
}

/** On a terminal the picture stays and changes; into a file or a pipe goes one line a decision. */
async function watchStatus({ rollouts, options, namespace, terminal }: CommandDeps): Promise<number> {
  let told = '';
  for (;;) {
    const rollout = await rollouts.get(namespace, options.name);
    if (options.output === 'text' && terminal.isInteractive) {
      terminal.write(CLEAR);
      lines(terminal, drawStatus(rollout, canvasOf(terminal)));
    } else {
      const news = newsOf(rollout);
      if (news !== told) lines(terminal, [options.output === 'json' ? JSON.stringify(rollout.raw) : news]);
      told = news;
    }
    const conclusion = conclusionOf(rollout);
    if (conclusion === 'promoted' || conclusion === 'taken-back') return exitCodeOf(rollout);
    await pause(LOOK_EVERY_MS);
  }
}

function newsOf({ status }: Rollout): string {
  const last = status?.lastDecision;
  const state = `${status?.phase ?? 'unseen'}  ${status?.weight ?? 0} %`;
  return last === undefined ? state : `${state}  ${decisionText(last)}`;
}

async function showHistory({ rollouts, options, namespace, terminal }: CommandDeps): Promise<number> {
  const records = decisionsOf((await rollouts.get(namespace, options.name)).status);
  if (options.output === 'json') json(terminal, records);
  else lines(terminal, records.length === 0 ? ['no decision yet'] : records.map(decisionText));
  return EXIT.done;
}

async function approve({ rollouts, options, namespace, terminal }: CommandDeps): Promise<number> {
  const rollout = await rollouts.get(namespace, options.name);
  const approval = await makeApproval({ rollouts, rollout, options, nowMs: terminal.nowMs() });
  const { stepIndex, revision, role, by, expiresAt, checkpoint, answer } = approval;
  const word = answer === 'no' ? 'refuse' : 'approve';
  const what = `${checkpoint === undefined ? '' : `${checkpoint} before `}step ${stepIndex + 1} of revision ${revision}`;
  const done = `${options.dryRun ? 'would ' : ''}${word}${options.dryRun ? '' : 'd'} ${what} as ${role} (${by}), valid until ${expiresAt}`;
  if (options.output === 'json') json(terminal, approval);
  else lines(terminal, [done]);
  return EXIT.done;
}

async function setPaused({ rollouts, options, namespace, terminal }: CommandDeps, isPaused: boolean): Promise<number> {
  const rollout = await rollouts.get(namespace, options.name);
  const changed = await rollouts.patch(rollout, [{ op: 'add', path: '/spec/paused', value: isPaused }], options);
  const word = isPaused ? 'paused' : 'resumed';
  const was = rollout.spec?.paused === isPaused ? ' already' : '';
  if (options.output === 'json') json(terminal, changed.raw);
  else lines(terminal, [`${options.name} ${options.dryRun ? `would be ${word}` : `is${was} ${word}`}`]);
  return EXIT.done;
}
