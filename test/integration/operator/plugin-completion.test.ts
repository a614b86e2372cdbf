/** The completion of kubectl authrollout in a real bash, and as kubectl itself asks for it, with names from the real apiserver. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Scene } from '../../support/rollout-scene.ts';

const BIN = fileURLToPath(new URL('../../../operator/bin/', import.meta.url));
const COMMANDS = ['kubectl-authrollout', 'kubectl_complete-authrollout'];
const run = promisify(execFile);

describe('the completion of kubectl authrollout', function () {
  this.timeout(60_000);
  let folder: string;
  let env: NodeJS.ProcessEnv;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-completion-'));
    for (const command of COMMANDS) await symlink(join(BIN, command), join(folder, command));
    env = { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}` };
  });

  after(() => rm(folder, { recursive: true }));

  it('works in bash, with the names of the namespace that is typed', async () => {
    const scene = await Scene.create();
    const line = `kubectl-authrollout status -n ${scene.namespace} --kubeconfig ${scene.server.kubeconfig()} au`;
    const typed = `source <(kubectl-authrollout completion bash)
      COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _kubectl_authrollout; echo "\${COMPREPLY[*]}"`;
    expect((await run('bash', ['-c', typed], { env })).stdout.trim()).to.equal('auth-api');
  });

  it('answers kubectl, and is silent about what it cannot find', async () => {
    expect((await run('kubectl_complete-authrollout', ['set-'], { env })).stdout).to.equal('set-weight\n:0\n');
    const lost = await run('kubectl_complete-authrollout', ['status', '--kubeconfig', join(folder, 'none'), ''], {
      env,
    });
    expect(lost).to.deep.include({ stdout: ':0\n', stderr: '' });
  });
});
