/**
 * Serves endpoints: mode, access, room to hash, limit, body, schemas, handler, answer, in this order. Called by app.ts; http/endpoint.ts says what an endpoint is.
 * What needs no body reads none.
 */
import { type Request, type RequestHandler, type Response, Router, raw } from 'express';
import type { z } from 'zod';
import type { HashQueue } from '../crypto/hash-queue.ts';
import type { Origin } from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import { type Caller, callerOf, type Identify, requireSession } from './authenticate.ts';
import { chain } from './chain.ts';
import { clientAddress } from './client-address.ts';
import {
  type Access,
  type Endpoint,
  type EndpointSpec,
  expressPath,
  type LimitPolicy,
  type Method,
  pathsOf,
  type Reply,
} from './endpoint.ts';
import { sendJson } from './json-answer.ts';
import { jsonBody } from './json-body.ts';
import { localsOf } from './locals.ts';
import { type ModeSource, modeGate } from './mode-gate.ts';
import { spellOutSecurityHeaders } from './security-headers.ts';
import { requireCheckedBody } from './signature.ts';
import { announceDeprecation, UNVERSIONED_PATHS } from './versions.ts';

export interface MountDeps {
  readonly modes: ModeSource;
  readonly identify: Identify;
  readonly requireRecentSession: RequestHandler;
  readonly requirePermission: (permission: string) => RequestHandler;
  readonly requireService: RequestHandler;
  readonly limitBy: (policy: LimitPolicy) => RequestHandler;
  readonly queue: Pick<HashQueue, 'refuseWhenFull'>;
}

/** Aborts when the client goes away before its answer: an answered request has nothing left to stop, and an abort makes an exception. */
const untilAbandoned = (response: Response): AbortSignal => {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
};

export const originOf = (request: Request): Origin => ({
  ip: clientAddress(request),
  userAgent: request.get('user-agent')?.slice(0, 512),
});

const accessHandlers = (access: Access, deps: MountDeps): readonly RequestHandler[] => {
  switch (access) {
    case 'public':
      return [];
    case 'service':
      return [deps.requireService];
    case 'session':
      return [requireSession(deps.identify)];
    case 'recent-session':
      return [requireSession(deps.identify), deps.requireRecentSession];
    default:
      return [requireSession(deps.identify), deps.requirePermission(access.permission)];
  }
};

const rawBody = ({ types, maxBytes }: NonNullable<EndpointSpec['rawBody']>): RequestHandler[] => [
  raw({ type: [...types], limit: maxBytes }),
  (request, _response, next) => {
    if (!Buffer.isBuffer(request.body)) throw new AppError('unsupported-media-type');
    next();
  },
];

const bodyHandlers = (spec: EndpointSpec): readonly RequestHandler[] => {
  if (spec.rawBody !== undefined) return rawBody(spec.rawBody);
  return spec.body === undefined ? [] : jsonBody;
};

const requireRoom =
  (queue: MountDeps['queue']): RequestHandler =>
  (_request, _response, next) => {
    queue.refuseWhenFull();
    next();
  };

/**
 * A flood of logins must cost those nothing that are served: what is refused here has not been counted, read, parsed or sent through the
 * service. Mounted by http/guard.ts; by their first path alone, since an alias may be somebody else's (upstream/proxy.ts).
 */
export const refuseFlood = (specs: readonly EndpointSpec[], queue: MountDeps['queue']): RequestHandler => {
  const hashing = specs.filter(({ access, hashesPassword }) => access === 'public' && hashesPassword === true);
  const paths = new Set(hashing.map(({ method, path }) => `${method.toUpperCase()} ${path}`));
  return (request, _response, next) => {
    if (paths.has(`${request.method} ${request.path}`)) queue.refuseWhenFull();
    next();
  };
};

const parse = (schema: z.ZodType | undefined, value: unknown): unknown => schema?.parse(value);

