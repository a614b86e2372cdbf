// Shows one rollout from the `helm upgrade` to its end. Called by demo.ts twice; the facts go to report.ts.

import type { Recorder, RolloutRecord } from './record.ts';
import type { DemoFacts, RolloutFacts } from './report.ts';
import type { Screen } from './stage.ts';
import type { Traffic } from './traffic.ts';
import { drawRollout, happeningLine } from './view.ts';

export interface Shown {
  readonly screen: Screen;
  readonly recorder: Recorder;
  readonly traffic: Traffic;
}

export interface RolloutPlan {
  readonly title: string;
  readonly from: string;
  readonly to: string;
  readonly deadlineMs: number;
  /** Changes the target; the rollout begins with it. */
  readonly begin: () => Promise<void>;
  readonly signal: AbortSignal;
}

const frameMs = 200;
const logLineEveryMs = 10_000;
/** How long the record goes on after the last decision, so that late answers of the canary would be seen. */
const aftermathMs = 4_000;
const finalPhases = ['Succeeded', 'RolledBack', 'Zeroed'];

/** @throws Error when the rollout has not ended at the deadline, with where it stands */
export async function showRollout(shown: Shown, plan: RolloutPlan): Promise<RolloutFacts> {
  const { recorder, traffic, screen } = shown;
  const before = recorder.record.status?.revision;
  const startedAtMs = Date.now();
  screen.line('');
  const stopShowing = show(shown, plan, startedAtMs);
  try {
    await plan.begin();
    await recorder.until(`The end of "${plan.title}"`, plan, ({ status }) => {
      return status !== undefined && status.revision !== before && finalPhases.includes(status.phase);
    });
    const endedAtMs = Date.now();
    await watchAftermath(traffic, endedAtMs, plan.signal);
    return factsOf(recorder.record, plan, startedAtMs, endedAtMs);
  } finally {
    await stopShowing();
  }
}

function factsOf(record: RolloutRecord, plan: RolloutPlan, startedAtMs: number, endedAtMs: number): RolloutFacts {
  const during = ({ atMs }: { readonly atMs: number }): boolean => atMs >= startedAtMs;
  return {
    title: plan.title,
    from: plan.from,
    to: plan.to,
    startedAtMs,
    endedAtMs,
    scheduledWeights: record.schedule.map(({ weight }) => weight),
    weights: record.weights.filter(during),
    happenings: record.happenings.filter(during),
    statuses: record.statuses.filter(during),
  };
}

async function watchAftermath(traffic: Traffic, endedAtMs: number, signal: AbortSignal): Promise<void> {
  while (Date.now() < endedAtMs + aftermathMs) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, frameMs));
    await traffic.catchUp();
  }
}

/** Redraws the terminal, or writes lines where there is none; the returned function ends it with a last frame. */
function show(shown: Shown, plan: RolloutPlan, startedAtMs: number): () => Promise<void> {
  const { screen, traffic } = shown;
  const write = screen.isTerminal ? () => drawFrame(shown, plan, startedAtMs) : lineWriter(shown, plan, startedAtMs);
  let busy: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    busy = traffic.catchUp().then(write, () => undefined);
  }, frameMs);
  return async () => {
    clearInterval(timer);
    await busy;
    write();
    screen.keep();
  };
}

function drawFrame({ screen, recorder, traffic }: Shown, plan: RolloutPlan, startedAtMs: number): void {
  screen.draw(
    drawRollout({
      ...plan,
      startedAtMs,
      nowMs: Date.now(),
      record: recorder.record,
      answers: traffic.answers,
      sessionsLost: traffic.lost.length,
      columns: screen.columns,
    }),
  );
}

function lineWriter({ screen, recorder }: Shown, plan: RolloutPlan, startedAtMs: number): () => void {
  screen.line(`▸ ${plan.title}: ${plan.from} → ${plan.to}`);
  const printed = new Set<object>();
  let nextLineAtMs = startedAtMs + logLineEveryMs;
  return () => {
    for (const happening of recorder.record.happenings) {
      // That it holds is what the state line says every ten seconds.
      if (happening.atMs < startedAtMs || printed.has(happening) || happening.reason === 'Holding') continue;
      printed.add(happening);
      screen.line(`  ${happeningLine(happening, startedAtMs)}`);
    }
    if (Date.now() < nextLineAtMs) return;
    nextLineAtMs = Date.now() + logLineEveryMs;
    const { status, weight } = recorder.record;
    const seconds = ((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(6);
    const state = `${status?.phase ?? '–'}, weight ${weight ?? '–'} %, severity ${status?.severity ?? 'None'}`;
    screen.line(`  +${seconds} s  … ${state}: ${status?.lastDecision?.message ?? 'no decision yet'}`);
  };
}

/** Puts the two rollouts and the clients' log together for the report. */
export function demoFacts(
  healthy: RolloutFacts,
  sick: RolloutFacts,
  traffic: Traffic,
  trafficUntilMs: number,
): DemoFacts {
  return {
    healthy,
    sick,
    answers: traffic.answers,
    lost: traffic.lost,
    trafficFromMs: traffic.startedAtMs,
    trafficUntilMs,
  };
}
