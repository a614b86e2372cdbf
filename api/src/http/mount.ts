/**
 * Serves endpoints: mode, access, limit, body, schemas, handler, answer, in this order. Called by app.ts; http/endpoint.ts says what an endpoint is.
 * What needs no body reads none.
 */
import { type Request, type RequestHandler, type Response, Router, raw } from 'express';
import type { z } from 'zod';
import type { Origin } from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import { callerOf, type Identify, requireSession } from './authenticate.ts';
import { clientAddress } from './client-address.ts';
import { type Access, type Endpoint, type EndpointSpec, expressPath, type LimitPolicy, pathsOf } from './endpoint.ts';
import { jsonBody } from './json-body.ts';
import { type ModeSource, modeGate } from './mode-gate.ts';
import { announceDeprecation, UNVERSIONED_PATHS } from './versions.ts';

export interface MountDeps {
  readonly modes: ModeSource;
  readonly identify: Identify;
  readonly requireRecentSession: RequestHandler;
  readonly requirePermission: (permission: string) => RequestHandler;
  readonly limitBy: (policy: LimitPolicy) => RequestHandler;
}

const untilClosed = (response: Response): AbortSignal => {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
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

const serve =
  ({ spec, handle }: Endpoint, { identify }: MountDeps): RequestHandler =>
  async (request, response) => {
    // What the schemas let through has their output types, which `endpoint` has tied to the handler's arguments.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const call = {
      params: parse(spec.params, request.params),
      query: spec.query === undefined ? undefined : parse(spec.query, queryOf(request)),
      body: spec.rawBody === undefined ? parse(spec.body, request.body) : request.body,
      who: spec.access === 'public' ? undefined : callerOf(response),
      identify: () => identify(request, response),
      origin: originOf(request),
      signal: untilClosed(response),
      request,
      response,
    } as Parameters<Endpoint['handle']>[0];
    const reply = await handle(call);
    if (reply.headers !== undefined) response.set(reply.headers);
    response.status(reply.status);
    if (reply.body === undefined) response.end();
    else if (typeof reply.body === 'string' || Buffer.isBuffer(reply.body)) response.send(reply.body);
    else response.json(reply.body);
  };

/** What the metrics call this request (http/guard.ts). */
const nameRoute =
  (path: string): RequestHandler =>
  (_request, response, next) => {
    response.locals['route'] = path;
    next();
  };

export const mountEndpoints = (endpoints: readonly Endpoint[], deps: MountDeps): Router => {
  const router = Router({ caseSensitive: true, strict: true });
  for (const endpoint of endpoints) {
    const { spec } = endpoint;
    const chain = [
      nameRoute(spec.path),
      ...(spec.deprecation === undefined ? [] : [announceDeprecation(spec.deprecation)]),
      modeGate(deps.modes)(spec),
      ...accessHandlers(spec.access, deps),
      ...(spec.limit === undefined ? [] : [deps.limitBy(spec.limit)]),
      ...bodyHandlers(spec),
      serve(endpoint, deps),
    ];
    router[spec.method](expressPath(spec.path), ...chain);
    const unversioned = announceDeprecation(UNVERSIONED_PATHS, spec.path);
    for (const alias of spec.aliases ?? []) router[spec.method](expressPath(alias), unversioned, ...chain);
  }
  return router;
};

/** Path (OpenAPI form) → methods, for the `Allow` header and the metric labels. */
export const methodsByPath = (specs: readonly EndpointSpec[]): ReadonlyMap<string, readonly string[]> => {
  const methods = new Map<string, string[]>();
  for (const spec of specs) {
    for (const path of pathsOf(spec)) methods.set(path, [...(methods.get(path) ?? []), spec.method.toUpperCase()]);
  }
  return methods;
};
