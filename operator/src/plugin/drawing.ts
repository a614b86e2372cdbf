/** The marks of a rollout's picture. Pure; used by view.ts and by the demo's live view (k8s/demo/view.ts), so that both look alike. */

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

export type Paint = (text: string, how: keyof typeof CODES) => string;

export function painter(hasColour: boolean): Paint {
  return (text, how) => (hasColour ? `\x1b[${CODES[how]}m${text}\x1b[0m` : text);
}

/** Where a run stands, as its status says it. */
export interface Standing {
  readonly phase?: string | undefined;
  readonly stepIndex?: number | undefined;
}

/** Each step of the schedule: passed, running or to come. */
export function stepsText(
  schedule: readonly { readonly weight: number }[],
  standing: Standing | undefined,
  paint: Paint,
): string {
  const isRunning = standing?.phase === 'Progressing' || standing?.phase === 'Promoting';
  const current = isRunning ? (standing.stepIndex ?? -1) : -1;
  return schedule
    .map(({ weight }, index) => {
      if (standing?.phase === 'Succeeded' || index < current) return paint(`✓ ${weight} %`, 'green');
      return index === current ? paint(`● ${weight} %`, 'bold') : paint(`· ${weight} %`, 'dim');
    })
    .join('   ');
}

/** At least one cell as soon as there is something. */
export function bar(share: number, cells: number, paint: Paint): string {
  const filled = share <= 0 ? 0 : Math.max(1, Math.round(Math.min(1, share) * cells));
  return `${'█'.repeat(filled)}${paint('░'.repeat(cells - filled), 'dim')}`;
}

export interface Verdict {
  readonly verdict: string;
  readonly severity?: string | undefined;
  readonly why?: string | undefined;
}

/** A verdict in words: pass, fail P1, unknown NoData. */
export function verdictText({ verdict, severity, why }: Verdict): string {
  return [verdict, severity ?? why ?? ''].join(' ').trim();
}
