/** The chart's jobs, its autoscaler and the spread of its pods: off unless asked for, and never among the pods that serve users. */
import { expect } from 'chai';
import { z } from 'zod';
import { cronJob, job, type KubernetesObject, only, render, workload } from './helm.ts';

const KEY = `lkpub_${'a'.repeat(43)}`;
const selecting = z.looseObject({ selector: z.record(z.string(), z.string()) });
const scaled = z.looseObject({ scaleTargetRef: z.looseObject({ name: z.string() }) });
const spread = z.array(
  z.looseObject({ labelSelector: z.looseObject({ matchLabels: z.record(z.string(), z.string()) }) }),
);

const variables = (container: { readonly env: readonly { readonly name: string }[] } | undefined): readonly string[] =>
  (container?.env ?? []).map(({ name }) => name);

/** Whether a Service would send users to a pod with these labels. */
const isServed = (objects: readonly KubernetesObject[], labels: Readonly<Record<string, string>>): boolean =>
  objects
    .filter(({ kind }) => kind === 'Service')
    .some(({ spec }) =>
      Object.entries(selecting.parse(spec).selector).every(([name, value]) => labels[name] === value),
    );

describe('jobs of the chart', () => {
  it('are not there unless somebody asks for them', async () => {
    const kinds = (await render('latchkey')).map(({ kind }) => kind);
    for (const kind of ['CronJob', 'Job', 'HorizontalPodAutoscaler', 'PersistentVolumeClaim'])
      expect(kinds).not.to.include(kind);
  });

  it('write a backup every six hours and keep it for thirty days, on a claim that outlives the release', async () => {
    const objects = await render('latchkey', { backup: { enabled: true, publicKey: KEY } });
    const { schedule, concurrencyPolicy, jobTemplate } = cronJob(only(objects, 'CronJob', 'auth-api-backup'));
    const { template } = jobTemplate.spec;
    expect([schedule, concurrencyPolicy]).to.deep.equal(['0 */6 * * *', 'Forbid']);
    expect(template.spec.containers[0]?.command).to.include.members(['create', '/backups', '--keep-days=30']);
    expect(variables(template.spec.containers[0])).to.include.members([
      'MIGRATION_DATABASE_URL',
      'REDIS_URL',
      'ENCRYPTION_KEY',
      'BACKUP_PUBLIC_KEY',
    ]);
    expect(isServed(objects, template.metadata.labels)).to.equal(false);
    const claim = only(objects, 'PersistentVolumeClaim', 'auth-api-backups');
    expect(claim.metadata.annotations).to.include({ 'helm.sh/resource-policy': 'keep' });
    const own = await render('latchkey', { backup: { enabled: true, publicKey: KEY, existingClaim: 'mine' } });
    expect(own.map(({ kind }) => kind)).not.to.include('PersistentVolumeClaim');
  });

  it("migrate once before anything changes, and then no pod does; a run that failed is in nobody's way", async () => {
    const objects = await render('latchkey', { migrate: { asJob: true } });
    const found = only(objects, 'Job', 'auth-api-migrate');
    expect(found.metadata.annotations).to.deep.include({
      'helm.sh/hook': 'pre-install,pre-upgrade',
      'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
    });
    const { template } = job(found);
    expect(variables(template.spec.containers[0])).to.deep.equal(['MIGRATION_DATABASE_URL', 'DATABASE_URL']);
    expect(isServed(objects, template.metadata.labels)).to.equal(false);
    expect(workload(only(objects, 'Deployment', 'auth-api')).template.spec.initContainers).to.deep.equal([]);
  });

  it("scale the pods that serve users: the operator's copy with a rollout, the Deployment without", async () => {
    const targetOf = async (enabled: boolean): Promise<string> => {
      const objects = await render('latchkey', {
        replicas: null,
        autoscaling: { enabled: true },
        rollout: { enabled },
      });
      return scaled.parse(only(objects, 'HorizontalPodAutoscaler').spec).scaleTargetRef.name;
    };
    expect([await targetOf(true), await targetOf(false)]).to.deep.equal(['auth-api-stable', 'auth-api']);
  });

  it('spread over nodes counts stable and canary as one, since the operator copies the pods with another track', async () => {
    const { template } = workload(only(await render('latchkey'), 'Deployment', 'auth-api'));
    const [first] = spread.parse(template.spec['topologySpreadConstraints']);
    expect(template.metadata.labels).to.include(first?.labelSelector.matchLabels);
    expect(first?.labelSelector.matchLabels).not.to.have.property('latchkey.dev/track');
  });
});
