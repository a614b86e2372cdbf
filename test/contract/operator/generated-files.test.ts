import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { generatedFiles } from '../../../operator/src/crd/generate.ts';

describe('what the cluster is told of the schemas', () => {
  for (const [path, text] of generatedFiles())
    it(`is in ${path} as the code says it`, () => {
      expect(readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8')).equals(text);
    });
});
