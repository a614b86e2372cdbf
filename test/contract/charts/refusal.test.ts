/** Wrong values are refused before anything reaches a cluster, in words that name the value and what it may be. */
import { expect } from 'chai';
import { type Chart, chartFolder, helm, refusal, type Values } from './helm.ts';

const step = (weight: number, hold: string, checkEvery: string) => ({ weight, hold, checkEvery });
const schedule = (...steps: readonly object[]): Values => ({ rollout: { schedule: steps } });

const wrong: readonly (readonly [Chart, string, Values, RegExp])[] = [
  ['latchkey', 'an unknown value', { imgae: {} }, /additional properties 'imgae' not allowed/],
  ['latchkey', 'an unknown value further in', { image: { tgo: 'x' } }, /at '\/image': .*'tgo' not allowed/],
  [
    'latchkey',
    'a tag that YAML made a number of',
    { image: { tag: 1.1 } },
    /at '\/image\/tag': got number, want string/,
  ],
  [
    'latchkey',
    'a backup for nobody',
    { backup: { enabled: true } },
    /backup\.publicKey is needed: make a pair with `latchkey backup keygen`/,
  ],
  [
    'latchkey',
    'a private key as the public one',
    { backup: { publicKey: `lkkey_${'a'.repeat(43)}` } },
    /at '\/backup\/publicKey'/,
  ],
  [
    'latchkey',
    'an autoscaler beside a number',
    { autoscaling: { enabled: true } },
    /autoscaling\.enabled needs `replicas: null`/,
  ],
  ['latchkey', 'no pods', { replicas: 0 }, /at '\/replicas': minimum: got 0, want 1/],
  ['latchkey', 'an unknown environment', { config: { environment: 'prod' } }, /'development', 'staging', 'production'/],
  [
    'latchkey',
    'an unknown log level',
    { config: { logLevel: 'loud' } },
    /at '\/config\/logLevel': value must be one of/,
  ],
  ['latchkey', 'a proxy that is no network', { config: { trustProxy: ['envoy'] } }, /at '\/config\/trustProxy\/0'/],
  [
    'latchkey',
    'an auth service with a password in its address',
    { config: { authUpstream: { url: 'https://user:password@auth.internal' } } },
    /at '\/config\/authUpstream\/url'/,
  ],
  ['latchkey', 'a route without a Gateway', { route: { parentRefs: [] } }, /at '\/route\/parentRefs': minItems/],
  ['latchkey', 'a memory limit that is none', { resources: { limits: { memory: 'lots' } } }, /'lots' does not match/],
  [
    'latchkey',
    'a step without a hold',
    schedule({ weight: 100, checkEvery: '1m' }),
    /schedule\/0': missing property 'hold'/,
  ],
  [
    'latchkey',
    'a checkpoint that asks twice',
    schedule({
      ...step(100, '1h', '1m'),
      checkpoints: [{ name: 'go', job: { name: 'a' }, person: { role: 'on-call' } }],
    }),
    /schedule\/0\/checkpoints\/0': maxProperties/,
  ],
  [
    'latchkey',
    'a hold that is no duration',
    schedule(step(100, '30 min', '1m')),
    /schedule\/0\/hold': '30 min' does not match/,
  ],
  [
    'latchkey',
    'a weight above 100',
    schedule(step(101, '1m', '1s')),
    /schedule\/0\/weight': maximum: got 101, want 100/,
  ],
  ['latchkey', 'cheap hashes in production', { config: { bcryptCost: 6 } }, /bcryptCost': minimum: got 6, want 10/],
  [
    'latchkey',
    '60 steps',
    schedule(...Array.from({ length: 60 }, (_, index) => step(index + 41, '1m', '1s'))),
    /schedule': maxItems: got 60, want 20/,
  ],
  [
    'latchkey',
    'weights that fall',
    schedule(step(50, '1m', '1s'), step(25, '1m', '1s'), step(100, '1m', '1s')),
    /schedule\[1\]\.weight is 25, but the step before it has 50: weights must rise/,
  ],
  [
    'latchkey',
    'a schedule that never arrives',
    schedule(step(50, '1m', '1s')),
    /ends at weight 50: the last step must have weight 100/,
  ],
  [
    'latchkey',
    'checks rarer than the hold',
    schedule(step(100, '1h30m', '91m')),
    /schedule\[0\]\.checkEvery is 91m, longer than its hold of 1h30m/,
  ],
  [
    'latchkey',
    'a Prometheus without a scheme',
    { rollout: { prometheus: { address: 'prom:9090' } } },
    /prometheus\/address/,
  ],
  [
    'latchkey',
    'a cohort without a cookie',
    { rollout: { cohort: { enabled: true } } },
    /rollout\.cohort\.enabled needs the name of a cookie: set config\.cohortCookie/,
  ],
  ['latchkey', 'a cookie name with a semicolon', { config: { cohortCookie: 'a;b' } }, /at '\/config\/cohortCookie'/],
  ['latchkey-operator', 'an unknown value', { replica: 2 }, /additional properties 'replica' not allowed/],
  ['latchkey-operator', 'no operator', { replicas: 0 }, /at '\/replicas': minimum: got 0, want 1/],
  [
    'latchkey-operator',
    'several namespaces in one',
    { watchNamespace: 'a,b' },
    /at '\/watchNamespace': 'a,b' does not match/,
  ],
  ['latchkey-operator', 'an unknown log level', { logLevel: 'verbose' }, /at '\/logLevel': value must be one of/],
];

describe('values of the charts', () => {
  for (const [chart, what, values, message] of wrong) {
    it(`${chart} refuses ${what}`, async () => {
      expect(await refusal(chart, values)).to.match(message);
    });
  }

  it('null replicas are allowed: an autoscaler sets the number', async () => {
    const values = { replicas: null, rollout: { enabled: false } };
    const answer = await helm(['template', 'auth-api', chartFolder('latchkey')], values);
    expect(answer.stdout).not.to.match(/^ {2}replicas:/m);
  });

  for (const chart of ['latchkey', 'latchkey-operator'] as const) {
    it(`helm lint finds nothing in ${chart}`, async () => {
      const answer = await helm(['lint', '--strict', '--quiet', chartFolder(chart)]);
      expect(answer, answer.stderr + answer.stdout).to.include({ code: 0 });
    });
  }
});
