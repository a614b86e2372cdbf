/** The sessions of an account: which there are, what they are called, and an end to them. Mounted by app.ts through http/mount.ts. */
import { z } from 'zod';
import type { Browsers } from '../http/browsers.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { SessionList } from '../services/session-list.ts';
import { isoTime, personName } from './fields.ts';

export interface SessionRouteDeps {
  readonly sessionList: SessionList;
  readonly browsers: Browsers;
}

const listed = z
  .object({
    id: z.uuid(),
    name: z.string().nullable(),
    client: z.enum(['bearer', 'browser']),
    address: z.string().nullable(),
    userAgent: z.string().nullable(),
    hasSecondFactor: z.boolean(),
    createdAt: isoTime,
    lastActivityAt: isoTime,
    expiresAt: isoTime,
    isCurrent: z.boolean(),
  })
  .meta({ id: 'Session' });

const onePath = '/api/v1/auth/sessions/{sessionId}';
const allPath = '/api/v1/auth/sessions';
const params = z.strictObject({ sessionId: z.uuid() });

const list = ({ sessionList }: SessionRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: allPath,
      tag: 'Sessions',
      summary: 'List the live sessions of the account, the youngest first, at most 200',
      access: 'session',
      answers: { 200: { description: 'Live sessions', schema: z.object({ sessions: z.array(listed) }) } },
    },
    async ({ who }) => ({ status: 200, body: { sessions: await sessionList.list(who) } }),
  );

const rename = ({ sessionList }: SessionRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'patch',
      path: onePath,
      tag: 'Sessions',
      summary: 'Give a session a name',
      access: 'session',
      params,
      body: z.strictObject({ name: personName }),
      answers: { 200: { description: 'The session', schema: listed } },
      problems: ['not-found'],
    },
    async ({ who, params: { sessionId }, body }) => ({
      status: 200,
      body: await sessionList.name(who, sessionId, body.name),
    }),
  );

/** A recent login, since a stolen access token must not be enough to lock its owner out everywhere (ASVS 7.5.2). */
const endOne = ({ sessionList, browsers }: SessionRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: onePath,
      tag: 'Sessions',
      summary: 'End one session of the account',
      access: 'recent-session',
      params,
      answers: { 204: { description: 'The session has ended' } },
      problems: ['not-found'],
    },
    async ({ who, params: { sessionId } }) => {
      await sessionList.end(who, sessionId);
      return who.sessionId === sessionId ? browsers.farewell() : { status: 204 };
    },
  );

const endMany = ({ sessionList, browsers }: SessionRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: allPath,
      tag: 'Sessions',
      summary: 'End the other sessions of the account, or all of them',
      access: 'recent-session',
      query: z.strictObject({ scope: z.enum(['others', 'all']) }),
      answers: { 200: { description: 'How many have ended', schema: z.object({ ended: z.int() }) } },
    },
    async ({ who, query: { scope } }) => {
      const body = { ended: await sessionList.endMany(who, scope) };
      const { headers } = browsers.farewell();
      return { status: 200, body, ...(scope === 'all' && headers !== undefined && { headers }) };
    },
  );

const csrfToken = ({ browsers }: SessionRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: '/api/v1/auth/csrf',
      tag: 'Sessions',
      summary: "Show the CSRF token of a browser's session, for a page that cannot read the cookie",
      access: 'session',
      openDuring: ['maintenance', 'auth-disabled'], // refresh and logout need it
      answers: {
        200: { description: 'The token; its cookie is set too', schema: z.object({ csrfToken: z.string() }) },
      },
    },
    ({ who, request }) => browsers.csrfReply(request, who),
  );

export const sessionEndpoints = (deps: SessionRouteDeps): readonly Endpoint[] => [
  list(deps),
  rename(deps),
  endOne(deps),
  endMany(deps),
  csrfToken(deps),
];
