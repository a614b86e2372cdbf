import { expect } from 'chai';
import { qualifiedName } from '../../../k8s/local/images.ts';

describe('the qualified name of an image', () => {
  for (const [tag, name] of [
    ['latchkey/api:1.0.0', 'docker.io/latchkey/api:1.0.0'],
    ['node:24', 'docker.io/library/node:24'],
    ['docker.io/latchkey/api:1', 'docker.io/latchkey/api:1'],
    ['localhost/pause:1', 'localhost/pause:1'],
    ['registry:5000/a:1', 'registry:5000/a:1'],
  ] as const) {
    it(`of ${tag} is ${name}`, () => expect(qualifiedName(tag)).to.equal(name));
  }
});
