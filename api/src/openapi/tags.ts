/** The groups of endpoints, each with a page of its own in docs/api/. Called by document.ts and reference.ts. */
import type { EndpointSpec } from '../http/endpoint.ts';
import type { JsonSchema } from './schemas.ts';

interface Tag {
  readonly description: string;
  /** In docs/. */
  readonly page: string | undefined;
}

const TAGS: Readonly<Record<string, Tag>> = {
  Accounts: { description: 'Open an account, prove its address, read and change it.', page: 'api/accounts.md' },
  Sessions: { description: 'Log in, stay logged in, log out, here or everywhere.', page: 'api/sessions.md' },
  Login: { description: 'Password, second factor, and proving oneself again.', page: 'api/login.md' },
  Passwords: { description: 'Change, expiry and reset.', page: 'api/accounts.md' },
  'Second factor': { description: 'An authenticator app and backup codes.', page: 'api/mfa.md' },
  Administration: {
    description:
      'Accounts, roles, permissions, organizations, feature flags, system configuration: for administrators.',
    page: 'api/admin.md',
  },
  Profile: {
    description: 'Names, preferences, picture and feature flags of the account itself.',
    page: 'api/profile.md',
  },
  Audit: { description: 'What happened, who did it, from where: for auditors.', page: 'api/audit.md' },
  Operation: { description: 'Diagnoses and errors: for whoever operates the service.', page: 'api/health.md' },
  Reference: { description: 'This contract.', page: undefined },
};

/** A group that has no entry yet has no page either. */
export const tagOf = (name: string): Tag => TAGS[name] ?? { description: '', page: undefined };

export const tagNamesOf = (specs: readonly EndpointSpec[]): readonly string[] => {
  const used = new Set(specs.map(({ tag }) => tag));
  const known = Object.keys(TAGS).filter((name) => used.has(name));
  return [...known, ...[...used].filter((name) => TAGS[name] === undefined)];
};

export const tagsOf = (specs: readonly EndpointSpec[]): readonly JsonSchema[] =>
  tagNamesOf(specs).map((name) => {
    const { description } = tagOf(name);
    return description === '' ? { name } : { name, description };
  });
