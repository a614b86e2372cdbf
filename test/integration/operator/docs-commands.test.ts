/**
 * The kubectl, helm and plugin commands of the documentation, typed as they stand there on the real apiserver, in the states of a rollout in which
 * a reader would type them; the namespace is the scene's. Which commands: test/support/page-runs.ts.
 */
import { expect } from 'chai';
import { endJob } from '../../support/jobs.ts';
import type { PageCommand } from '../../support/page-commands.ts';
import { commandsOf, placeOf } from '../../support/page-runs.ts';
import { isAsShown, openShell, type Said, type Shell } from '../../support/page-shell.ts';
import { Scene } from '../../support/rollout-scene.ts';

const ROLLOUTS = '/apis/latchkey.dev/v1alpha1';
/** A reader's own verdict, not a failure of the command: `status` and `retry` say by it what is waited for. */
const VERDICTS = /authrollout (status|retry)/;

/** Commands of one state of the rollout, in the order in which each finds what it needs. */
interface State {
  readonly name: string;
  readonly commands: readonly RegExp[];
}

const INSTALLED: State = {
  name: 'of a new installation',
  commands: [
    /create namespace/,
    /^helm template/,
    /apply --server-side -f k8s/,
    /--raw '\/readyz/,
    /whoami$/,
    /authrollout plan -f/,
    /approvalNeeded}'$/,
    /approve .*--as on-call/,
    /create -f - <</,
    /get rappr/,
    /cohort-stable/,
  ],
};
const ASKED: State = {
  name: 'before a checkpoint',
  commands: [/CheckpointPending/, /delete job/, /refuse .*--checkpoint/, /approve .*--checkpoint/],
};
const ADOPTED: State = {
  name: 'of a rollout at rest',
  commands: [/condition=Ready/, /create rolebinding/, /can-i/, /get deploy/],
};
const UNDER_WAY: State = {
  name: 'of a run at half of the traffic',
  commands: [
    /CohortProgrammed/,
    /authrollout (list|status|history|records|verify|replay|diff)|get |events /,
    /complain/,
    /set-weight/,
    /"maxWeight":10\}/,
    /authrollout abort/,
    /"maxWeight":0\}/,
    /authrollout retry/,
    /authrollout pause/,
    /"paused":true/,
  ],
};
const STATES = [INSTALLED, ASKED, ADOPTED, UNDER_WAY];

const all = commandsOf('apiserver');
const stateOf = ({ text }: PageCommand): State | undefined =>
  STATES.find(({ commands }) => commands.some((command) => command.test(text)));
/** Those of a state that fit one of its commands; what several pages show, and none shows the output of, once. */
const fitting = (state: State, command: RegExp): readonly PageCommand[] => {
  const found = all.filter(
    (each) => stateOf(each) === state && state.commands.find((one) => one.test(each.text)) === command,
  );
  return found.filter(
    ({ text, output }, index) => output !== '' || found.findIndex((each) => each.text === text) === index,
  );
};

class Reader {
  readonly faults: string[] = [];
  readonly #scene: Scene;
  readonly #shell: Shell;

  constructor(scene: Scene, shell: Shell) {
    this.#scene = scene;
    this.#shell = shell;
  }

  /** In the scene's namespace, and without what the page leaves to a tool of the reader's. */
  #typed(text: string): string {
    return text
      .replaceAll(/(-n|--namespace) auth\b/g, `$1 ${this.#scene.namespace}`)
      .replace(/ \| jq .*$/, '')
      .replace('apply --server-side', 'apply --server-side --force-conflicts'); // another test brought the definitions, by other means
  }

  async #say(text: string): Promise<Said> {
    if (!/ (-w|--watch)$/.test(text)) return await this.#shell.run(text);
    const begun = await this.#shell.begin(text, /\n/);
    await begun.end();
    return begun;
  }

  async type(command: PageCommand): Promise<void> {
    const { code, out, err } = await this.#say(this.#typed(command.text));
    const said = out.replaceAll(this.#scene.namespace, 'auth');
    const isGood = code === 0 || (VERDICTS.test(command.text) && (code === 3 || code === 4));
    if (!isGood) this.faults.push(`${placeOf(command)}\n  exit code ${code}: ${err}${said}`);
    else if (!/--watch/.test(command.text) && !isAsShown(command.output, said))
      this.faults.push(`${placeOf(command)}\n  shows: ${command.output}\n  says:  ${said}`);
  }

  async typeAll(state: State, then: (command: RegExp) => Promise<void> = async () => {}): Promise<void> {
    for (const command of state.commands) {
      for (const each of fitting(state, command)) await this.type(each);
      await then(command);
    }
  }
}

