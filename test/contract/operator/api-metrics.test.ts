import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { FAMILIES } from '../../../operator/src/api-metrics.ts';

const HISTOGRAM_PARTS = /_(bucket|count|sum)$/;

describe('the metric contract', () => {
  it('every name that the operator reads is one that the API exports', () => {
    const exported = readFileSync(new URL('../../../api/src/metrics.ts', import.meta.url), 'utf8');
    for (const family of FAMILIES) expect(exported, family).to.contain(`'${family.replace(HISTOGRAM_PARTS, '')}'`);
  });
});
