/** What stands under a picture's title: what it is and which run it shows. Called by pictures.ts and rollout-picture.ts. Pure. */
import type { Recording } from './recording.ts';
import { SOFT, words, wrapped } from './svg.ts';

/** Readable at the width that GitHub shows a page in. */
export const WIDTH = 960;
export const MARGIN = 12;
const TITLE_BASE = 26;
const SIZE = 11.5;
const LINE = 16;
const UNDER = 12;

export interface Head {
  readonly svg: string;
  /** Where what is below it begins. */
  readonly endsAt: number;
}

/** @param of what was asked, as in "from the answers to …" */
export function headOf(title: string, { source, from, rateInterval }: Recording, of: string): Head {
  const at = `${from.slice(0, 10)} ${from.slice(11, 16)} UTC`;
  const sentence = `Drawn by k8s/dashboards, not by Grafana, from what Prometheus answered to ${of} ($__rate_interval ${rateInterval}). The run: ${source}; from ${at}.`;
  const lines = wrapped(sentence, SIZE, WIDTH - 2 * MARGIN);
  const drawn = lines.map((text, index) =>
    words(text, { x: MARGIN, y: TITLE_BASE + 20 + index * LINE, size: SIZE, colour: SOFT }),
  );
  const head = words(title, { x: MARGIN, y: TITLE_BASE, size: 18, weight: 600 });
  return { svg: head + drawn.join(''), endsAt: TITLE_BASE + 20 + (lines.length - 1) * LINE + UNDER };
}
