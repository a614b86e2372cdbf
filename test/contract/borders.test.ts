/** The import borders of docs/architecture.md, read from the source text: what lint enforces line by line is proved here for the tree. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PRODUCT = ['api/src', 'api/client/src', 'operator/src'] as const;

interface Import {
  readonly file: string;
  readonly specifier: string;
}

const sourceFiles = (folder: string): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));

const importsOf = (file: string): readonly Import[] => {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => ({ file, specifier: match[1] ?? match[2] ?? match[3] ?? '' }));
};

/** Repository path of a relative import; undefined for a package. */
const targetOf = ({ file, specifier }: Import): string | undefined =>
  specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : undefined;

const allImports = PRODUCT.flatMap((folder) => sourceFiles(folder)).flatMap(importsOf);
const show = (imports: readonly Import[]): readonly string[] => imports.map((i) => `${i.file} imports ${i.specifier}`);

describe('borders', () => {
  for (const core of ['api/src/core', 'operator/src/core']) {
    it(`${core} imports only its siblings and zod`, () => {
      const files = sourceFiles(core);
      expect(files, 'core/ has files to judge').not.to.be.empty;
      const imports = files.flatMap(importsOf);
      const trespassing = imports.filter((i) => {
        const target = targetOf(i);
        return target === undefined ? i.specifier !== 'zod' : dirname(target) !== core;
      });
      expect(show(trespassing)).to.deep.equal([]);
    });

    it(`${core} reads no clock, environment or randomness`, () => {
      const impure =
        /\bDate\.now\(|\bnew Date\(\s*\)|\bprocess\.|\bMath\.random\(|\bsetTimeout\(|\bconsole\.|\bfetch\(/;
      const offenders = sourceFiles(core).filter((file) => impure.test(readFileSync(join(ROOT, file), 'utf8')));
      expect(offenders).to.deep.equal([]);
    });
  }

  it('api and operator share no code', () => {
    const crossing = allImports.filter((i) => {
      const target = targetOf(i);
      const own = i.file.split('/')[0] ?? '';
      return target !== undefined && !target.startsWith(`${own}/`) && target !== 'package.json';
    });
    expect(show(crossing)).to.deep.equal([]);
  });

  it('the client is a program of its own: it imports its siblings and no package, and the API does not import it', () => {
    const client = sourceFiles('api/client/src').flatMap(importsOf);
    expect(client, 'there is something to judge').not.to.be.empty;
    expect(show(client.filter((i) => dirname(targetOf(i) ?? '') !== 'api/client/src'))).to.deep.equal([]);
    const api = sourceFiles('api/src').flatMap(importsOf);
    expect(show(api.filter((i) => targetOf(i)?.startsWith('api/client/')))).to.deep.equal([]);
  });

  it('the product imports nothing from test', () => {
    expect(show(allImports.filter((i) => targetOf(i)?.startsWith('test/')))).to.deep.equal([]);
  });

  it('a test with generated inputs is a property, not a unit test (ADR 20)', () => {
    const units = sourceFiles('test/unit').flatMap(importsOf);
    expect(show(units.filter(({ specifier }) => specifier === 'fast-check'))).to.deep.equal([]);
  });

  it('no catch-all and no barrel file exists', () => {
    const forbidden = /(^|\/)(utils?|helpers?|types|constants|index|misc|common)\.ts$/;
    expect(PRODUCT.flatMap((folder) => sourceFiles(folder)).filter((file) => forbidden.test(file))).to.deep.equal([]);
  });

  it('product files are kebab-case and at most 300 lines', () => {
    const offenders = PRODUCT.flatMap((folder) => sourceFiles(folder)).filter((file) => {
      const name = file.split('/').at(-1) ?? '';
      const lines = readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1;
      return !/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name) || lines > 300;
    });
    expect(offenders).to.deep.equal([]);
  });
});
