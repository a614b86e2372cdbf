/** What the API makes of an operator that is away, slow or talks nonsense: the last number holds, and one line of the log says so. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Log } from '../../../api/src/log.ts';
import { RolloutPercentage } from '../../../api/src/services/rollout-percentage.ts';
import { eventually } from '../../support/eventually.ts';

type Turn = (response: http.ServerResponse) => void;

const says =
  (body: string, status = 200): Turn =>
  (response) =>
    response.writeHead(status).end(body);
const percent = (percentage: unknown): Turn => says(JSON.stringify({ percentage }));

/** What goes wrong, and how. Each is asked for on a path of its own, after one good answer and before the next. */
const TROUBLES: Readonly<Record<string, Turn>> = {
  unknown: says('{"code":"unknown-rollout"}', 404),
  broken: says('', 500),
  'not-json': says('<html>'),
  'out-of-range': percent(101),
  'no-number': percent('30'),
  endless: (response) => {
    response.writeHead(200);
    response.write('x'.repeat(4_096));
  },
  silent: () => undefined,
  'cut-off': (response) => response.destroy(),
  moved: (response) => response.writeHead(302, { location: '/somewhere' }).end(),
};

describe('the rollout percentage', function () {
  this.timeout(30_000);
  const turns = new Map<string, Turn[]>();
  const server = http.createServer((request, response) => {
    const left = turns.get(request.url ?? '') ?? [];
    const next = left.length > 1 ? left.shift() : left[0];
    if (next === undefined) response.writeHead(410).end();
    else next(response);
  });
  const stops: (() => void)[] = [];
  const inTrouble = new Map<string, ReturnType<typeof follow>>();
  before((done) => void server.listen(0, '127.0.0.1', done));
  // All at once: each waits five seconds after a failure.
  before(() => {
    for (const [name, trouble] of Object.entries(TROUBLES))
      inTrouble.set(name, follow(`/${name}`, [percent(30), trouble, trouble, percent(40)]));
  });
  after((done) => {
    for (const stop of stops) stop();
    server.close(done);
    server.closeAllConnections();
  });

  const follow = (path: string, script: readonly Turn[]) => {
    turns.set(path, [...script]);
    const said: string[] = [];
    const note =
      (level: string) =>
      ({ percentage }: { readonly percentage: number }) =>
        void said.push(`${level} ${percentage}`);
    const { port } = server.address() as AddressInfo;
    const rollout = new RolloutPercentage({
      isFeatureEnabled: true,
      rolloutPercentage: 7,
      rolloutUrl: `http://127.0.0.1:${port}${path}`,
      log: { warn: note('warn'), info: note('info') } as unknown as Log,
    });
    stops.push(rollout.start());
    return {
      said,
      is: (share: number) => rollout.current().rolloutPercentage === share,
    };
  };

  for (const name of Object.keys(TROUBLES))
    it(`keeps its last value through an answer that is ${name}, says so once, and follows again`, async () => {
      const { is, said } = inTrouble.get(name) ?? follow('/nobody', []);
      await eventually('it follows again', 20_000, () => said.includes('info 40'));
      expect(said).to.deep.equal(['warn 30', 'info 40']);
      expect(is(40)).to.equal(true);
    });

  it('asks again at once where a replica does not lead, without a word', async () => {
    const standby = says('', 503);
    const startedMs = performance.now();
    const { said, is } = follow('/standby', [standby, standby, standby, percent(55)]);
    await eventually('the leader is found', 5_000, () => is(55));
    expect(performance.now() - startedMs).to.be.below(2_000);
    expect(said).to.deep.equal([]);
  });

  it('stays what the environment says without an address, and until the first answer', async () => {
    const { is } = follow('/nothing-yet', []);
    expect(is(7)).to.equal(true);
  });
});
