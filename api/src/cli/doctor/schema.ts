/**
 * The indexes that the service's statements count on, as PostgreSQL writes them, each with the migration that brings it. Keys and constraints are not here:
 * without those a migration would have failed. Read by schema-checks.ts; a test holds the list against a migrated database.
 */

export interface ExpectedIndex {
  /** `schema.index` */
  readonly name: string;
  /** Since which migration. */
  readonly since: number;
  readonly definition: string;
}

const INDEXES: readonly (readonly [since: number, definition: string])[] = [
  [20, 'CREATE UNIQUE INDEX organization_slug_key ON public.organization (slug)'],
  [21, 'CREATE INDEX role_permissions_permission_idx ON auth.role_permissions (permission_id)'],
  [21, 'CREATE INDEX user_permissions_permission_idx ON auth.user_permissions (permission_id)'],
  [21, 'CREATE INDEX user_roles_role_idx ON auth.user_roles (role_id)'],
  [
    21,
    `CREATE INDEX user_sessions_active_org_idx ON auth.user_sessions (org_id) WHERE (status = 'active'::auth.session_status)`,
  ],
  [
    21,
    `CREATE INDEX user_sessions_active_user_idx ON auth.user_sessions (user_id, created_at) WHERE (status = 'active'::auth.session_status)`,
  ],
  [21, 'CREATE INDEX users_extended_email_idx ON auth.users_extended (email)'],
  [
    22,
    'CREATE INDEX mail_outbox_due_idx ON latchkey.mail_outbox (next_attempt_at) WHERE ((sent_at IS NULL) AND (given_up_at IS NULL))',
  ],
  [22, 'CREATE INDEX mail_outbox_recipient_idx ON latchkey.mail_outbox (recipient, template, sent_at)'],
  [22, 'CREATE INDEX one_time_token_expiry_idx ON latchkey.one_time_token (expires_at)'],
  [22, 'CREATE INDEX one_time_token_user_idx ON latchkey.one_time_token (user_id, purpose)'],
  [22, 'CREATE INDEX password_history_user_idx ON latchkey.password_history (user_id, created_at DESC)'],
  [
    23,
    `CREATE INDEX users_extended_hash_cost_idx ON auth.users_extended (org_id, "substring"(password_hash, '\\$2[aby]\\$(\\d\\d)\\$'::text) DESC NULLS LAST)`,
  ],
  [23, 'CREATE INDEX attempt_budget_age_idx ON latchkey.attempt_budget (org_id, last_attempt_at)'],
  [23, 'CREATE INDEX attempt_budget_notice_idx ON latchkey.attempt_budget (org_id) WHERE is_notice_due'],
  [23, 'CREATE INDEX attempt_budget_user_idx ON latchkey.attempt_budget (user_id) WHERE (user_id IS NOT NULL)'],
  [23, 'CREATE INDEX backup_code_user_idx ON latchkey.backup_code (user_id)'],
  [25, 'CREATE INDEX users_extended_org_created_idx ON auth.users_extended (org_id, created_at DESC, id DESC)'],
  [26, 'CREATE INDEX audit_events_org_id_created_at_id_idx ON auth.audit_events (org_id, created_at DESC, id DESC)'],
  [26, 'CREATE INDEX audit_events_user_id_created_at_idx ON auth.audit_events (user_id, created_at DESC)'],
  [26, 'CREATE INDEX login_history_org_id_created_at_id_idx ON auth.login_history (org_id, created_at DESC, id DESC)'],
  [26, 'CREATE INDEX login_history_user_id_created_at_idx ON auth.login_history (user_id, created_at DESC)'],
  [
    26,
    `CREATE INDEX audit_checkpoint_anchor_idx ON latchkey.audit_checkpoint (org_id, sequence) WHERE (kind = 'anchor'::text)`,
  ],
  [
    26,
    `CREATE UNIQUE INDEX audit_checkpoint_sequence_key ON latchkey.audit_checkpoint (org_id, sequence) WHERE (kind = 'checkpoint'::text)`,
  ],
  [26, 'CREATE INDEX audit_pending_org_idx ON latchkey.audit_pending (org_id, id)'],
  [26, 'CREATE INDEX error_event_hour_idx ON latchkey.error_event (hour DESC, id DESC)'],
];

const nameOf = (definition: string): string => {
  const [, index = '', schema = ''] = /INDEX (\w+) ON (\w+)\./.exec(definition) ?? [];
  return `${schema}.${index}`;
};

export const EXPECTED_INDEXES: readonly ExpectedIndex[] = INDEXES.map(([since, definition]) => ({
  name: nameOf(definition),
  since,
  definition,
}));

/** Tables without a tenant: everybody's, and read by name. Every other table of these schemas has row level security. */
export const OF_NO_TENANT: readonly string[] = ['latchkey.migration', 'latchkey.signing_key'];
