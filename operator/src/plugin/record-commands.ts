/**
 * The commands on decision records: print, verify, replay under another policy, compare two policies. Called by commands.ts;
 * records.ts finds the records, verify.ts and replay.ts judge them.
 */
import { isApiError } from '../clients/api-error.ts';
import { recordShape } from '../record-chain.ts';
import { type CommandDeps, CommandError } from './command.ts';
import { EXIT } from './conclusion.ts';
import { type RecordList, readText, recordsInLog, recordsInText } from './records.ts';
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
  if (options.output === 'json') terminal.write(`${JSON.stringify(reports, undefined, 2)}\n`);
  else terminal.write(`${reports.map((report) => drawReport(report, terminal.hasColour).join('\n')).join('\n\n')}\n`);
  return reports.every(({ isRight }) => isRight) ? EXIT.done : EXIT.failed;
}

function hashesOf({ found }: RecordList): ReadonlyMap<number, string> {
  const records = found.flatMap(({ value }) => recordShape.safeParse(value).data ?? []);
  return new Map(records.map(({ sequence, hash }) => [sequence, hash]));
}