describe('the commands of the documentation', function () {
  this.timeout(120_000);
  let scene: Scene;
  let shell: Shell | undefined;

  const readerOf = async (options: Parameters<typeof Scene.create>[0]): Promise<Reader> => {
    scene = await Scene.create(options);
    shell = await openShell(scene.server.kubeconfig());
    await shell.run(`kubectl config set-context --current --namespace ${scene.namespace}`);
    return new Reader(scene, shell);
  };
  afterEach(() => shell?.close());

  it('each belong to a state of a rollout', () => {
    expect(all.filter((command) => stateOf(command) === undefined).map(placeOf)).to.deep.equal([]);
    expect(all.length).to.be.above(50);
  });

  it(`${INSTALLED.name} do what the pages say`, async () => {
    const reader = await readerOf({});
    scene.workloads.requestsPerSecond = 2_000; // enough for 5 % of it to be evidence
    await makeManifest();
    await reader.typeAll(INSTALLED, async (command) => {
      if (command.source.includes('whoami')) await untilCounted();
      if (command.source.includes('plan')) await playZeroed();
      if (command.source.includes('rappr')) await likeTheChart();
    });
    // It has rights now that other tests of this process expect not to be there.
    await scene.server.request('DELETE', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/latchkey-operator');
    expect(reader.faults).to.deep.equal([]);
    const rules = (await scene.route()).spec.rules.map(({ name }) => name);
    expect(rules, 'the cohort has no rules of its own any more').to.deep.equal(['api']);
  });

  it(`${ASKED.name} do what the pages say`, async () => {
    const checkpoints = [
      { name: 'schema', job: { name: 'verify-0021' } },
      { name: 'go-live', person: { role: 'team-lead' } },
    ];
    const schedule = [
      { weight: 25, hold: '1s', checkEvery: '1s' },
      { weight: 50, hold: '10m', checkEvery: '1s', checkpoints },
      { weight: 100, hold: '10m', checkEvery: '1s' },
    ];
    const reader = await readerOf({ schedule });
    const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'verify-0021' }, spec: JOB };
    await shell?.write('verify-0021.yaml', JSON.stringify(job));
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await reader.typeAll(ASKED, async (command) => {
      if (!command.source.includes('delete job')) return;
      await endJob(scene.server, scene.namespace, { name: 'verify-0021', how: 'Complete' });
      await scene.until(
        'a person is wanted',
        30_000,
        ({ status }) => status.lastDecision?.reason === 'CheckpointNeedsPerson',
      );
    });
    expect(reader.faults).to.deep.equal([]);
  });

  it(`${ADOPTED.name}, and ${UNDER_WAY.name}, do what the pages say`, async () => {
    const schedule = [
      { weight: 10, hold: '1s', checkEvery: '1s' },
      { weight: 50, hold: '10m', checkEvery: '1s' },
      { weight: 100, hold: '10m', checkEvery: '1s' },
    ];
    const reader = await readerOf({ schedule, spec: { cohort: { cookie: 'lk_bucket' } } });
    scene.operator();
    await scene.adopted();
    await reader.typeAll(ADOPTED);
    await scene.release('v2');
    await scene.holdsAt(50);
    await acceptRoute();
    for (const [name, p1] of [
      ['old', 0.01],
      ['new', 0.02],
    ] as const)
      await shell?.write(`${name}.yaml`, JSON.stringify({ matrix: { errorRate: { p1 } } }));
    await shell?.run('kubectl authrollout records auth-api > records.jsonl');
    await reader.typeAll(UNDER_WAY, async (command) => {
      if (command.source === 'set-weight') await scene.holdsAt(10);
    });
    expect(reader.faults).to.deep.equal([]);
  });

  const JOB = {
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'verify', image: 'latchkey/verify:1' }] } },
  };

  /** What somebody is about to apply. */
  async function makeManifest(): Promise<void> {
    const spec = {
      targetRef: { name: 'auth-api' },
      route: { httpRoute: 'auth-api', rule: 'api' },
      metrics: { prometheus: { address: scene.prometheus.address } },
    };
    const manifest = { apiVersion: 'latchkey.dev/v1alpha1', kind: 'AuthRollout', metadata: { name: 'auth-api' }, spec };
    await shell?.write('rollout.yaml', JSON.stringify(manifest));
  }

  async function untilCounted(): Promise<void> {
    await scene.until('requests were counted', 20_000, () =>
      scene.workloads.podsOf('auth-api').some((pod) => [...pod.series.values()].some((count) => count > 1_000)),
    );
  }

  /** No operator runs here: the status is written as it would write it after a P1. */
  async function playZeroed(): Promise<void> {
    const approvalNeeded = { role: 'on-call', stepIndex: 0, since: new Date().toISOString() };
    const status = { phase: 'Zeroed', revision: '0123456789', approvalNeeded };
    const path = `${ROLLOUTS}/namespaces/${scene.namespace}/authrollouts/auth-api/status`;
    await scene.server.request('PATCH', path, { status }, 'application/merge-patch+json');
  }

  /** The chart's one rule, and behind it those of a cohort as the operator writes them. */
  async function likeTheChart(): Promise<void> {
    const rule = (await scene.route()).spec.rules.find(({ name }) => name === 'api');
    const names = ['api', 'latchkey-cohort-canary', 'latchkey-cohort-stable'];
    await scene.patchRoute([{ op: 'replace', path: '/spec/rules', value: names.map((name) => ({ ...rule, name })) }]);
  }

  /** What a gateway's controller writes. */
  async function acceptRoute(): Promise<void> {
    const { metadata } = await scene.route();
    const accepted = {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: '',
      observedGeneration: metadata['generation'],
      lastTransitionTime: new Date().toISOString(),
    };
    const parents = [{ controllerName: 'example.com/gateway', parentRef: { name: 'gateway' }, conditions: [accepted] }];
    const path = `/apis/gateway.networking.k8s.io/v1/namespaces/${scene.namespace}/httproutes/auth-api/status`;
    await scene.server.request('PATCH', path, { status: { parents } }, 'application/merge-patch+json');
  }
});
