/** A moment on the command line: RFC 3339, `-2h` before now, or `now`. Pure; options.ts reads it, range.ts resolves it. */
import { z } from 'zod';
import { DURATION_PATTERN, durationToMs } from '../core/duration.ts';

export type TimePoint = { readonly atMs: number } | { readonly agoMs: number };

const instant = z.iso.datetime({ offset: true });

/** @returns undefined where it is neither */
export function timePointOf(text: string): TimePoint | undefined {
  if (text === 'now') return { agoMs: 0 };
  if (text.startsWith('-') && DURATION_PATTERN.test(text.slice(1))) return { agoMs: durationToMs(text.slice(1)) };
  return instant.safeParse(text).success ? { atMs: Date.parse(text) } : undefined;
}

export function resolveTime(point: TimePoint, nowMs: number): number {
  return 'atMs' in point ? point.atMs : nowMs - point.agoMs;
}
