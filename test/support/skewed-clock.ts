/** Loaded before the operator (`--import`): its wall clock is CLOCK_SKEW_MS wrong from the first line on. Used by test/integration/operator. */
const skewMs = Number(process.env['CLOCK_SKEW_MS']);
const RealDate = Date;

class SkewedDate extends RealDate {
  constructor(...args: readonly [] | readonly [string | number | Date]) {
    super(args[0] ?? RealDate.now() + skewMs);
  }

  static override now(): number {
    return RealDate.now() + skewMs;
  }
}

Object.assign(globalThis, { Date: SkewedDate });