/** `app.set('query parser', false)` leaves the text alone; a parameter that comes twice is an error of its own in the schema. */
const queryOf = (request: Request): Readonly<Record<string, string | readonly string[]>> => {
  const query: Record<string, string | string[]> = {};
  const text = request.originalUrl.split('?', 2)[1] ?? '';
  for (const [name, value] of new URLSearchParams(text)) {
    const before = query[name];
    query[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return query;
};

/** What a handler gets. What costs something is made when it asks for it, by getters of a class: those of a literal would be made each time. */
class IncomingCall {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly who: Caller | undefined;
  readonly request: Request;
  readonly response: Response;
  readonly #identify: Identify;

  constructor(spec: EndpointSpec, { identify }: MountDeps, request: Request, response: Response) {
    this.params = parse(spec.params, request.params);
    this.query = spec.query === undefined ? undefined : parse(spec.query, queryOf(request));
    this.body = spec.rawBody === undefined ? parse(spec.body, request.body) : request.body;
    this.who = spec.access === 'public' || spec.access === 'service' ? undefined : callerOf(response);
    this.request = request;
    this.response = response;
    this.#identify = identify;
  }

  get identify(): () => Promise<Caller> {
    return async () => this.#identify(this.request);
  }

  get origin(): Origin {
    return originOf(this.request);
  }

  get signal(): AbortSignal {
    return untilAbandoned(this.response);
  }
}

const answer = (response: Response, { status, headers, body, json }: Reply): void => {
  response.status(status);
  if (headers !== undefined) {
    spellOutSecurityHeaders(response);
    response.set(headers);
  }
  if (json !== undefined) return sendJson(response, json);
  if (body === undefined) return void response.end();
  if (typeof body === 'string' || Buffer.isBuffer(body)) return void response.send(body);
  sendJson(response, JSON.stringify(body));
};

/** Waits only where there is something to wait for. */
const serve =
  ({ spec, handle }: Endpoint, deps: MountDeps): RequestHandler =>
  (request, response) => {
    // What the schemas let through has their output types, which `endpoint` has tied to the handler's arguments.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const call = new IncomingCall(spec, deps, request, response) as Parameters<Endpoint['handle']>[0];
    const reply = handle(call);
    return reply instanceof Promise ? reply.then((late) => answer(response, late)) : answer(response, reply);
  };

/** What the metrics call this request (http/guard.ts). */
const nameRoute =
  (path: string): RequestHandler =>
  (_request, response, next) => {
    localsOf(response).route = path;
    next();
  };

const chainOf = (endpoint: Endpoint, deps: MountDeps): readonly RequestHandler[] => {
  const { spec } = endpoint;
  return [
    nameRoute(spec.path),
    ...(spec.deprecation === undefined ? [] : [announceDeprecation(spec.deprecation)]),
    modeGate(deps.modes)(spec),
    ...accessHandlers(spec.access, deps),
    ...(spec.hashesPassword === true ? [requireRoom(deps.queue)] : []),
    ...(spec.limit === undefined ? [] : [deps.limitBy(spec.limit)]),
    ...bodyHandlers(spec),
    ...(spec.access === 'service' ? [requireCheckedBody] : []),
    serve(endpoint, deps),
  ];
};

/** Paths without parameters are found at once; Express' router matches the others, one pattern after the other. */
export const mountEndpoints = (endpoints: readonly Endpoint[], deps: MountDeps): RequestHandler => {
  const exact = new Map<string, RequestHandler>();
  const router = Router({ caseSensitive: true, strict: true });
  const mount = (method: Method, path: string, handlers: readonly RequestHandler[]): void => {
    const handler = chain(handlers);
    if (!path.includes('{')) exact.set(`${method.toUpperCase()} ${path}`, handler);
    router[method](expressPath(path), handler);
  };
  for (const endpoint of endpoints) {
    const { method, path, aliases = [] } = endpoint.spec;
    const handlers = chainOf(endpoint, deps);
    mount(method, path, handlers);
    const unversioned = announceDeprecation(UNVERSIONED_PATHS, path);
    for (const alias of aliases) mount(method, alias, [unversioned, ...handlers]);
  }
  return (request, response, next) =>
    (exact.get(`${request.method} ${request.path}`) ?? router)(request, response, next);
};

/** Path (OpenAPI form) → methods, for the `Allow` header and the metric labels. */
export const methodsByPath = (specs: readonly EndpointSpec[]): ReadonlyMap<string, readonly string[]> => {
  const methods = new Map<string, string[]>();
  for (const spec of specs) {
    for (const path of pathsOf(spec)) methods.set(path, [...(methods.get(path) ?? []), spec.method.toUpperCase()]);
  }
  return methods;
};
