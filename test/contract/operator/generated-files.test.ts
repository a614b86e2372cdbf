import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { generatedFiles } from '../../../operator/src/crd/generate.ts';

const readAs = (version: '1.1' | '1.2', text: string): readonly unknown[] =>
  parseAllDocuments(text, { version }).map((document): unknown => document.toJS());

describe('what the cluster is told of the schemas', () => {
  for (const [path, text] of generatedFiles()) {
    it(`is in ${path} as the code says it`, () => {
      expect(readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8')).equals(text);
    });

    if (/^k8s\/.*\.yaml$/.test(path))
      it(`says in ${path} the same to kubectl and Helm, which read YAML 1.1, where yes is a boolean`, () => {
        expect(readAs('1.1', text)).to.deep.equal(readAs('1.2', text));
      });
  }
});
