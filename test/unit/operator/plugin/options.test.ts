/** The plugin's command line: what is accepted, and that a refusal says what to write instead. */
import { expect } from 'chai';
import { parseOptions } from '../../../../operator/src/plugin/options.ts';
import { UsageError } from '../../../../operator/src/plugin/usage-error.ts';

describe('the command line of the plugin', () => {
  it('takes a command, a name and options in any order', () => {
    const options = parseOptions([
      '-n',
      'auth',
      'approve',
      'auth-api',
      '--as',
      'on-call',
      '--reason',
      'seen',
      '--valid-for',
      '30m',
    ]);
    expect(options).to.include({
      command: 'approve',
      name: 'auth-api',
      namespace: 'auth',
      role: 'on-call',
      reason: 'seen',
    });
    expect(options).to.include({ validForMs: 1_800_000, dryRun: false, output: 'text' });
  });

  it('takes a word at a checkpoint', () => {
    const said = ['auth-api', '--checkpoint', 'go-live', '--as', 'team-lead', '--reason', 'seen'];
    for (const command of ['approve', 'refuse'] as const)
      expect(parseOptions([command, ...said])).to.include({ command, checkpoint: 'go-live', role: 'team-lead' });
  });

  it('takes the weight behind the name', () => {
    expect(parseOptions(['set-weight', 'auth-api', '7', '--dry-run'])).to.include({
      name: 'auth-api',
      weight: 7,
      dryRun: true,
    });
    expect(parseOptions(['abort', 'auth-api'])).to.include({ command: 'abort', weight: undefined });
  });

  it('plans a file without a name, or a name', () => {
    expect(parseOptions(['plan', '-f', '-', '--failing', '10'])).to.include({ name: '', file: '-', failing: 0.1 });
    expect(parseOptions(['plan', 'auth-api', '--requests-per-second', '40'])).to.include({ requestsPerSecond: 40 });
  });

  it('replays a range when one is asked for, from times before now or of the calendar', () => {
    const replay = ['replay', 'auth-api', '--policy', 'new.yaml'];
    expect(parseOptions(replay)).to.have.property('range', undefined);
    const none = { from: undefined, to: undefined, prometheus: undefined };
    expect(parseOptions([...replay, '--range'])?.range).to.deep.equal(none);
    const times = [...replay, '--from', '-1h30m', '--to=-5m'];
    expect(parseOptions(times)?.range).to.deep.equal({ ...none, from: { agoMs: 5_400_000 }, to: { agoMs: 300_000 } });
    const zoned = parseOptions([...replay, '--from', '2026-03-04T12:00:00+01:00', '--to', 'now'])?.range;
    expect(zoned?.from).to.deep.equal({ atMs: Date.parse('2026-03-04T11:00:00Z') });
    expect(zoned?.to).to.deep.equal({ agoMs: 0 });
  });

  it('is asked for help by an option or a word', () => {
    expect(parseOptions(['status', '--help'])).to.equal(undefined);
    expect(parseOptions(['help'])).to.equal(undefined);
  });

  for (const [args, says] of [
    [[], 'no command: use one of list, status'],
    [['promote', 'x'], 'no command promote'],
    [['status'], 'name an AuthRollout'],
    [['status', 'a', 'b'], 'one name at a time: b'],
    [['list', 'a'], 'use status a'],
    [['list', '-o', 'yaml'], '--output yaml: use text or json'],
    [['approve', 'a', '--reason', 'x'], 'say --as on-call or --as team-lead'],
    [['approve', 'a', '--as', 'boss', '--reason', 'x'], 'say --as on-call or --as team-lead'],
    [['approve', 'a', '--as', 'on-call'], 'say why with --reason'],
    [['refuse', 'a', '--as', 'on-call', '--reason', 'x'], 'name what you say no to, --checkpoint NAME'],
    [['refuse', 'a', '--checkpoint', 'go', '--reason', 'x'], 'refuse: say --as on-call or --as team-lead'],
    [['approve', 'a', '--as', 'on-call', '--reason', 'x'.repeat(513)], '513 characters, at most 512'],
    [['approve', 'a', '--as', 'on-call', '--reason', 'x', '--valid-for', '1 day'], 'such as 30m or 1h'],
    [['approve', 'a', '--as', 'on-call', '--reason', 'x', '--valid-for', '0s'], 'such as 30m or 1h'],
    [['set-weight', 'a'], 'a whole number of percent'],
    [['set-weight', 'a', '7.5'], 'a whole number of percent'],
    [['set-weight', 'a', '101'], 'a whole number of percent'],
    [['set-weight', 'a', '7', '8'], 'one name at a time: 8'],
    [['abort', 'a', '7'], 'one name at a time: 7'],
    [['plan'], 'name an AuthRollout'],
    [['completion'], 'one of bash, zsh, fish'],
    [['completion', 'csh'], 'one of bash, zsh, fish'],
    [['plan', 'a', '--requests-per-second', '0'], 'a number above 0'],
    [['plan', 'a', '--failing', '101'], 'a percentage above 0, up to 100'],
    [['plan', 'a', '--operator', 'operator'], 'as NAMESPACE/NAME'],
    [['status', 'a', '--frob'], '--frob'],
    [['replay', 'a', '--from', '-2h'], 'name the other policy, --policy FILE'],
    [['replay', '--policy', 'p', '-f', 'records', '--range'], 'name an AuthRollout'],
    [['replay', 'a', '--policy', 'p', '--from', 'yesterday'], '--from yesterday: write a time such as'],
    [['replay', 'a', '--policy', 'p', '--to', '2026-03-04'], '--to 2026-03-04: write a time such as'],
    [['replay', 'a', '--policy', 'p', '--prometheus', 'prometheus:9090'], 'such as http://localhost:9090'],
  ] as const) {
    it(`refuses ${args.join(' ').slice(0, 60) || 'nothing at all'}`, () => {
      expect(() => parseOptions(args)).to.throw(UsageError, says);
    });
  }
});
