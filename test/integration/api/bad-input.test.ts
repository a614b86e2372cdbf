/**
 * Every endpoint of the document, with input that nobody should send: the answer is a refusal that names the field, or a success that the
 * document knows. Never a 5xx, never SQL, a stack, a secret or another tenant's existence. TEST_LONG=1 sends all of it, CI a share that moves
 * with the seed.
 */
import { expect } from 'chai';
import { type Answer, Api, PASSWORD, type RequestOptions, TEST_KEYS } from '../../support/api.ts';
import { type ExampleRequest, exampleRequests, fillPath } from '../../support/example-requests.ts';
import {
  NAUGHTY_BODIES,
  NAUGHTY_SEGMENTS,
  NAUGHTY_TYPES,
  NAUGHTY_VALUES,
  naughtyQueries,
} from '../../support/naughty.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const IS_LONG = process.env['TEST_LONG'] === '1';
const CI_REQUESTS = 6_000;
const CONCURRENCY = 12;

type Json = Readonly<Record<string, unknown>>;

/** One request, and the field that a refusal has to name. */
interface Attempt {
  readonly method: string;
  readonly path: string;
  readonly options: RequestOptions;
  /** Top-level field of the body, or parameter; undefined where the whole request is wrong. */
  readonly field?: string;
}

const ofFields = ({ method, path, body }: ExampleRequest): readonly Attempt[] => {
  if (body === undefined) return [];
  const at = (changed: Json, field: string): Attempt => ({ method, path, options: { body: changed }, field });
  const fields = Object.keys(body).flatMap((field) => [
    ...NAUGHTY_VALUES.map((value) => at({ ...body, [field]: value }, field)),
    at(Object.fromEntries(Object.entries(body).filter(([name]) => name !== field)), field),
  ]);
  const unknown = ['isAdmin', 'role', 'orgId', 'tenantId', 'emailVerified', 'toString', 'nobodyKnowsThis'];
  return [
    ...fields,
    ...unknown.filter((name) => !Object.hasOwn(body, name)).map((name) => at({ ...body, [name]: true }, name)),
  ];
};

const ofBodies = ({ method, path, body, spec }: ExampleRequest): readonly Attempt[] => {
  if (body === undefined && spec.rawBody === undefined) return [];
  const good = JSON.stringify(body ?? {});
  const send = (options: RequestOptions): Attempt => ({ method, path, options });
  return [
    ...NAUGHTY_BODIES.map((rawBody) => send({ rawBody })),
    ...NAUGHTY_TYPES.map((headers) => send({ rawBody: good, headers })),
    send({ rawBody: JSON.stringify({ x: 'x'.repeat(1_100_000) }) }),
  ];
};

const ofQueries = ({ method, path, query }: ExampleRequest): readonly Attempt[] =>
  ['q', ...Object.keys(query)].flatMap((name) =>
    naughtyQueries(name).map((text) => ({ method, path: `${path}?${text}`, options: {} })),
  );

const ofParams = ({ method, spec, params, options }: ExampleRequest): readonly Attempt[] =>
  Object.keys(params).flatMap((name) =>
    NAUGHTY_SEGMENTS.map((segment) => ({
      method,
      path: fillPath(spec.path, params, name, segment),
      options,
    })),
  );

/** Rightly accepted, it would close the service for the rest of the walk. */
const closesTheService = ({ path, options }: Attempt): boolean =>
  path.includes('/system-config/') && (JSON.stringify(options.body) ?? '').includes(':true');

const attempts = exampleRequests()
  .flatMap((each) => [...ofFields(each), ...ofBodies(each), ...ofQueries(each), ...ofParams(each)])
  .filter((attempt) => !closesTheService(attempt));

/** What no client may ever see, whatever it sent. */
const FORBIDDEN =
  /\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|UNION)\b|syntax error|relation "|column "|violates|invalid input syntax|\n\s+at |node_modules|\.ts:\d|ECONN|ZodError|password_hash|\$2[aby]\$|BEGIN (EC )?PRIVATE/;
const SECRETS = Object.values(TEST_KEYS).filter((text) => text.length > 10);

const isRefusal = ({ status }: Answer): boolean => status >= 400 && status < 500;

