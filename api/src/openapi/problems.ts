/** Which refusals an endpoint can answer with, from what it declares. Called by document.ts; the reference and the tests read the same list. */
import { type ErrorCode, PROBLEMS } from '../errors.ts';
import type { Access, EndpointSpec } from '../http/endpoint.ts';
import { closingModes } from '../http/mode-gate.ts';

const OF_SESSION = [
  'access-token-missing',
  'access-token-invalid',
  'access-token-expired',
  'session-ended',
] as const satisfies readonly ErrorCode[];

/** A session that came in a cookie must show that its own page asked (http/csrf.ts). */
const ofBrowsers = ({ access, method }: EndpointSpec): readonly ErrorCode[] =>
  access === 'public' || access === 'service' || method === 'get' ? [] : ['csrf-token-invalid', 'origin-not-allowed'];

/** What http/guard.ts refuses before any endpoint is asked. */
const OF_EDGE = [
  'api-version-unknown',
  'malformed-request',
  'https-required',
  'request-timeout',
  'uri-too-long',
  'rate-limited',
  'headers-too-large',
] as const satisfies readonly ErrorCode[];

/** What the auth service behind this one can come to, on the paths that go there where there is one (upstream/proxy.ts). */
export const OF_LOGIN_PROXY = [
  'upstream-answer-invalid',
  'upstream-connect-timeout',
  'upstream-connection-lost',
  'upstream-failed',
  'upstream-misconfigured',
  'upstream-read-timeout',
  'upstream-service-refused',
  'upstream-unavailable',
  'upstream-unreachable',
] as const satisfies readonly ErrorCode[];

const ofAccess = (access: Access): readonly ErrorCode[] => {
  switch (access) {
    case 'public':
      return [];
    case 'service':
      return ['signature-invalid'];
    case 'session':
      return OF_SESSION;
    case 'recent-session':
      return [...OF_SESSION, 'recent-login-needed'];
    default:
      return [...OF_SESSION, 'permission-missing'];
  }
};

const ofInput = ({ params, query, body, rawBody }: EndpointSpec): readonly ErrorCode[] => [
  ...(params === undefined && query === undefined ? [] : (['invalid-request', 'malformed-request'] as const)),
  ...(rawBody === undefined
    ? []
    : (['invalid-request', 'malformed-request', 'body-too-large', 'unsupported-media-type'] as const)),
  ...(body === undefined
    ? []
    : ([
        'invalid-request',
        'malformed-json',
        'malformed-request',
        'body-too-large',
        'unsupported-media-type',
      ] as const)),
];

/**
 * A session is looked up in the database, and so is nearly everything else; whoever changes something may find it closed for writing. What
 * needs a permission is written down, reads too.
 */
const ofDatabase = ({ method, access, isStatic = false }: EndpointSpec): readonly ErrorCode[] => {
  if (isStatic && access === 'public') return [];
  const isWritten = method !== 'get' || typeof access === 'object';
  return isWritten ? ['database-unavailable', 'database-read-only'] : ['database-unavailable'];
};

/** Every code that this endpoint may answer with, by status. */
export const problemsByStatus = (spec: EndpointSpec): ReadonlyMap<number, readonly ErrorCode[]> => {
  const codes = new Set<ErrorCode>([
    ...ofAccess(spec.access),
    ...ofBrowsers(spec),
    ...ofInput(spec),
    ...ofDatabase(spec),
    ...closingModes(spec),
    ...(spec.problems ?? []),
    ...OF_EDGE,
    'internal',
  ]);
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of [...codes].toSorted()) {
    const { status } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return new Map([...byStatus].toSorted(([a], [b]) => a - b));
};
