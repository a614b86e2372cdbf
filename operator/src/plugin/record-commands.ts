/**
 * The commands on decision records: print, verify, replay under another policy, compare two policies. Called by commands.ts;
 * records.ts finds the records, verify.ts and replay.ts judge them.
 */
import { loadYaml } from '@kubernetes/client-node';
import { isApiError } from '../clients/api-error.ts';
import { type PolicyReading, policyDifferences, readPolicy } from '../core/policy.ts';
import { recordShape } from '../record-chain.ts';
import { type CommandDeps, CommandError, json, lines } from './command.ts';
import { EXIT } from './conclusion.ts';
import { type RecordList, readText, recordsInLog, recordsInText } from './records.ts';
import { drawReplay, replayList } from './replay.ts';
import { drawReport, verifyList } from './verify.ts';

/** The records of the named rollout in the cluster. @throws {CommandError} */
async function fromCluster({ rollouts, namespace, options }: CommandDeps): Promise<RecordList> {
  try {
    const object = await rollouts.decisionLog(namespace, options.name);
    return recordsInLog(`${namespace}/${options.name}`, object);
  } catch (error) {
    if (!isApiError(error, 'ERR_API_NOT_FOUND')) throw error;
    throw new CommandError(
      `no decisions of ${options.name} in namespace ${namespace}: none was made yet, or the operator keeps none there; its stdout has them too (-f FILE)`,
    );
  }
}

/** Every rollout in the file, or the named one. @throws {CommandError} */
async function fromFile({ options }: CommandDeps, path: string): Promise<readonly RecordList[]> {
  const text = await readText(path).catch((cause: unknown) => {
    throw new CommandError(`${path} cannot be read: ${cause instanceof Error ? cause.message : 'no such file'}`);
  });
  const lists = recordsInText(text).filter(({ rollout }) => isWanted(rollout, options));
  if (lists.length > 0) return lists;
  throw new CommandError(
    `${path} holds no decision record${options.name === '' ? '' : ` of ${options.name}`}: it is a file of the operator's JSON lines that is looked for`,
  );
}

function isWanted(rollout: string, { name, namespace }: CommandDeps['options']): boolean {
  if (name === '') return true;
  return namespace === undefined ? rollout.endsWith(`/${name}`) : rollout === `${namespace}/${name}`;
}

/** What verify, replay and diff work on: the file where one is given, else the cluster. */
export async function recordLists(deps: CommandDeps): Promise<readonly RecordList[]> {
  const { file } = deps.options;
  return file === undefined ? [await fromCluster(deps)] : await fromFile(deps, file);
}

/** Each record as a line of JSON, for jq and archives. */
export async function printRecords(deps: CommandDeps): Promise<number> {
  const { found } = await fromCluster(deps);
  for (const { value } of found) if (value !== undefined) deps.terminal.write(`${JSON.stringify(value)}\n`);
  return EXIT.done;
}

export async function verify(deps: CommandDeps): Promise<number> {
  const { options, terminal } = deps;
  const lists = await recordLists(deps);
  // With a name and a file both copies are there: a chain that was computed anew in one differs from the other.
  const inCluster = options.file !== undefined && options.name !== '' ? await fromCluster(deps) : undefined;
  const reports = [
    ...lists.map((list) => verifyList(list, inCluster && hashesOf(inCluster))),
    ...(inCluster === undefined ? [] : [verifyList(inCluster)]),
  ];
  if (options.output === 'json') json(terminal, reports);
  else lines(terminal, [reports.map((report) => drawReport(report, terminal.hasColour).join('\n')).join('\n\n')]);
  return reports.every(({ isRight }) => isRight) ? EXIT.done : EXIT.failed;
}

function hashesOf({ found }: RecordList): ReadonlyMap<number, string> {
  const records = found.flatMap(({ value }) => recordShape.safeParse(value).data ?? []);
  return new Map(records.map(({ sequence, hash }) => [sequence, hash]));
}

type ReadPolicy = Extract<PolicyReading, { kind: 'policy' }>;

/** Also of a range (range.ts). @throws {CommandError} */
export async function policyIn(path: string): Promise<ReadPolicy> {
  const text = await readText(path).catch((cause: unknown) => {
    throw new CommandError(`${path} cannot be read: ${cause instanceof Error ? cause.message : 'no such file'}`);
  });
  const reading = readPolicy(yamlIn(path, text));
  if (reading.kind === 'policy') return reading;
  throw new CommandError(`${path} is no policy: ${reading.violations.join('; ')}`);
}

function yamlIn(path: string, text: string): unknown {
  try {
    return loadYaml<unknown>(text);
  } catch (cause) {
    throw new CommandError(`${path} is no YAML: ${cause instanceof Error ? cause.message : 'unreadable'}`);
  }
}

/** What the policy would have decided instead. */
export async function replay(deps: CommandDeps): Promise<number> {
  const { options, terminal } = deps;
  const { named } = await policyIn(options.policies[0] ?? '');
  const replays = (await recordLists(deps)).map((list) => replayList(list, named));
  if (options.output === 'json') json(terminal, replays);
  else lines(terminal, [replays.map((one) => drawReplay(one, terminal.hasColour).join('\n')).join('\n\n')]);
  return EXIT.done;
}

/** Which figures differ, and with records, which decisions. */
export async function diff(deps: CommandDeps): Promise<number> {
  const { options, terminal } = deps;
  const [left, right] = await Promise.all([policyIn(options.policies[0] ?? ''), policyIn(options.policies[1] ?? '')]);
  const figures = policyDifferences(left.policy, right.policy);
  const hasRecords = options.name !== '' || options.file !== undefined;
  const lists = hasRecords ? await recordLists(deps) : [];
  const replays = lists.map((list) => replayList(list, right.policy, left.policy));
  if (options.output === 'json') json(terminal, { figures, replays });
  else {
    const width = Math.max(0, ...figures.map(({ path }) => path.length));
    const table = figures.map(({ path, old, new: other }) => `  ${path.padEnd(width)}  ${old} → ${other}`);
    lines(terminal, table.length === 0 ? ['no figure differs'] : table);
    for (const one of replays) lines(terminal, ['', ...drawReplay(one, terminal.hasColour)]);
  }
  return EXIT.done;
}
