/** The general limit decides by itself what express-rate-limit decides elsewhere: here both count the same requests, and must say the same. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import { SharedLimit } from '../../../../api/src/cache/shared-limit.ts';
import { AppError } from '../../../../api/src/errors.ts';
import { clientAddress, clientOf } from '../../../../api/src/http/client-address.ts';
import { createRateLimits } from '../../../../api/src/http/rate-limit.ts';
import { createMetrics } from '../../../../api/src/metrics.ts';

const LIMIT = 3;
const NOW_MS = Date.UTC(2030, 0, 1);
const nowMs = (): number => NOW_MS;

const refused: ErrorRequestHandler = (error: unknown, _request, response, _next) => {
  response.status(error instanceof AppError && error.code === 'rate-limited' ? 429 : 500).end();
};

/** Status and limit headers of one request more than the limit. */
const answersOf = async (limiter: RequestHandler): Promise<readonly unknown[]> => {
  const server = express()
    .use(limiter)
    .get('/', (_request, response) => void response.end())
    .use(refused)
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const answers: unknown[] = [];
  for (let hit = 0; hit <= LIMIT; hit += 1) {
    const { status, headers } = await fetch(`http://127.0.0.1:${port}/`);
    // Both read the wall clock to say when: a second may pass between them.
    const withoutTime = headers.get('ratelimit')?.replace(/t=\d+$/, 't');
    answers.push([status, withoutTime, headers.get('ratelimit-policy'), headers.has('retry-after')]);
  }
  server.close();
  return answers;
};

describe('the general rate limit', () => {
  it('answers what express-rate-limit answers over the same store', async () => {
    const limits = {
      rateLimitPerMinute: LIMIT,
      loginLimitPerMinute: 1,
      registrationLimitPerHour: 1,
      resetLimitPerHour: 1,
    };
    const violations: string[] = [];
    const { generalLimit } = createRateLimits({
      redis: undefined,
      limits,
      metrics: createMetrics(),
      nowMs,
      onViolation: ({ policy, client }) => violations.push(`${policy} ${client}`),
    });
    const theirs = rateLimit({
      windowMs: 60_000,
      limit: LIMIT,
      standardHeaders: 'draft-8',
      legacyHeaders: false,
      identifier: 'api',
      store: new SharedLimit({ redis: undefined, name: 'api', policy: { limit: LIMIT, windowMs: 60_000 }, nowMs }),
      keyGenerator: (request) => clientOf(clientAddress(request)),
      handler: () => {
        throw new AppError('rate-limited');
      },
      validate: false,
    });
    const ours = await answersOf(generalLimit);
    expect(ours).to.deep.equal(await answersOf(theirs));
    expect(ours.map((answer) => (answer as unknown[])[0])).to.deep.equal([200, 200, 200, 429]);
    expect(violations).to.deep.equal(['api 127.0.0.1']);
  });
});
