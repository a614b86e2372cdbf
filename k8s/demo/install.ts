// Installs the product as its users would: secrets with kubectl, both charts with Helm. Called by demo.ts and by the
// end-to-end tests; what runs afterwards is seen through record.ts.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { LocalClusterError, reasonOf } from '../local/failure.ts';
import type { Kubectl } from './kubectl.ts';
import type { Place } from './place.ts';
import type { ScheduleStep } from './record.ts';

export const names = {
  namespace: 'auth',
  release: 'auth-api',
  operatorNamespace: 'latchkey-system',
  operatorRelease: 'latchkey-operator',
  rule: 'api',
} as const;

const apiChart = fileURLToPath(new URL('../../charts/latchkey', import.meta.url));
const operatorChart = fileURLToPath(new URL('../../charts/latchkey-operator', import.meta.url));
/** Only what carries this label is ever deleted in a cluster of the user. */
const madeLabel = { 'latchkey.dev/made-by': 'demo' } as const;
export const madeHere = `latchkey.dev/made-by=${madeLabel['latchkey.dev/made-by']}`;
const helmDeadlineMs = 180_000;
const databaseDeadlineMs = 15_000;
const availableWithinS = 90;

/** What an image is called in the charts' values. */
export interface ImageName {
  readonly repository: string;
  readonly tag: string;
}

/** Values of a chart, as Helm reads them. */
export type Values = Readonly<Record<string, unknown>>;

/** Installs or upgrades the operator and returns when it is available. */
export async function installOperator(place: Place, image: ImageName, values: Values = {}): Promise<void> {
  const { operatorNamespace, operatorRelease } = names;
  await ensureNamespace(place, operatorNamespace);
  const where = ['--namespace', operatorNamespace];
  const before = await place.kubectl.run([
    'get',
    'deployment',
    operatorRelease,
    ...where,
    '--ignore-not-found',
    '-o',
    'name',
  ]);
  const all = { image: { ...image, pullPolicy: 'IfNotPresent' }, ...values };
  await helmUpgrade(place, { release: operatorRelease, chart: operatorChart, namespace: operatorNamespace }, all);
  // The image may have been built anew under the same tag, which changes no template and so would start no pod.
  if (before !== '') await place.kubectl.run(['rollout', 'restart', `deployment/${operatorRelease}`, ...where]);
  await untilAvailable(place.kubectl, operatorNamespace, operatorRelease);
}

/** @throws LocalClusterError CLUSTER_UNHEALTHY with the pods' states and their last words */
export async function untilAvailable(kubectl: Kubectl, namespace: string, deployment: string): Promise<void> {
  const where = ['--namespace', namespace];
  const timeout = `--timeout=${availableWithinS}s`;
  const bounds = { timeoutMs: (availableWithinS + 10) * 1000 };
  try {
    await kubectl.run(['rollout', 'status', `deployment/${deployment}`, ...where, timeout], bounds);
  } catch (cause) {
    const logs = ['logs', `deployment/${deployment}`, ...where, '--all-containers', '--tail=15'];
    const states = await kubectl.run(['get', 'pods', ...where]).catch(reasonOf);
    const words = await kubectl.run([...logs, '--previous']).catch(() => kubectl.run(logs).catch(reasonOf));
    throw new LocalClusterError('CLUSTER_UNHEALTHY', `${deployment} does not become available.\n${states}\n${words}`, {
      cause,
    });
  }
}

/** The namespace, the database and the Secret that the chart expects to exist. */
export async function prepareApi(place: Place, namespace: string = names.namespace): Promise<void> {
  await ensureNamespace(place, namespace);
  const urls = await createDatabase(place.postgresUrl, `latchkey_${namespace.replaceAll('-', '_')}`);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: names.release, namespace },
    stringData: {
      DATABASE_URL: urls.app,
      MIGRATION_DATABASE_URL: urls.owner,
      JWT_PRIVATE_KEY: privateKey.export({ format: 'pem', type: 'pkcs8' }),
      REFRESH_TOKEN_KEY: randomBytes(32).toString('base64'),
      PASSWORD_PEPPER: randomBytes(32).toString('base64'),
      ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      ...(place.redisUrl === undefined ? {} : { REDIS_URL: place.redisUrl }),
    },
  };
  await place.kubectl.apply([secret]);
}

/** Values for the API's chart: everything but the image, which `upgradeApi` names each time. */
export function apiValues(place: Place, schedule: readonly ScheduleStep[]) {
  return {
    config: {
      exposeVersion: true,
      logLevel: 'warn',
      // The least that production allows: two cores that also run the cluster cannot spare 250 ms a hash, and the API
      // then sheds logins (503), which is right and not what the demo measures.
      bcryptCost: 10,
      // All of k6 comes from one address: the limit of one client must not be what the demo measures.
      rateLimitPerMinute: 1_000_000,
      // k6 reads no mail.
      emailVerification: 'optional',
    },
    route: { parentRefs: [{ ...place.gateway, group: 'gateway.networking.k8s.io', kind: 'Gateway' }] },
    rollout: {
      enabled: true,
      schedule,
      prometheus: { address: place.prometheusUrl },
    },
  };
}

