/**
 * Every way in which an auth service can fail, row by row (test/support/login-proxy-faults.ts), as a change and as a read, in staging and in
 * production: what the client is told, how often it was tried, how long it took, what was counted and logged, and what was kept secret.
 */
import { expect } from 'chai';
import { FAULTS } from '../../../api/src/core/upstream-faults.ts';
import {
  type AppEnv,
  type ProxyAnswer,
  type ProxyRequest,
  SERVICE_SECRET,
  startProxy,
  type TestProxy,
} from '../../support/login-proxy.ts';
import { FAULT_ROWS, type FaultRow } from '../../support/login-proxy-faults.ts';
import { fullBacklog, MisbehavingUpstream, refusingPort } from '../../support/misbehaving-upstream.ts';

const CONNECT_MS = 300;
const READ_MS = 500;
/** Of a deadline that a row does not wait for: no busy machine reaches it. */
const FAR_MS = 20_000;
/** Beside the deadlines: a busy machine, and the waits between attempts. */
const ROOM_MS = 8_000;

const REQUESTS = {
  change: {
    method: 'POST',
    path: '/api/auth/login',
    body: '{"email":"a@example.com","password":"Hidden-Horse-9-Staple"}',
  },
  read: { method: 'GET', path: '/api/auth/me', headers: { authorization: 'Bearer hidden-token' } },
} as const satisfies Readonly<Record<string, ProxyRequest>>;
type Kind = keyof typeof REQUESTS;
const KINDS = ['change', 'read'] as const satisfies readonly Kind[];

/** What no client may see, in whatever environment. */
const SECRETS = [SERVICE_SECRET, 'Hidden-Horse', 'hidden-token', 'SELECT secret'];

interface Trouble {
  readonly url: string;
  /** How many requests it heard; undefined where there is nobody to hear. */
  readonly heard: () => number | undefined;
  readonly close: () => Promise<void>;
}

const nobody = (url: string, close: () => Promise<void> = async () => undefined): Trouble => ({
  url,
  heard: () => undefined,
  close,
});

const start = async ({ fault }: FaultRow): Promise<Trouble> => {
  if (fault === 'refuses') return nobody(`http://127.0.0.1:${await refusingPort()}`);
  if (fault === 'full-backlog') {
    const { port, close } = await fullBacklog();
    return nobody(`http://127.0.0.1:${port}`, close);
  }
  const upstream = await MisbehavingUpstream.start(fault === 'no-handshake' ? () => undefined : fault);
  const close = () => upstream.close();
  if (fault === 'no-handshake') return nobody(`https://127.0.0.1:${upstream.port}`, close);
  return { url: `http://127.0.0.1:${upstream.port}`, heard: () => upstream.heard.length, close };
};

interface Seen {
  readonly answer: ProxyAnswer;
  readonly heard: number | undefined;
  readonly attempts: number;
  readonly counted: number;
  readonly logged: string;
  readonly port: string;
}

const walk = async (row: FaultRow, appEnv: AppEnv, kind: Kind): Promise<Seen> => {
  const trouble = await start(row);
  let proxy: TestProxy | undefined;
  try {
    proxy = await startProxy({
      upstreamUrl: `${trouble.url}/api/v1/auth`,
      appEnv,
      env: {
        AUTH_UPSTREAM_CONNECT_TIMEOUT_MS: String(row.waitsFor === 'connect' ? CONNECT_MS : FAR_MS),
        AUTH_UPSTREAM_READ_TIMEOUT_MS: String(row.waitsFor === 'read' ? READ_MS : FAR_MS),
      },
    });
    const answer = await proxy.send(REQUESTS[kind]);
    return {
      answer,
      heard: trouble.heard(),
      attempts: await proxy.metric('auth_upstream_attempts_total'),
      counted: await proxy.metric('auth_upstream_requests_total', `category="${row.category}"`),
      logged: proxy.logged.join(''),
      port: new URL(trouble.url).port,
    };
  } finally {
    await proxy?.close();
    await trouble.close();
  }
};

