/**
 * Durations as people write them in a manifest ("30m", "1h30m") and as the core counts them (milliseconds).
 * Called by spec.ts when a manifest is read and by the messages of decisions and conditions; goes nowhere else.
 */

/** What a duration may look like; the same text is the CRD's pattern. */
export const DURATION_PATTERN = /^([0-9]+(ms|s|m|h))+$/;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Turns "1h30m" into milliseconds; text that DURATION_PATTERN refuses gives 0. */
export function durationToMs(text: string): number {
  let totalMs = 0;
  let length = 0;
  for (const [part, amount = '0', unit = 'ms'] of text.matchAll(/([0-9]+)(ms|s|m|h)/g)) {
    totalMs += Number(amount) * (UNIT_MS[unit] ?? 1);
    length += part.length;
  }
  return length === text.length ? totalMs : 0;
}

/** Turns milliseconds into the shortest exact text, largest unit first: 5_400_000 → "1h30m". */
export function msToDuration(totalMs: number): string {
  let restMs = Math.max(0, Math.round(totalMs));
  if (restMs === 0) return '0s';
  let text = '';
  for (const unit of ['h', 'm', 's', 'ms']) {
    const unitMs = UNIT_MS[unit] ?? 1;
    const amount = Math.floor(restMs / unitMs);
    if (amount > 0) text += `${amount}${unit}`;
    restMs -= amount * unitMs;
  }
  return text;
}
