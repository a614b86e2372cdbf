/** Mocha's spec reporter that also writes its counts to $LATCHKEY_TEST_RESULT; test/run.ts adds them up. */
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class CountingSpec extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const file = process.env.LATCHKEY_TEST_RESULT;
      if (file !== undefined) {
        const { passes, failures, pending, duration } = this.stats;
        writeFileSync(file, JSON.stringify({ passed: passes, failed: failures, pending, durationMs: duration }));
      }
    });
  }
};