const expectAnswer = (row: FaultRow, { answer }: Seen): void => {
  expect(answer.status).to.equal(row.status);
  if (row.code !== undefined) expect(answer.body['code']).to.equal(row.code);
  if (row.retryAfterSeconds !== undefined)
    expect(answer.headers['retry-after']).to.equal(String(row.retryAfterSeconds));
  if (row.status === 503) expect(answer.headers['retry-after']).to.match(/^\d+$/);
  if (row.category !== 'answered') expect(answer.headers['content-type']).to.match(/^application\/problem\+json/);
};

const expectAttempts = (row: FaultRow, { attempts, heard, counted }: Seen, expected: number): void => {
  expect(attempts, 'attempts').to.equal(expected);
  if (heard !== undefined) expect(heard, 'requests that it heard').to.equal(expected);
  expect(counted, `requests counted as ${row.category}`).to.equal(1);
};

const expectInTime = ({ waitsFor }: FaultRow, { answer: { tookMs } }: Seen, attempts: number): void => {
  const deadlineMs = waitsFor === 'connect' ? CONNECT_MS : waitsFor === 'read' ? READ_MS : 0;
  expect(tookMs, 'no earlier than its deadline').to.be.at.least(attempts * deadlineMs * 0.9);
  expect(tookMs, 'in time').to.be.below(attempts * deadlineMs + ROOM_MS);
};

const expectNoSecret = ({ answer, logged }: Seen): void => {
  const shown = `${JSON.stringify(answer.headers)}${answer.text}`;
  const hidden = SECRETS.filter(
    (secret) => logged.includes(secret) || (shown.includes(secret) && answer.status >= 500),
  );
  expect(hidden, 'secrets shown or logged').to.deep.equal([]);
};

/** What the auth service says to the user is the user's; everything else is our own words. */
const expectDiscreet = ({ category }: FaultRow, { answer, port }: Seen): void => {
  if (category === 'answered') return;
  expect(answer.body).not.to.have.any.keys('detail', 'suggestions');
  const shown = `${JSON.stringify(answer.headers)}${answer.text}`;
  for (const word of ['127.0.0.1', `:${port}`, '10.1.2.3', 'ECONN', 'latchkey-proxy'])
    expect(shown).not.to.include(word);
};

const expectExplained = ({ category }: FaultRow, { answer, port }: Seen): void => {
  if (category === 'answered' || category === 'rate-limited') return;
  expect(answer.body['detail'])
    .to.include(category)
    .and.to.include(`127.0.0.1:${port}`)
    .and.to.match(/attempt\(s\)/);
  expect(answer.body['suggestions']).to.deep.equal(FAULTS[category].suggestions).and.not.to.be.empty;
};

/** One line for what is no word to the user; what the question in the background says is its own. */
const expectLogged = ({ category, status }: FaultRow, { logged }: Seen): void => {
  const lines = logged
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => msg === 'request failed');
  expect(lines).to.have.length(status < 500 ? 0 : 1);
  if (status >= 500 && category !== 'answered')
    expect(lines[0]).to.include({ category: 'dependency', code: FAULTS[category].code });
};

describe('the login proxy before an auth service that', function () {
  this.timeout(60_000);

  for (const row of FAULT_ROWS)
    it(`${row.does}: ${row.status} ${row.code ?? ''}`, async () => {
      const walks = KINDS.flatMap((kind) => (['staging', 'production'] as const).map((appEnv) => ({ kind, appEnv })));
      await Promise.all(
        walks.map(async ({ kind, appEnv }) => {
          const seen = await walk(row, appEnv, kind);
          const attempts = appEnv === 'staging' ? row[kind] : 1;
          try {
            expectAnswer(row, seen);
            expectAttempts(row, seen, attempts);
            expectInTime(row, seen, attempts);
            expectNoSecret(seen);
            expectLogged(row, seen);
            if (appEnv === 'production') expectDiscreet(row, seen);
            else expectExplained(row, seen);
          } catch (error) {
            throw new Error(
              `a ${kind} in ${appEnv}: ${error instanceof Error ? error.message : ''} ${seen.answer.status} ${seen.answer.text}`,
              { cause: error },
            );
          }
        }),
      );
    });
});
