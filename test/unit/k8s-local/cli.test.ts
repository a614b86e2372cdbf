import { expect } from 'chai';
import { main } from '../../../k8s/local/cli.ts';

describe('the command line of the local cluster', () => {
  const wrong: readonly (readonly string[])[] = [[], ['start'], ['up', '--nope'], ['status', '-o', 'xml'], ['image']];
  const original = { log: console.log, error: console.error };
  let printed: string[] = [];
  beforeEach(() => {
    printed = [];
    console.log = (text: string) => printed.push(text);
    console.error = (text: string) => printed.push(text);
  });
  afterEach(() => Object.assign(console, original));

  for (const args of wrong) {
    it(`answers "${args.join(' ')}" with exit code 2 and words`, async () => {
      expect(await main(args)).to.equal(2);
      expect(printed.join('')).to.not.equal('');
    });
  }

  it('explains itself with --help and exit code 0', async () => {
    expect(await main(['--help'])).to.equal(0);
    expect(printed.join('')).to.match(/up .*down .*status .*env .*image/s);
  });
});