/** `helm upgrade --install` of the API; the first call of a namespace gives all values, later ones what changes. */
export async function upgradeApi(
  place: Place,
  image: ImageName,
  values: Values = {},
  namespace: string = names.namespace,
): Promise<void> {
  await helmUpgrade(place, { release: names.release, chart: apiChart, namespace }, { image, ...values });
}

interface Release {
  readonly release: string;
  readonly chart: string;
  readonly namespace: string;
}

async function helmUpgrade(place: Place, release: Release, values: Values): Promise<void> {
  const where = ['--install', release.release, release.chart, '--namespace', release.namespace];
  await place.helm(['upgrade', ...where, '--reset-then-reuse-values', '--values', '-'], {
    input: JSON.stringify(values),
    timeoutMs: helmDeadlineMs,
  });
}

/** Removes what an earlier run left; rollouts first, since they have a finalizer and the operator must still see them. */
export async function removeNamespace({ kubectl }: Place, name: string): Promise<void> {
  const bounds = { timeoutMs: 90_000 };
  const exists = await kubectl.run(['get', 'namespace', name, '--ignore-not-found', '-o', 'name']);
  if (exists === '') return;
  await kubectl.run(['delete', 'authrollout', '--all', '-n', name, '--timeout=80s'], bounds);
  await kubectl.run(['delete', 'namespace', name, '--timeout=80s'], bounds);
}

/** @throws LocalClusterError CONTEXT_INCOMPLETE when somebody else's namespace has the name: the end would delete it */
async function ensureNamespace({ kubectl, images }: Place, name: string): Promise<void> {
  const found = await kubectl.run(['get', 'namespace', name, '--ignore-not-found', '-o', 'name']);
  const ours = await kubectl.run(['get', 'namespace', '-l', madeHere, '-o', 'name']);
  if (images !== 'local' && found !== '' && !ours.split('\n').includes(`namespace/${name}`)) {
    const message = `The namespace ${name} is there and the demo did not make it: rename or remove it, or use another cluster.`;
    throw new LocalClusterError('CONTEXT_INCOMPLETE', message);
  }
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: madeLabel } }]);
}

/** The group whose members may use the schema; db.ts makes it too where an installation has an owner that may. */
const groupRole = 'latchkey_app';

/** A database with an owner for migrations and a login for the API; passwords are new each time. */
async function createDatabase(adminUrl: string, database: string): Promise<{ owner: string; app: string }> {
  const owner = { role: `${database}_owner`, password: randomBytes(18).toString('hex') };
  const app = { role: `${database}_api`, password: randomBytes(18).toString('hex') };
  const bound = { connectionTimeoutMillis: databaseDeadlineMs, query_timeout: databaseDeadlineMs };
  const admin = new Client({ connectionString: adminUrl, ...bound });
  await admin.connect();
  try {
    await ensureRole(admin, groupRole, 'NOLOGIN');
    for (const { role, password } of [owner, app]) {
      // The owner's first migration says CREATE ROLE, which is refused without the right even when the role is there.
      const right = role === owner.role ? 'CREATEROLE' : 'NOCREATEROLE';
      await ensureRole(admin, role, `LOGIN ${right} PASSWORD ${escapeLiteral(password)}`);
      // With the right to grant it on, since the owner's migration does that for the API's login.
      await admin.query(
        `GRANT ${groupRole} TO ${escapeIdentifier(role)}${role === owner.role ? ' WITH ADMIN OPTION' : ''}`,
      );
    }
    const exists = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (exists.rowCount === 0) {
      await admin.query(`CREATE DATABASE ${escapeIdentifier(database)} OWNER ${escapeIdentifier(owner.role)}`);
    }
  } finally {
    await admin.end();
  }
  return { owner: databaseUrl(adminUrl, database, owner), app: databaseUrl(adminUrl, database, app) };
}

async function ensureRole(admin: Client, role: string, attributes: string): Promise<void> {
  const known = await admin.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
  await admin.query(`${known.rowCount === 0 ? 'CREATE' : 'ALTER'} ROLE ${escapeIdentifier(role)} ${attributes}`);
}

interface Login {
  readonly role: string;
  readonly password: string;
}

function databaseUrl(adminUrl: string, database: string, { role, password }: Login): string {
  const url = new URL(adminUrl);
  url.username = role;
  url.password = password;
  url.pathname = `/${database}`;
  return url.href;
}
