import { expect } from 'chai';
import { HELP, parseOptions, UsageError } from '../../../load/runner/options.ts';
import { LOADS, SCENARIOS, STAGES } from '../../../load/runner/stages.ts';

describe('the options of the load runner', () => {
  const refusal = (...argv: readonly string[]): string => {
    try {
      parseOptions(argv);
    } catch (error) {
      if (error instanceof UsageError) return error.message;
      throw error;
    }
    return '';
  };

  it('ask for one scenario, at the size of its stage, on a server that is started', () => {
    const { runs, isJson, folder } = parseOptions(['login']);
    expect(runs).to.deep.equal([
      {
        scenario: 'login',
        stage: 'smoke',
        baseUrl: undefined,
        durationS: undefined,
        rate: undefined,
        users: undefined,
        slow: 1,
        tolerance: 1,
      },
    ]);
    expect([isJson, folder]).to.deep.equal([false, 'dist/load']);
  });

  it('take a duration in seconds, minutes and hours', () => {
    const durations = ['45s', '5m', '1h'].map((text) => parseOptions(['login', '--duration', text]).runs[0]?.durationS);
    expect(durations).to.deep.equal([45, 300, 3600]);
  });

  it('mean every scenario by "all", and only those that need no settings of their own at a server that runs', () => {
    const names = (...argv: readonly string[]) => parseOptions(argv).runs.map(({ scenario }) => scenario);
    expect(names('all')).to.deep.equal(SCENARIOS.map(({ name }) => name));
    expect(names('all', '--base-url', 'http://localhost:3000')).to.not.include.members(['rate-limit', 'pool']);
    expect(names('all', '--base-url', 'http://localhost:3000')).to.include('login');
  });

  it('put no load on another machine unless it is said to be meant', () => {
    expect(refusal('login', '--base-url', 'https://auth.example.com')).to.include('--allow-remote');
    expect(refusal('login', '--base-url', 'http://127.0.0.1.example.com')).to.include('--allow-remote');
    expect(refusal('login', '--base-url', 'http://10.0.0.1:3000')).to.include('--allow-remote');
    expect(refusal('login', '--base-url', 'https://auth.example.com', '--allow-remote')).to.equal('');
    for (const url of ['http://localhost:3000', 'http://127.0.0.1:1', 'http://[::1]:3000/']) {
      expect(refusal('login', '--base-url', url)).to.equal('');
    }
  });

  it('refuse what makes no sense, and name it', () => {
    const wrong: readonly (readonly [readonly string[], string])[] = [
      [[], 'give a scenario'],
      [['logins'], 'logins'],
      [['login', '--stage', 'huge'], '--stage huge'],
      [['login', '--duration', '1.5m'], '--duration 1.5m'],
      [['login', '--duration', '0s'], '--duration 0s'],
      [['login', '--rate', '-1'], '--rate'],
      [['login', '--users', '0'], '--users 0'],
      [['login', '--slow', '0.5'], '--slow 0.5'],
      [['login', '--tolerance', 'much'], '--tolerance much'],
      [['login', '-o', 'yaml'], '-o yaml'],
      [['login', '--base-url', 'localhost:3000'], '--base-url localhost:3000'],
      [['pool', '--base-url', 'http://localhost:3000'], 'leave --base-url out'],
      [['login', '--slow', '3', '--base-url', 'http://localhost:3000'], 'leave --base-url out'],
      [['login', '--bogus'], '--bogus'],
    ];
    for (const [argv, part] of wrong) expect(refusal(...argv), argv.join(' ')).to.include(part);
  });

  it('stand in the help, each of them, with every scenario and stage', () => {
    const options = ['stage', 'base-url', 'allow-remote', 'duration', 'rate', 'users', 'tolerance', 'slow', 'out'];
    for (const option of [...options, 'dry-run', 'list', 'help']) expect(HELP).to.include(`--${option}`);
    for (const { name } of [...SCENARIOS, ...STAGES]) expect(HELP).to.include(name);
  });

  it('reach a second rate window in no stage of the rate limit, so that the count is exact', () => {
    for (const { durationS } of Object.values(LOADS['rate-limit'])) expect(durationS).to.be.below(60);
  });
});
