/** What each command does: reads through rollouts.ts, writes lines, and says the exit code. Called by main.ts. */
import { setTimeout as pause } from 'node:timers/promises';
import { APPROVAL_LIMITS } from '../core/spec-schema.ts';
import { abort, retry, setWeight } from './ceiling.ts';
import { type CommandDeps, CommandError, json, lines, type Terminal } from './command.ts';
import { conclusionOf, EXIT, exitCodeOf } from './conclusion.ts';
import { showPlan } from './plan.ts';
import { diff, printRecords, replay, verify } from './record-commands.ts';
import type { PatchStep, Rollout } from './rollouts.ts';
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
      return approve(deps);
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
      return replay(deps);
    case 'diff':
      return diff(deps);
    case 'plan':
      return showPlan(deps);
  }
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

/**
 * Adds the approval that the rollout asks for, bound to the revision and the step that were read: should either have changed meanwhile,
 * the apiserver refuses the patch. Who approves is what the apiserver says of our credentials.
 */
async function approve({ rollouts, options, namespace, terminal }: CommandDeps): Promise<number> {
  const rollout = await rollouts.get(namespace, options.name);
  const { status, approvals } = rollout;
  const needed = status?.approvalNeeded;
  if (needed === undefined || status?.revision === undefined) {
    throw new CommandError(
      `${options.name} needs no approval: it is ${status?.phase ?? 'not seen by the operator yet'}`,
    );
  }
  if (needed.role !== options.role) {
    throw new CommandError(
      `${options.name} needs an approval of ${needed.role}, not of ${options.role ?? 'nobody'}: say --as ${needed.role}`,
    );
  }
  const nowMs = terminal.nowMs();
  const approval = {
    by: (await rollouts.whoAmI()).slice(0, APPROVAL_LIMITS.by),
    role: needed.role,
    revision: status.revision,
    stepIndex: needed.stepIndex,
    expiresAt: new Date(nowMs + options.validForMs).toISOString(),
    reason: options.reason ?? '',
  };
  const kept = approvals.filter((entry) => isValidAt(entry, nowMs));
  if (kept.length >= APPROVAL_LIMITS.entries)
    throw new CommandError(`spec.approvals holds ${kept.length} already: remove one that is not needed`);
  const steps: readonly PatchStep[] = [
    { op: 'test', path: '/status/revision', value: status.revision },
    { op: 'test', path: '/status/approvalNeeded', value: needed },
    { op: 'test', path: '/spec/approvals', value: approvals },
    { op: 'replace', path: '/spec/approvals', value: [...kept, approval] },
  ];
  await rollouts.patch(rollout, steps, options);
  const done = `${options.dryRun ? 'would approve' : 'approved'} step ${needed.stepIndex + 1} of revision ${status.revision} as ${needed.role} (${approval.by}), valid until ${approval.expiresAt}`;
  if (options.output === 'json') json(terminal, approval);
  else lines(terminal, [done]);
  return EXIT.done;
}

/** An expired approval opens nothing and only takes up room. */
function isValidAt(entry: unknown, nowMs: number): boolean {
  const expiresAt: unknown = typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'expiresAt') : undefined;
  return typeof expiresAt === 'string' && Date.parse(expiresAt) > nowMs;
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
