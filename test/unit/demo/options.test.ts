import { expect } from 'chai';
import { help, parseOptions } from '../../../k8s/demo/options.ts';

describe('the options of the demo', () => {
  it('ask for nothing: the local cluster, the normal pace, everything taken away afterwards', () => {
    expect(parseOptions([])).to.deep.equal({ help: false, keep: false, pace: 1, json: undefined, context: undefined });
  });

  it("name the user's own cluster and what cannot be asked of it", () => {
    const { context } = parseOptions(['--context', 'kind-a', '--gateway', 'infra/gw', '--no-build']);
    expect(context).to.include({ name: 'kind-a', gateway: 'infra/gw', build: false, postgres: undefined });
  });

  it('refuse a pace that is no number above 0, and an option that does not exist, by name', () => {
    expect(() => parseOptions(['--pace', '0'])).to.throw(RangeError, '--pace 0');
    expect(() => parseOptions(['--pace', 'fast'])).to.throw(RangeError, '--pace fast');
    expect(() => parseOptions(['--bogus'])).to.throw(TypeError, '--bogus');
  });

  it('stand in the help, each of them', () => {
    for (const option of [
      'pace',
      'json',
      'keep',
      'context',
      'gateway',
      'gateway-url',
      'prometheus',
      'postgres',
      'redis',
      'no-build',
    ]) {
      expect(help).to.include(`--${option}`);
    }
  });
});
