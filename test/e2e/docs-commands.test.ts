// The commands of the documentation that need pods, typed as they stand in the pages on the real cluster; names are the installation's. Which
// commands: test/support/page-runs.ts.
import { join } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { names, untilAvailable } from '../../k8s/demo/install.ts';
import { statusOf } from '../../k8s/demo/traffic.ts';
import { commandsOf, placeOf } from '../support/page-runs.ts';
import { openShell, type Said, type Shell } from '../support/page-shell.ts';
import { host, namespace, rolloutDeadlineMs, useInstallation } from './installation.ts';
import { untilLeader } from './operator-pods.ts';
import { areSettled, podsOf } from './pod-process.ts';
import { untilTrue } from './until.ts';

const all = commandsOf('cluster');
const shown = all.filter(({ kind }) => kind !== 'promql');
/** What restarts the operator, or needs what such a restart brings. */
const SWITCHES = /latchkey-(alerts|notifications)|openssl|--test-notifications/;
/** Of what does not happen in a healthy installation, or not in every one. */
const MAY_BE_EMPTY = /error_type|5\.\.|auth_upstream|latchkey_notifications|Progressing/;
/** A verdict that an exit code 1 stands for, and what then is said. */
const VERDICTS: readonly (readonly [command: RegExp, says: RegExp])[] = [
  [/latchkey doctor/, /^\d+ checks: \d+ fail, /m],
  [/--test-notifications/, /^pager \(webhook\): failed: \w+$/m],
];
const answerShape = z.object({ status: z.literal('success'), data: z.object({ result: z.array(z.unknown()) }) });

describe('the commands of the documentation', function () {
  this.timeout(rolloutDeadlineMs);
  const installation = useInstallation();
  let shell: Shell;
  let localPort: number;

  before(async () => {
    shell = await openShell(installation().cluster.kubeconfig);
    localPort = await freePort();
    // Nobody listens there, in the pod: a channel that fails is one that was tried.
    const channels = [{ kind: 'webhook', name: 'pager', url: 'https://127.0.0.1:9/', secret: 'x'.repeat(32) }];
    await shell.write('notifications.json', JSON.stringify({ channels }));
  });
  after(() => shell?.close());

  /** With the names of this installation. A search that finds nothing has searched. */
  const typed = async (text: string): Promise<string> => {
    const { place } = installation();
    const [pod] = await podsOf(place.kubectl, namespace, 'latchkey.dev/track=stable');
    const searching = text.includes(' logs ') ? text.replace(/\| (grep .*)$/, '| { $1 || true; }') : text;
    return searching
      .replaceAll(/(-n|namespaces\/)([ /]?)auth\b(?!-)/g, `$1$2${namespace}`)
      .replace('https://auth.example.com', `-H 'host: ${host}' ${place.gatewayUrl}`)
      .replace('/POD:', `/${pod?.name}:`)
      .replace(' 3000 &', ` ${localPort}:3000`);
  };
  const say = async (text: string): Promise<Said> => {
    const line = await typed(text);
    if (!line.includes('port-forward')) return await shell.run(line);
    const begun = await shell.begin(line, /Forwarding from/);
    const status = await statusOf(`http://127.0.0.1:${localPort}/api/health/auth`, 'localhost');
    await begun.end();
    return { ...begun, code: status === 200 ? begun.code : status };
  };
  const faultsOf = async (commands: typeof all): Promise<readonly string[]> => {
    const faults: string[] = [];
    for (const command of commands) {
      const { code, out, err } = await say(command.text);
      const verdict = VERDICTS.find(([text]) => text.test(command.text))?.[1];
      if (code !== 0 && !(code === 1 && verdict?.test(out) === true))
        faults.push(`${placeOf(command)}\n  exit code ${code}: ${err}${out.slice(-500)}`);
    }
    return faults;
  };

  it('look at pods, logs, addresses and rights as the pages say', async () => {
    const looks = shown.filter(({ text }) => !SWITCHES.test(text));
    expect(looks.length).to.be.above(12);
    // kubectl asks one pod after the other for its log, and fails for one that left meanwhile.
    const { kubectl } = installation().place;
    await untilTrue('no pod is on its way out', 120_000, () => areSettled(kubectl, namespace));
    expect(await faultsOf(looks)).to.deep.equal([]);
    expect(installation().recorder.record.weight, 'the route was written by hand as it was').to.equal(0);
  });

  it('switch alerts and notifications on', async () => {
    const { place } = installation();
    const { kubectl } = place;
    const { operatorNamespace, operatorRelease } = names;
    const switches = shown.filter(({ text }) => SWITCHES.test(text));
    const isTrial = ({ text }: (typeof all)[number]): boolean => text.includes('--test-notifications');
    try {
      expect(await faultsOf(switches.filter((command) => !isTrial(command)))).to.deep.equal([]);
      await untilAvailable(kubectl, operatorNamespace, operatorRelease);
      expect(await faultsOf(switches.filter(isTrial))).to.deep.equal([]);
    } finally {
      const off = ['alerts', 'notifications'].flatMap((value) => ['--set', `${value}.existingSecret=`]);
      const chart = join(shell.folder, 'charts', operatorRelease);
      const where = [operatorRelease, chart, '--namespace', operatorNamespace];
      await place.helm(['upgrade', ...where, '--reuse-values', ...off], { timeoutMs: 60_000 });
      const secrets = ['secret', 'latchkey-alerts', 'latchkey-notifications'];
      await kubectl.run(['delete', ...secrets, '--namespace', operatorNamespace, '--ignore-not-found']);
      await untilAvailable(kubectl, operatorNamespace, operatorRelease);
      await untilLeader(kubectl, () => true);
    }
  });

  it('ask Prometheus for what an installation has', async () => {
    const { prometheusUrl } = installation().place;
    const queries = all.filter(({ kind }) => kind === 'promql');
    expect(queries.length).to.be.above(15);
    for (const command of queries) {
      const query = command.text.replaceAll('namespace="auth"', `namespace="${namespace}"`);
      const answer = await fetch(`${prometheusUrl}/api/v1/query?query=${encodeURIComponent(query)}`, {
        signal: AbortSignal.timeout(5_000),
      });
      const { data } = answerShape.parse(await answer.json());
      if (!MAY_BE_EMPTY.test(query)) expect(data.result, placeOf(command)).to.not.deep.equal([]);
    }
  });
});
