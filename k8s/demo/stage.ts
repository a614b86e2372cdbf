// Shows what the demo is doing: a line a stage with its elapsed time, which a terminal sees grow and a log sees every
// ten seconds. Called by demo.ts; the live view (view.ts) takes over the screen through `draw`.
import type { Progress } from '../local/progress.ts';

/** Where the demo speaks to its user. */
export interface Screen {
  /** Runs a stage under a title; `note` replaces the small print beside it. */
  stage<T>(title: string, work: (note: (text: string) => void) => Promise<T>): Promise<T>;
  line(text: string): void;
  /** Replaces the lines drawn before; without a terminal nothing is drawn. */
  draw(lines: readonly string[]): void;
  /** Leaves what is drawn standing and goes on below it. */
  keep(): void;
  readonly isTerminal: boolean;
  readonly columns: number;
}

const terminalTickMs = 200;
const logTickMs = 10_000;
/** Inner stages shorter than this are not worth a line. */
const quietBelowMs = 1_000;
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** `m:ss` from 100 s on, seconds with a tenth below. */
export function elapsedText(elapsedMs: number): string {
  const seconds = elapsedMs / 1000;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')} min`;
}

/** @param signal stops the running stage: its promise rejects with the signal's reason */
export function openScreen(out: NodeJS.WriteStream, signal?: AbortSignal): Screen {
  const isTerminal = out.isTTY;
  let drawnLines = 0;
  const erase = (): void => {
    if (drawnLines > 0) out.write(`\x1b[${drawnLines}F\x1b[J`);
    drawnLines = 0;
  };
  const screen: Screen = {
    isTerminal,
    get columns() {
      return Math.max(60, Math.min(out.columns ?? 100, 140));
    },
    line: (text) => {
      erase();
      out.write(`${text}\n`);
    },
    draw: (lines) => {
      if (!isTerminal) return;
      // One write a frame: a terminal that gets the erasing and the drawing apart flickers.
      const up = drawnLines > 0 ? `\x1b[${drawnLines}F` : '';
      const shown = lines.slice(0, Math.max(5, (out.rows ?? 40) - 1));
      out.write(`${up}${shown.map((line) => `${line}\x1b[K`).join('\n')}\n\x1b[J`);
      drawnLines = shown.length;
    },
    keep: () => {
      drawnLines = 0;
    },
    stage: (title, work) => runStage(screen, title, (note) => unlessAborted(signal, () => work(note))),
  };
  return screen;
}

async function unlessAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work();
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work(), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function runStage<T>(
  screen: Screen,
  title: string,
  work: (note: (text: string) => void) => Promise<T>,
): Promise<T> {
  const startedAtMs = performance.now();
  const elapsed = (): string => elapsedText(performance.now() - startedAtMs);
  let small = '';
  let frame = 0;
  const tick = (): void => {
    frame += 1;
    const text = `${spinner[frame % spinner.length]} ${title}  ${elapsed()}${small === '' ? '' : `  ${small}`}`;
    if (screen.isTerminal) screen.draw([text.slice(0, screen.columns - 1)]);
    else screen.line(`  … ${title}: ${elapsed()}${small === '' ? '' : `, ${small}`}`);
  };
  if (!screen.isTerminal) screen.line(`▸ ${title}`);
  const ticker = setInterval(tick, screen.isTerminal ? terminalTickMs : logTickMs);
  try {
    const result = await work((text) => {
      small = text;
    });
    screen.line(`✓ ${title}  ${elapsed()}`);
    return result;
  } catch (error) {
    screen.line(`✗ ${title}  ${elapsed()}`);
    throw error;
  } finally {
    clearInterval(ticker);
  }
}

/** Shows the inner stages of a long stage: the running ones as its small print, each finished one on a line. */
export function innerProgress(screen: Screen, note: (text: string) => void): Progress {
  const running = new Map<string, string>();
  const show = (): void =>
    note([...running].map(([title, words]) => (words === '' ? title : `${title}: ${words}`)).join(', '));
  return {
    note,
    stage: async (title, work) => {
      const startedAtMs = performance.now();
      running.set(title, '');
      show();
      try {
        return await work((words) => {
          running.set(title, words);
          show();
        });
      } finally {
        running.delete(title);
        show();
        const elapsedMs = performance.now() - startedAtMs;
        if (elapsedMs > quietBelowMs) screen.line(`    ${title}  ${elapsedText(elapsedMs)}`);
      }
    },
  };
}
