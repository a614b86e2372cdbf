/** docs/security-configuration.md makes the secrets with its own commands, on a real apiserver: what comes out is what the API starts with. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { readConfig } from '../../../api/src/config.ts';
import { partsFor } from '../../../k8s/local/parts.ts';
import { run } from '../../../k8s/local/run.ts';
import { type TestApiserver, testApiserver } from '../../support/apiserver.ts';
import { blocksOf } from '../../support/page-commands.ts';

const secretShape = z.looseObject({ data: z.record(z.string(), z.string()) });

describe('the commands of docs/security-configuration.md', function () {
  this.timeout(90_000);
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-secrets-'));
  let server: TestApiserver;

  before(async () => {
    server = await testApiserver();
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'auth' } };
    await server.request('POST', '/api/v1/namespaces', namespace).catch((error: unknown) => {
      if (!String(error).includes('AlreadyExists')) throw error;
    });
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    for (const name of ['auth-api', 'auth-api-2'])
      await server.request('DELETE', `/api/v1/namespaces/auth/secrets/${name}`).catch(() => undefined);
  });

  const type = async (commands: string): Promise<void> => {
    const { kubectl } = await partsFor(['kubectl']);
    const PATH = `${dirname(kubectl)}${delimiter}${process.env['PATH'] ?? ''}`;
    await run('bash', ['-euc', commands], { cwd: folder, env: { PATH, KUBECONFIG: server.kubeconfig() } });
  };
  const secret = async (name: string): Promise<Readonly<Record<string, string>>> => {
    const { data } = secretShape.parse(await server.request('GET', `/api/v1/namespaces/auth/secrets/${name}`));
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
    );
  };

  it('make a Secret that the API starts with in production, and the next one beside it with one key more', async () => {
    const [make = '', change = ''] = blocksOf('docs/security-configuration.md', 'console');
    await type(make);
    const { MIGRATION_DATABASE_URL: owner, ...first } = await secret('auth-api');
    const { secrets } = readConfig({ ...first, PUBLIC_URL: 'https://auth.example.com' });
    expect(owner).to.include('latchkey_owner');
    expect(secrets.previousPeppers).to.deep.equal([]);
    await type(change);
    const second = await secret('auth-api-2');
    expect(second).to.include({ ...first });
    const { secrets: changed } = readConfig({ ...second, PUBLIC_URL: 'https://auth.example.com' });
    expect(changed.previousPeppers).to.have.length(1);
  });
});
