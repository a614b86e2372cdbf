/**
 * What came of a request to the auth service behind this one, in one word, and what the client hears of it. Pure. Called by
 * upstream/client.ts and upstream/preflight.ts; docs/login-proxy.md shows the same.
 *
 * The status says what a client may do: 503 where the request was not acted upon, so that it may be sent again; 504 and 502 where nobody knows,
 * or where sending it again changes nothing.
 */

/** What one exchange came to. What was never sent cannot have been acted upon. */
export type Outcome =
  | { readonly kind: 'not-connected'; readonly why: string }
  | { readonly kind: 'connect-timeout' }
  | { readonly kind: 'read-timeout' }
  | { readonly kind: 'cut-off'; readonly why: string }
  | { readonly kind: 'unreadable'; readonly why: string }
  | { readonly kind: 'answer'; readonly answer: AnswerFacts };

/** As far as it decides. */
export interface AnswerFacts {
  readonly status: number;
  readonly body: 'none' | 'json' | 'other';
  /** The `code` of a problem document (RFC 9457), or of whatever JSON there is. */
  readonly problemCode: string | undefined;
  /** `WWW-Authenticate`. */
  readonly challenge: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** Our own secret stands in it. */
  readonly showsSecret: boolean;
}

/** `retryAfterSeconds`: what a client is told to wait where the auth service named no time. */
export const FAULTS = {
  unreachable: {
    code: 'upstream-unreachable',
    retryAfterSeconds: 2,
    meaning: 'no connection: refused, unknown name, no route, TLS failed',
    suggestions: [
      'Check AUTH_UPSTREAM_URL',
      'Check that the auth service runs and can be reached from this pod (NetworkPolicy)',
      'For TLS: give its CA with NODE_EXTRA_CA_CERTS',
    ],
  },
  'connect-timeout': {
    code: 'upstream-connect-timeout',
    retryAfterSeconds: 2,
    meaning: 'no connection within AUTH_UPSTREAM_CONNECT_TIMEOUT_MS',
    suggestions: [
      'Check that nothing drops packets between here and the auth service',
      'Check whether the auth service accepts connections: its backlog may be full',
    ],
  },
  'read-timeout': {
    code: 'upstream-read-timeout',
    retryAfterSeconds: undefined,
    meaning: 'sent, and no whole answer within AUTH_UPSTREAM_READ_TIMEOUT_MS',
    suggestions: ['Look at the load of the auth service', 'AUTH_UPSTREAM_READ_TIMEOUT_MS may be too short'],
  },
  'connection-lost': {
    code: 'upstream-connection-lost',
    retryAfterSeconds: undefined,
    meaning: 'sent, and the connection ended before the answer was whole',
    suggestions: ['Look for restarts of the auth service, and of proxies on the way'],
  },
  'service-refused': {
    code: 'upstream-service-refused',
    retryAfterSeconds: 30,
    meaning: 'it refuses this instance, not the user: 403 without a problem code, or a challenge `Service`',
    suggestions: [
      'Check AUTH_UPSTREAM_SERVICE_ID and AUTH_UPSTREAM_SERVICE_SECRET against what the auth service knows',
      'Check that the auth service lets this service in',
    ],
  },
  misconfigured: {
    code: 'upstream-misconfigured',
    retryAfterSeconds: undefined,
    meaning: '404 where an auth service has an endpoint, or a page in place of one',
    suggestions: ['Check the path of AUTH_UPSTREAM_URL: what follows /api/auth is appended to it'],
  },
  failed: {
    code: 'upstream-failed',
    retryAfterSeconds: undefined,
    meaning: '500 or another 5xx',
    suggestions: ['Look at the log of the auth service for this request id'],
  },
  unavailable: {
    code: 'upstream-unavailable',
    retryAfterSeconds: 2,
    meaning: '503: it says itself that it cannot just now',
    suggestions: ['Look at the health of the auth service'],
  },
  'answer-invalid': {
    code: 'upstream-answer-invalid',
    retryAfterSeconds: undefined,
    meaning: 'no HTTP, no JSON, a redirect, more than 256 KB, or our own secret in it',
    suggestions: [
      'Check that AUTH_UPSTREAM_URL is the auth service and not a page or a gateway before it',
      'A redirect is never followed: name the address that it leads to',
    ],
  },
  'rate-limited': {
    code: 'rate-limited',
    retryAfterSeconds: 30,
    meaning: '429, with its `Retry-After`',
    suggestions: [],
  },
  'breaker-open': {
    code: 'upstream-unavailable',
    retryAfterSeconds: 5,
    meaning: 'not asked: it did not answer lately',
    suggestions: ['Look at /api/health/upstream for why it did not answer'],
  },
} as const;

export type Fault = keyof typeof FAULTS;
export type Category = Fault | 'answered';

export interface Asked {
  /** Whether every auth service has an endpoint there. */
  readonly mustExist: boolean;
}

/** The words of a Latchkey or of any service that speaks of us, and not of the user. */
const SERVICE_CODES: ReadonlySet<string> = new Set(['service-credentials-invalid', 'signature-invalid']);
const SERVICE_CHALLENGE = /(^|,)\s*service(\s|,|$)/i;

const refusesService = ({ status, problemCode, challenge = '' }: AnswerFacts): boolean => {
  if (status !== 401 && status !== 403) return false;
  if (SERVICE_CHALLENGE.test(challenge)) return true;
  return problemCode === undefined ? status === 403 : SERVICE_CODES.has(problemCode);
};

const categoryOfAnswer = (answer: AnswerFacts, { mustExist }: Asked): Category => {
  const { status, body, showsSecret } = answer;
  if (showsSecret || status < 200 || (status >= 300 && status < 400)) return 'answer-invalid';
  if (status === 503) return 'unavailable';
  if (status >= 500) return 'failed';
  if (status === 429) return 'rate-limited';
  if (refusesService(answer)) return 'service-refused';
  if (status === 404 && (mustExist || body === 'other')) return 'misconfigured';
  return body === 'other' ? 'answer-invalid' : 'answered';
};

export const categoryOf = (outcome: Outcome, asked: Asked): Category => {
  switch (outcome.kind) {
    case 'not-connected':
      return 'unreachable';
    case 'connect-timeout':
    case 'read-timeout':
      return outcome.kind;
    case 'cut-off':
      return 'connection-lost';
    case 'unreadable':
      return 'answer-invalid';
    case 'answer':
      return categoryOfAnswer(outcome.answer, asked);
  }
};

/**
 * Whether it says that the auth service is in trouble, for the breaker. Whoever answers is not: an error that one bad request causes must not shut
 * out everybody. 502 and 504 are a gateway's words for a service that is away.
 */
export const troubleOf = (outcome: Outcome): 'away' | 'hangs' | undefined => {
  switch (outcome.kind) {
    case 'not-connected':
    case 'connect-timeout':
    case 'cut-off':
      return 'away';
    case 'read-timeout':
      return 'hangs';
    case 'unreadable':
      return undefined;
    case 'answer':
      return outcome.answer.status === 502 || outcome.answer.status === 504 ? 'away' : undefined;
  }
};

/** How the auth service is, by what it answers to the question that is asked in the background: its body says nothing to us. */
export const categoryOfHealth = (outcome: Outcome): Category => {
  if (outcome.kind !== 'answer') return categoryOf(outcome, { mustExist: true });
  const { status } = outcome.answer;
  if (status >= 200 && status < 300) return 'answered';
  if (status === 401 || status === 403) return 'service-refused';
  if (status === 404) return 'misconfigured';
  return status === 503 ? 'unavailable' : status >= 500 ? 'failed' : 'answer-invalid';
};
