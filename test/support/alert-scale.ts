/**
 * Shrinks the alerts' time by one factor, so that an hour of a rule passes in a minute: every duration (windows, offsets, `for`, the interval of
 * evaluation) and, where a rule compares the age of something, the age. Rates a second and shares are none of it and stay. Pure. Used by the live
 * tests of the alerts.
 */

/** As helm renders it; what a rule says to people is of no concern here. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RuleGroup {
  readonly name: string;
  readonly interval: string;
  readonly rules: readonly AlertRule[];
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A range selector's window or an offset. A subquery has a second duration, and none of the rules is one. */
const DURATION_IN_EXPR = /(?<=\[|\boffset )\d+[a-z]+\b/g;
/** Gauges that say how long something has been so: they grow by a second a second, and so do their limits shrink with time itself. */
const AGE = /_(oldest(_\w+)?|last_event_age)_seconds\b/;
const AGE_LIMIT = /(?<=> )\d+$/;

/** @throws RangeError on what is no single duration of Prometheus, or shrinks below a millisecond */
export const shrinkDuration = (text: string, factor: number): string => {
  const [, count = '', unit = ''] = /^(\d+)([a-z]+)$/.exec(text) ?? [];
  const ms = Math.round((Number(count) * (UNIT_MS[unit] ?? Number.NaN)) / factor);
  if (!(ms >= 1)) throw new RangeError(`${text} shrunk ${factor} times is no duration`);
  return `${ms}ms`;
};

/** @throws RangeError where an age has a limit that is not the expression's last word: it would stay as it is */
const shrinkExpr = (expr: string, factor: number): string => {
  const shrunk = expr.replace(DURATION_IN_EXPR, (duration) => shrinkDuration(duration, factor));
  if (!AGE.test(expr)) return shrunk;
  if (!AGE_LIMIT.test(expr)) throw new RangeError(`where is the limit of the age in ${expr}?`);
  return shrunk.replace(AGE_LIMIT, (seconds) => String(Number(seconds) / factor));
};

const shrinkRule = (rule: AlertRule, factor: number): AlertRule => ({
  ...rule,
  expr: shrinkExpr(rule.expr, factor),
  ...(rule.for === undefined ? {} : { for: shrinkDuration(rule.for, factor) }),
});

/** The same groups for a world in which everything passes `factor` times as fast. @throws RangeError */
export const shrinkGroups = (groups: readonly RuleGroup[], factor: number): readonly RuleGroup[] =>
  groups.map(({ name, interval, rules }) => ({
    name,
    interval: shrinkDuration(interval, factor),
    rules: rules.map((rule) => shrinkRule(rule, factor)),
  }));

/**
 * The same groups for another installation: what the chart says of the namespace it was rendered into, in matchers and labels, is said of `to`.
 * @param from the namespace that helm rendered into
 */
export const moveGroups = (groups: readonly RuleGroup[], from: string, to: string): readonly RuleGroup[] =>
  groups.map((group) => ({
    ...group,
    name: `${to} ${group.name}`,
    rules: group.rules.map((rule) => ({
      ...rule,
      expr: rule.expr.replaceAll(`namespace="${from}"`, `namespace="${to}"`),
      labels: Object.fromEntries(
        Object.entries(rule.labels).map(([name, value]) => [name, name === 'namespace' && value === from ? to : value]),
      ),
    })),
  }));