/** Why this answer is not one of ours. */
const faultOf = ({ field, options }: Attempt, answer: Answer): string | undefined => {
  const { status, text, body, headers } = answer;
  if (status >= 500) return `${status}`;
  if (status >= 300 && status < 400) return `a redirect to ${String(headers['location'])}`;
  if (SECRETS.some((secret) => text.includes(secret))) return 'a secret';
  if (!isRefusal(answer)) return undefined;
  if (FORBIDDEN.test(text)) return 'something from inside';
  const sent = JSON.stringify(options.body ?? '');
  if (sent.includes('<script>') && text.includes('<script>')) return 'an echo of markup';
  if (body['code'] !== 'invalid-request') return undefined;
  const named = (body['errors'] ?? []) as readonly {
    readonly field: string;
    readonly message: string;
  }[];
  if (named.length === 0) return 'a refusal that names no field';
  if (named.some(({ message }) => message === '')) return 'a refusal that does not say what is wrong';
  const isNamed = named.some((each) => each.field === field || each.field.startsWith(`${field}.`));
  return field === undefined || isNamed ? undefined : `a refusal that names ${named.map((each) => each.field).join()}`;
};

describe('bad input', function () {
  this.timeout(IS_LONG ? 900_000 : 120_000);
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const accountWithRole = async (slug: string): Promise<string> => {
    const email = await api.register(`${slug.replaceAll('_', '-')}-${Math.random().toString(36).slice(2)}@example.com`);
    await database.query(
      `INSERT INTO auth.user_roles (user_id, role_id)
       SELECT u.id, r.id FROM auth.users_extended u JOIN auth.roles r ON r.org_id = u.org_id AND r.slug = $2 WHERE u.email = $1
       ON CONFLICT DO NOTHING`,
      [email, slug],
    );
    return email;
  };

  /** Sends with a session that is renewed whenever something legitimate ended it. */
  const sender = (slug: string) => {
    let session = accountWithRole(slug).then((email) => api.login(email));
    return async ({ method, path, options }: Attempt): Promise<Answer> => {
      const current = session;
      const answer = await api.send(method, path, { ...options, bearer: (await current).accessToken });
      if (answer.status === 401 && session === current)
        session = accountWithRole(slug).then((email) => api.login(email));
      return answer;
    };
  };

  /** Every n-th attempt, beginning somewhere else in each run. */
  const share = (count: number): readonly Attempt[] => {
    if (IS_LONG || attempts.length <= count) return attempts;
    const step = attempts.length / count;
    const offset = Math.random() * step;
    return Array.from({ length: count }, (_, i) => attempts[Math.floor(offset + i * step)]).filter(
      (each) => each !== undefined,
    );
  };

  const walk = async (slug: string): Promise<readonly string[]> => {
    const send = sender(slug);
    const faults: string[] = [];
    const queue = [...share(CI_REQUESTS / 2)];
    const worker = async (): Promise<void> => {
      for (let attempt = queue.pop(); attempt !== undefined; attempt = queue.pop()) {
        const { method, path, options, field } = attempt;
        const described = `${method} ${path.slice(0, 120)} ${field ?? ''} ${JSON.stringify(options).slice(0, 200)}`;
        const fault = await send(attempt).then(
          (answer) => {
            const found = faultOf(attempt, answer);
            return found === undefined ? undefined : `${found}: ${answer.text.slice(0, 300)}`;
          },
          (error: unknown) => String(error),
        );
        if (fault !== undefined) faults.push(`${described} → ${fault}`);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return faults;
  };

  for (const slug of ['viewer', 'super_admin']) {
    it(`is refused at every endpoint, by name, from a ${slug}: never a 5xx, never something from inside`, async () => {
      const faults = await walk(slug);
      expect(faults, `${faults.length} faults:\n${faults.slice(0, 25).join('\n')}\n`).to.have.length(0);
    });
  }

  it('has hurt nobody: tables, roles and accounts are all there, and the next login works', async () => {
    const [counts] = await database.query(
      `SELECT (SELECT count(*)::int FROM information_schema.tables WHERE table_schema = 'auth') AS tables,
              (SELECT count(*)::int FROM public.organization o
                WHERE 5 <> (SELECT count(*) FROM auth.roles r WHERE r.org_id = o.id AND r.is_system_role)) AS hurt`,
    );
    expect(counts).to.deep.equal({ tables: 12, hurt: 0 });
    const email = await api.register();
    const { accessToken } = await api.login(email);
    const isPolluted = Object.hasOwn(Object.prototype, 'isAdmin');
    expect([(await api.me(accessToken)).status, isPolluted, PASSWORD.length > 0]).to.deep.equal([200, false, true]);
  });
});
