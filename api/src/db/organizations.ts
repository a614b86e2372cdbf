/**
 * The statements on organizations, which are no tenant's rows: whoever calls has made sure that the caller may see them. Called by
 * services/admin-scope.ts and services/admin-organizations.ts.
 */
import { z } from 'zod';
import type { Transaction } from './database.ts';

const organizationRow = z.object({
  id: z.uuid(),
  slug: z.string().nullable(),
  name: z.string(),
  created_at: z.date(),
});

export type OrganizationRow = Readonly<z.infer<typeof organizationRow>>;

export const organizationExists = async (tx: Transaction, id: string): Promise<boolean> =>
  (await tx.query('SELECT 1 FROM public.organization WHERE id = $1', [id])).rowCount === 1;

/** All of them, or the one. */
export const listOrganizations = async (tx: Transaction, only?: string): Promise<readonly OrganizationRow[]> => {
  const { rows } = await tx.query(
    `SELECT id, slug, name, created_at FROM public.organization WHERE $1::uuid IS NULL OR id = $1 ORDER BY name, id LIMIT 1000`,
    [only ?? null],
  );
  return z.array(organizationRow).parse(rows);
};

/** With its system roles, in a transaction of the new organization's own tenant. @throws the driver's unique violation when the slug is taken */
export const insertOrganization = async (
  tx: Transaction,
  organization: { readonly id: string; readonly slug: string; readonly name: string },
): Promise<void> => {
  await tx.query('INSERT INTO public.organization (id, slug, name) VALUES ($1, $2, $3)', [
    organization.id,
    organization.slug,
    organization.name,
  ]);
  await tx.query('SELECT auth.create_system_roles($1)', [organization.id]);
};
