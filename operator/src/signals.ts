/**
 * The alerts that fire for each rollout, as Alertmanager repeats them. Filled by alert-hook.ts, read by observe.ts into
 * Observation.signals. In memory only: Alertmanager repeats what fires, and what it does not repeat is forgotten.
 */
import { SEVERITIES, type Severity } from './core/matrix.ts';
import type { SignalView } from './core/observation.ts';

export interface Signal {
  /** Alertmanager's name for the alert with these labels. */
  readonly fingerprint: string;
  readonly name: string;
  readonly severity: Severity;
  readonly sinceMs: number;
}

/** Three times the repeat_interval that docs/notifications.md asks for: one lost message must not let a rollout go on. */
export const SIGNAL_TTL_MS = 900_000;
/** Of one rollout; the worst decides, and nobody reads more. */
export const MAX_SIGNALS = 20;

interface Kept extends Signal {
  readonly seenMs: number;
}

export class Signals {
  readonly #now: () => number;
  readonly #firing = new Map<string, readonly Kept[]>();

  /** @param now milliseconds that never jump: an expiry must not hang on the wall clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @returns whether that is news; a repetition is not */
  fire(key: string, signal: Signal): boolean {
    const known = this.#alive(key);
    const before = known.find(({ fingerprint }) => fingerprint === signal.fingerprint);
    const others = known.filter((kept) => kept !== before);
    const kept = [...others, { ...signal, seenMs: this.#now() }].toSorted(worstFirst).slice(0, MAX_SIGNALS);
    this.#firing.set(key, kept);
    return before?.severity !== signal.severity && kept.some(({ fingerprint }) => fingerprint === signal.fingerprint);
  }

  /** @returns whether it was firing */
  resolve(key: string, fingerprint: string): boolean {
    const known = this.#alive(key);
    const left = known.filter((signal) => signal.fingerprint !== fingerprint);
    if (left.length === 0) this.#firing.delete(key);
    else this.#firing.set(key, left);
    return left.length < known.length;
  }

  /** What fires now, the worst first. */
  view(key: string): readonly SignalView[] {
    return this.#alive(key).map(({ name, severity, sinceMs }) => ({ name, severity, sinceMs }));
  }

  /** The rollout is gone. */
  drop(key: string): void {
    this.#firing.delete(key);
  }

  #alive(key: string): readonly Kept[] {
    const sinceMs = this.#now() - SIGNAL_TTL_MS;
    return (this.#firing.get(key) ?? []).filter(({ seenMs }) => seenMs > sinceMs);
  }
}

function worstFirst(left: Signal, right: Signal): number {
  return SEVERITIES.indexOf(left.severity) - SEVERITIES.indexOf(right.severity) || left.sinceMs - right.sinceMs;
}
