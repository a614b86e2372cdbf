/** Where the lines of an axis lie, and how a value is said in its unit. Called by plot.ts and panels.ts. Pure. */
import type { Panel } from './boards.ts';
import { rounded, type Values } from './recording.ts';

export type Unit = Panel['unit'];

/** An axis from 0 to `top`. */
export interface Scale {
  readonly top: number;
  readonly ticks: readonly number[];
}

const MOST_STEPS = 5;
/** A hair's, since 0.3 / 0.1 is more than 3. */
const BREADTH = 1e-9;
const TIME_STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400];
const MOST_TIMES = 8;

/** From 0 to the first round number that no value exceeds; an axis of nothing, or of zeros alone, goes to 1. */
export function scaleOf(values: Values, unit: Unit): Scale {
  const highest = values.reduce<number>((high, value) => Math.max(high, finite(value)), 0) || 1;
  const step = unit === 's' && highest > 60 ? timeStepFor(highest, MOST_STEPS) : stepFor(highest);
  const count = Math.ceil(highest / step - BREADTH);
  return { top: count * step, ticks: Array.from({ length: count + 1 }, (_, index) => rounded(index * step)) };
}

const finite = (value = 0): number => (Number.isFinite(value) ? value : 0);

/** The least of 1, 2 and 5 times a power of ten of which few enough reach the value. */
function stepFor(value: number): number {
  const power = 10 ** (Math.floor(Math.log10(value)) - 1);
  return ([1, 2, 5, 10, 20, 50].find((each) => value / (each * power) <= MOST_STEPS + BREADTH) ?? 100) * power;
}

const timeStepFor = (lengthS: number, most: number): number =>
  TIME_STEPS_S.find((each) => lengthS / each <= most) ?? Math.ceil(lengthS / most);

/** Seconds since the beginning that get a mark. */
export function timesOf(lengthS: number): readonly number[] {
  const step = timeStepFor(lengthS, MOST_TIMES);
  return Array.from({ length: Math.floor(lengthS / step) + 1 }, (_, index) => index * step);
}

/** `1:05` after 65 s. */
export const timeText = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

/** A value with its unit, three digits of it. */
export function valueText(value: number, unit: Unit): string {
  switch (unit) {
    case 'percent':
      return `${rounded(value)} %`;
    case 'percentunit':
      return `${rounded(value * 100)} %`;
    case 's':
      return durationText(value);
    case 'reqps':
      return `${shortText(value)} req/s`;
    case 'short':
      return shortText(value);
  }
}

function durationText(seconds: number): string {
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return `${rounded(seconds * 1e6)} µs`;
  if (seconds < 1) return `${rounded(seconds * 1e3)} ms`;
  return seconds < 60 ? `${rounded(seconds)} s` : `${rounded(seconds / 60)} min`;
}

const shortText = (value: number): string => (value < 1_000 ? String(rounded(value)) : `${rounded(value / 1_000)} K`);
