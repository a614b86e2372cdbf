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
        acceptUnguarded: false,
        kubeconfig: undefined,
        notificationsFile: undefined,
        alertsTokenFile: undefined,
      },
    });
  });

  it('reports every violation together, the command line’s too', () => {
    const parsed = parseConfig(['--nonsense'], { PORT: '70000', LOG_LEVEL: 'loud', WATCH_NAMESPACE: 'No Good' });
    if (parsed.kind !== 'invalid') throw new Error(parsed.kind);
    const text = parsed.violations.join('\n');
    for (const word of ['nonsense', 'PORT', 'LOG_LEVEL', 'WATCH_NAMESPACE']) expect(text).to.contain(word);
  });

  it('tries the notifications out instead of running when told so', () => {
    const parsed = parseConfig(['--test-notifications'], { NOTIFICATIONS_FILE: '/etc/latchkey/notifications.json' });
    expect(parsed).to.deep.include({ kind: 'test-notifications' });
    expect(JSON.stringify(parsed)).to.contain('/etc/latchkey/notifications.json');
  });

  it('explains each variable that it reads', () => {
    expect(parseConfig(['--help'], { PORT: 'x' })).to.deep.equal({ kind: 'help' });
    for (const name of [
      'WATCH_NAMESPACE',
      'POD_NAME',
      'POD_NAMESPACE',
      'LEASE_NAME',
      'NOTIFICATIONS_FILE',
      'ALERTS_TOKEN_FILE',
      'PORT',
      'LOG_LEVEL',
      'ACCEPT_UNGUARDED_APPROVALS',
      '--kubeconfig',
      '--test-notifications',
    ]) {
      expect(HELP).to.contain(name);
    }
  });
});
