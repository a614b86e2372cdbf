/**
 * What happens to which endpoint while a part is away: the table of docs/degraded-modes.md, as data. test/integration/api/degraded.test.ts walks
 * over every endpoint in every mode; test/contract/api/degraded-modes.test.ts holds the page against it.
 */
import type { EndpointSpec } from '../../api/src/http/endpoint.ts';
import type { Answer } from './api.ts';

export const MODES = ['Redis down', 'PostgreSQL down', 'PostgreSQL read-only', 'SMTP down'] as const;
export type Mode = (typeof MODES)[number];

interface Behaviour {
  readonly says: string;
  readonly holds: (answer: Answer) => boolean;
}

export interface EndpointClass {
  readonly name: string;
  readonly has: (spec: EndpointSpec) => boolean;
  readonly behaviour: Readonly<Record<Mode, Behaviour>>;
}

const refusesFor = (code: string) => (answer: Answer) => answer.status === 503 && answer.body['code'] === code;
const isRefusal = ({ status }: Answer): boolean => status >= 400 && status < 500;

const asEver: Behaviour = { says: 'as ever', holds: ({ status }) => status < 500 && status !== 401 };
/** The walk's own tokens are examples, which no server has made. */
const asEverForAnybody: Behaviour = { says: 'as ever', holds: ({ status }) => status < 500 };
const slower: Behaviour = { ...asEver, says: 'as ever, from PostgreSQL' };
const mailWaits: Behaviour = { ...asEverForAnybody, says: 'as ever; the mail waits in the outbox' };
const unavailable: Behaviour = { says: '503 `database-unavailable`', holds: refusesFor('database-unavailable') };
const isReadOnly = refusesFor('database-read-only');

export const CLASSES: readonly EndpointClass[] = [
  {
    name: 'The contract and the public keys',
    has: ({ isStatic = false }) => isStatic,
    behaviour: {
      'Redis down': asEver,
      'PostgreSQL down': asEver,
      'PostgreSQL read-only': asEver,
      'SMTP down': asEver,
    },
  },
  {
    name: '`validate`',
    has: ({ path }) => path === '/api/v1/auth/validate',
    behaviour: {
      'Redis down': slower,
      'PostgreSQL down': {
        says: '200 for a session that was seen live within the last second, else 503 `database-unavailable`',
        holds: (answer) => answer.status === 200 || refusesFor('database-unavailable')(answer),
      },
      'PostgreSQL read-only': asEver,
      'SMTP down': asEver,
    },
  },
  {
    name: 'Reads of one’s own account',
    has: ({ method, access }) => method === 'get' && (access === 'session' || access === 'recent-session'),
    behaviour: {
      'Redis down': slower,
      'PostgreSQL down': unavailable,
      'PostgreSQL read-only': asEver,
      'SMTP down': asEver,
    },
  },
  {
    name: 'Reads that need a permission',
    has: ({ method, access }) => method === 'get' && typeof access === 'object',
    behaviour: {
      'Redis down': slower,
      'PostgreSQL down': unavailable,
      'PostgreSQL read-only': {
        says: '503 `database-read-only`: who read what could not be written down',
        holds: isReadOnly,
      },
      'SMTP down': asEver,
    },
  },
  {
    name: 'Questions of other services',
    has: ({ access }) => access === 'service',
    behaviour: {
      'Redis down': { ...slower, says: 'as ever; repeated requests are found by each process for itself' },
      'PostgreSQL down': {
        says: 'as ever for what is no token of ours, else 503 `database-unavailable`',
        holds: (answer) => answer.status === 200 || refusesFor('database-unavailable')(answer),
      },
      'PostgreSQL read-only': asEver,
      'SMTP down': asEver,
    },
  },
  {
    name: 'Changes with a session',
    has: ({ access }) => access !== 'public',
    behaviour: {
      'Redis down': slower,
      'PostgreSQL down': unavailable,
      'PostgreSQL read-only': {
        says: '503 `database-read-only`; what is refused anyway is refused as ever',
        holds: (answer) => isReadOnly(answer) || (isRefusal(answer) && answer.status !== 401),
      },
      'SMTP down': { ...asEver, says: 'as ever; a mail waits in the outbox' },
    },
  },
  {
    name: 'Login, refresh, logout, registration, links',
    has: () => true,
    behaviour: {
      'Redis down': { ...asEverForAnybody, says: 'as ever; budgets are counted in PostgreSQL, limits in each process' },
      'PostgreSQL down': {
        says: '503 `database-unavailable`; a forged token is refused as ever',
        holds: (answer) => unavailable.holds(answer) || isRefusal(answer),
      },
      'PostgreSQL read-only': {
        says: '503 `database-read-only`, the same for every password and account: a guess that cannot be counted is not checked',
        holds: (answer) => isReadOnly(answer) || isRefusal(answer) || answer.status === 202,
      },
      'SMTP down': mailWaits,
    },
  },
];

export const classOf = (spec: EndpointSpec): EndpointClass => {
  const found = CLASSES.find(({ has }) => has(spec));
  if (found === undefined) throw new TypeError(`${spec.path} is in no class`);
  return found;
};

export const degradedTable = (): string =>
  [
    `| endpoint | ${MODES.join(' | ')} |`,
    `|---|${MODES.map(() => '---|').join('')}`,
    ...CLASSES.map(({ name, behaviour }) => `| ${name} | ${MODES.map((mode) => behaviour[mode].says).join(' | ')} |`),
  ].join('\n');
