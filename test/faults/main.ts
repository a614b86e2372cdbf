// The API with a fault: the service of api/src with a handler before its routes. Started as the command of the image
// latchkey/api-faulty (Dockerfile beside this file). The first plan comes from FAULT_PLAN; a test changes it while the pod
// runs with PUT /fault on FAULT_PORT, which no Service and no route leads to.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { json, type Request, type RequestHandler, type Response, Router } from 'express';
import { readConfig } from '../../api/src/config.ts';
import { untilSignal } from '../../api/src/lifetime.ts';
import { createLog } from '../../api/src/log.ts';
import { createMetrics } from '../../api/src/metrics.ts';
import { startService } from '../../api/src/service.ts';
import { createFaults, type Deed, type FaultPlan, type Faults, faultPlan } from './plan.ts';

const controlPort = Number(process.env['FAULT_PORT'] ?? 3999);

const metrics = createMetrics();

const counters = {
  complaints: metrics.auth.userComplaints,
  dataLoss: metrics.auth.dataLossSignals,
  databaseErrors: metrics.database.queryErrors,
} as const;

const begin = (source: string): Faults => {
  const plan: FaultPlan = faultPlan.parse(JSON.parse(source));
  if (plan.kind === 'signal') counters[plan.signal].inc(plan.count);
  return createFaults(plan);
};

let faults = begin(process.env['FAULT_PLAN'] ?? '{"kind":"none"}');

const commit = async (deed: Deed, response: Response): Promise<'serve' | 'done'> => {
  switch (deed.kind) {
    case 'serve':
    case 'spoil-password':
      return 'serve';
    case 'fail':
      throw new Error('The fault image fails this request, as its plan says.');
    case 'delay':
      await new Promise((resolve) => setTimeout(resolve, deed.delayMs));
      return response.closed ? 'done' : 'serve';
    case 'crash':
      return process.exit(70);
  }
};

/** Lets the real login refuse: what it counts and answers is its own. */
const spoilPassword = (request: Request): void => {
  const body: unknown = request.body;
  if (typeof body === 'object' && body !== null && 'password' in body) body.password = `${String(body.password)}?`;
};

const faulty: RequestHandler = async (request, response, next) => {
  const deed = faults.decide({ path: request.path, nowMs: performance.now(), dice: Math.random() });
  if (deed.kind === 'spoil-password') {
    // The body is needed now; the route's own parser then finds it read and leaves it alone.
    json()(request, response, (error?: unknown) => {
      if (error === undefined) spoilPassword(request);
      next(error);
    });
    return;
  }
  if ((await commit(deed, response)) === 'serve') next();
};

const replacePlan = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  try {
    faults = begin(await text(request));
    response.end('changed\n');
  } catch (error) {
    response.statusCode = 400;
    response.end(`${error instanceof Error ? error.message : String(error)}\n`);
  }
};

const control = createServer((request, response) => void replacePlan(request, response));
control.listen(controlPort);

const { config, secrets } = readConfig(process.env);
const log = createLog(config.logLevel, process.env['APP_VERSION']);
const service = await startService({ config, secrets, log, metrics, beforeRoutes: Router().use(faulty) });
await untilSignal();
control.close();
await service.stop();
process.exit(0);
