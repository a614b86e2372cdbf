import { expect } from 'chai';
import { HELP, parseConfig } from '../../../operator/src/config.ts';

describe('config', () => {
  it('runs with defaults when nothing is set', () => {
    expect(parseConfig([], {})).to.deep.equal({
      kind: 'run',
      config: {
        watchNamespace: '',
        podName: 'latchkey-operator',
        podNamespace: 'default',
        leaseName: 'latchkey-operator',
        port: 8080,
        logLevel: 'info',
        kubeconfig: undefined,
      },
    });
  });

  it('reports every violation together, the command line’s too', () => {
    const parsed = parseConfig(['--nonsense'], { PORT: '70000', LOG_LEVEL: 'loud', WATCH_NAMESPACE: 'No Good' });
    if (parsed.kind !== 'invalid') throw new Error(parsed.kind);
    const text = parsed.violations.join('\n');
    for (const word of ['nonsense', 'PORT', 'LOG_LEVEL', 'WATCH_NAMESPACE']) expect(text).to.contain(word);
  });

  it('explains each variable that it reads', () => {
    expect(parseConfig(['--help'], { PORT: 'x' })).to.deep.equal({ kind: 'help' });
    for (const name of [
      'WATCH_NAMESPACE',
      'POD_NAME',
      'POD_NAMESPACE',
      'LEASE_NAME',
      'PORT',
      'LOG_LEVEL',
      '--kubeconfig',
    ]) {
      expect(HELP).to.contain(name);
    }
  });
});
