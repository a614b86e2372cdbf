#!/usr/bin/env node
/**
 * The operator's entry: configuration, signals, and the order in which things start and stop. controller.ts does the work.
 */
import { KubeConfig } from '@kubernetes/client-node';
import { type Logger, pino } from 'pino';
import { Kubernetes } from './clients/kubernetes.ts';
import { Transport } from './clients/transport.ts';
import { type Config, HELP, parseConfig } from './config.ts';
import { Controller } from './controller.ts';
import { serveHealth } from './health.ts';
import { createMetrics } from './metrics.ts';
import { Notifier } from './notifications/notifier.ts';
import { REAL_CLOCK } from './notifications/outbox.ts';
import { tryOut } from './notifications/try-out.ts';

/** A clean stop ends a pass and gives the Lease back in well under a second; the kubelet's own patience is 15 s. */
const STOP_DEADLINE_MS = 10_000;
/** For messages that a stopping process still has; the rollout itself needs none of it. */
const LAST_WORDS_MS = 3_000;

async function main(): Promise<void> {
  const parsed = parseConfig(process.argv.slice(2), process.env);
  switch (parsed.kind) {
    case 'help':
      process.stdout.write(HELP);
      return;
    case 'invalid':
      for (const violation of parsed.violations) process.stderr.write(`${violation}\n`);
      process.exitCode = 1;
      return;
    case 'test-notifications':
      process.exitCode = await tryOut(parsed.config.notificationsFile, Date.now(), (line) =>
        process.stdout.write(`${line}\n`),
      );
      return;
    case 'run':
      return await run(parsed.config);
  }
}

async function run(config: Config): Promise<void> {
  // Log and decision records share one writer, so that no line breaks into another.
  const stdout = pino.destination(1);
  const timestamp = pino.stdTimeFunctions.isoTime;
  const log = pino({ level: config.logLevel, base: { pod: config.podName }, timestamp }, stdout);
  const stop = stopSignal(log);
  const kubeConfig = new KubeConfig();
  if (config.kubeconfig === undefined) kubeConfig.loadFromDefault();
  else kubeConfig.loadFromFile(config.kubeconfig);
  const transport = new Transport(kubeConfig);
  const metrics = createMetrics();
  const notifier = new Notifier({ file: config.notificationsFile, log, metrics, clock: REAL_CLOCK });
  await notifier.start();
  const controller = new Controller({
    config,
    clock: transport.clock,
    kubernetes: new Kubernetes(transport, (call) => metrics.apiRequests.inc({ call })),
    metrics,
    log,
    notifier,
    say: (line) => stdout.write(`${line}\n`),
  });
  const health = await serveHealth(config.port, {
    livez: () => controller.livez(),
    readyz: () => controller.readyz(),
    refresh: () => controller.refreshMetrics(),
    registry: metrics.registry,
    alerts: controller.alertHook(),
    percentages: controller.percentages(),
  });
  log.info({ port: health.port, namespace: config.watchNamespace || 'all' }, 'started');
  await controller.run(stop);
  await notifier.close(LAST_WORDS_MS);
  await health.close();
  transport.close();
  log.info('stopped');
}

/** Fires when the process is asked to stop, and sees to it that it does. */
function stopSignal(log: Logger): AbortSignal {
  // Crash-only: state is in the cluster, and half a process is worse than a fresh one.
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    process.exit(1);
  });
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  stop.signal.addEventListener('abort', () => {
    log.info('stopping');
    setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
  });
  return stop.signal;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : 'the operator could not start'}\n`);
  process.exitCode = 1;
});
