// The runbook's schedule with seconds in place of minutes. Called by install.ts; it ends in the chart's values. Pure.
import type { ScheduleStep } from './record.ts';

const runbook = [
  { weight: 5, holdS: 5, checkEveryS: 1 },
  { weight: 10, holdS: 5, checkEveryS: 1 },
  { weight: 25, holdS: 10, checkEveryS: 2 },
  { weight: 50, holdS: 20, checkEveryS: 3 },
  { weight: 100, holdS: 30, checkEveryS: 5 },
] as const;

/** An hour of the runbook takes about ten seconds at pace 1; no interval becomes shorter than a second. */
export function demoSchedule(pace: number): ScheduleStep[] {
  const seconds = (value: number): string => `${Math.max(1, Math.round(value * pace))}s`;
  return runbook.map(({ weight, holdS, checkEveryS }) => ({
    weight,
    hold: seconds(holdS),
    checkEvery: seconds(checkEveryS),
  }));
}

/** How long a whole rollout at this pace may take, adoption of slow machines included, before somebody should look. */
export function rolloutDeadlineMs(pace: number): number {
  const holds = runbook.reduce((sum, { holdS }) => sum + Math.max(1, holdS * pace), 0);
  return (holds * 3 + 180) * 1000;
}
