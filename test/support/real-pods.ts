/**
 * Puts the real API behind the pods that workloads.ts plays: each pod is an API on the real stores, its counters are its own, and the requests that
 * the played gateway sends it are real ones. Used by the recorded run of the documentation's pictures.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { RequestHandler } from 'express';
import { createFaults, type FaultPlan } from '../faults/plan.ts';
import { Api, PASSWORD, type Tokens } from './api.ts';
import type { Behind, PodServer } from './pod-server.ts';

export interface RealPodsOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Where the operator says how far the rollout is. */
  readonly percentageUrl: string;
  /** By version; a version without a plan is sound. */
  readonly faults: Readonly<Record<string, FaultPlan>>;
}

const USERS = 12;
/** Requests under way when a pod goes are answered. */
const GRACE_MS = 300;

export class RealPods {
  readonly #options: RealPodsOptions;
  readonly #apis = new Set<Api>();
  readonly #stopping: Promise<unknown>[] = [];
  #sessions: Promise<readonly Tokens[]> | undefined;
  #email = '';
  #requests = 0;

  constructor(options: RealPodsOptions) {
    this.#options = options;
  }

  async attach(pod: PodServer): Promise<void> {
    const { databaseUrl, redisUrl, percentageUrl, faults } = this.#options;
    const plan = faults[pod.version];
    const api = await Api.start({
      databaseUrl,
      redisUrl,
      env: { AUTH_ROLLOUT_URL: percentageUrl, AUTH_ROLLOUT_PERCENTAGE: '0' },
      ...(plan === undefined ? {} : { beforeRoutes: failing(plan) }),
    });
    this.#apis.add(api);
    this.#sessions ??= this.#signIn(api);
    const sessions = await this.#sessions;
    const behind: Behind = {
      // A refused or broken request is what the counters are for.
      serve: () => void this.#ask(api, sessions).catch(() => undefined),
      exposition: async () => (await api.get('/api/metrics')).text,
      close: async () => {
        this.#apis.delete(api);
        this.#stopping.push(delay(GRACE_MS).then(() => api.stop()));
      },
    };
    pod.behind = behind;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#stopping, ...[...this.#apis].map((api) => api.stop())]);
  }

  async #signIn(api: Api): Promise<readonly Tokens[]> {
    this.#email = await api.register();
    return await Promise.all(Array.from({ length: USERS }, () => api.login(this.#email)));
  }

  /** One request in a steady mixture: mostly validations, some `me`, few logins and refreshes, now and then no token. */
  async #ask(api: Api, sessions: readonly Tokens[]): Promise<void> {
    const number = this.#requests++;
    const bearer = sessions[number % sessions.length]?.accessToken ?? '';
    if (number % 14 === 0) {
      const { body } = await api.post('/api/v1/auth/login', { email: this.#email, password: PASSWORD });
      const { refreshToken } = body;
      if (number % 28 === 0 && typeof refreshToken === 'string') await api.refresh(refreshToken);
    } else if (number % 45 === 0) await api.get('/api/v1/auth/me');
    else if (number % 4 === 0) await api.me(bearer);
    else await api.validate(bearer);
  }
}

const failing = (plan: FaultPlan): RequestHandler => {
  const faults = createFaults(plan);
  return ({ path }, _response, next) => {
    const { kind } = faults.decide({ path, nowMs: performance.now(), dice: Math.random() });
    next(kind === 'fail' ? new Error('fails, as the plan of the test says') : undefined);
  };
};
