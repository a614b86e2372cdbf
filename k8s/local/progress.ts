/**
 * Says what is going on, with elapsed time, while something takes long. cluster.ts and parts.ts hand it down;
 * cli.ts and the demo print its lines.
 */

export type Say = (line: string) => void;

export interface Progress {
  /** Announces a stage, repeats itself while it lasts, and says how long it took. */
  stage<T>(title: string, work: (note: Say) => Promise<T>): Promise<T>;
  note(line: string): void;
}

const repeatAfterMs = 15_000;
const quietBelowMs = 1500;

/** A progress whose lines start with the seconds since it was made. */
export function progressTo(say: Say): Progress {
  const startedAt = performance.now();
  const line = (text: string) => say(`[${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s] ${text}`);
  return {
    note: line,
    async stage(title, work) {
      const beganAt = performance.now();
      let latest = '';
      const seconds = () => `${Math.round((performance.now() - beganAt) / 1000)} s`;
      line(`${title} …`);
      const repeat = setInterval(() => {
        line(`${title} … ${seconds()}${latest === '' ? '' : ` (${latest.slice(0, 90)})`}`);
      }, repeatAfterMs);
      try {
        const result = await work((words) => {
          latest = words;
        });
        if (performance.now() - beganAt > quietBelowMs) line(`${title}: done in ${seconds()}`);
        return result;
      } catch (error) {
        line(`${title}: failed after ${seconds()}`);
        throw error;
      } finally {
        clearInterval(repeat);
      }
    },
  };
}

/** For callers that want no words at all. */
export const silentProgress: Progress = {
  note: () => undefined,
  stage: async (_title, work) => await work(() => undefined),
};
