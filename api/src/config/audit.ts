/** The audit trail: under which key it is chained, how often its length is signed, how long it is kept. Part of config.ts. */
import { z } from 'zod';
import { integer, key, olderKeys, variable } from './variable.ts';

export const auditVariables = {
  AUDIT_KEY: variable(
    key.optional(),
    '"$(openssl rand -base64 32)"',
    'Chains the audit trail and signs its checkpoints. Without it ENCRYPTION_KEY does, through a derivation of its own.',
  ),
  AUDIT_KEYS_PREVIOUS: variable(
    olderKeys,
    '"<the key before>"',
    'Older values of AUDIT_KEY, a comma list: the part of the chain that they sealed can be verified as long as they are here.',
  ),
  AUDIT_CHECKPOINT_SECONDS: variable(
    integer(1, 3600).default(60),
    '60',
    'How old the last signed checkpoint of a growing chain may become. A cut end is found by the first checkpoint after it.',
  ),
};

const parsed = z.object(auditVariables);
type AuditEnvironment = z.infer<typeof parsed>;

export interface AuditConfig {
  readonly auditCheckpointMs: number;
}

export const readAudit = (env: AuditEnvironment): AuditConfig => ({
  auditCheckpointMs: env.AUDIT_CHECKPOINT_SECONDS * 1000,
});

/** The key that seals now, and those that may have sealed before. */
export interface AuditKeyring {
  readonly current: Buffer;
  readonly previous: readonly Buffer[];
}

interface KeyEnvironment extends AuditEnvironment {
  readonly ENCRYPTION_KEY: Buffer;
  readonly ENCRYPTION_KEYS_PREVIOUS: readonly Buffer[];
}

/** A chain that began without AUDIT_KEY can still be verified after it is set: the encryption keys stay among the older ones. */
export const readAuditKeys = (env: KeyEnvironment): AuditKeyring => {
  const encryption = [env.ENCRYPTION_KEY, ...env.ENCRYPTION_KEYS_PREVIOUS];
  const [current = env.ENCRYPTION_KEY, ...previous] = [
    ...(env.AUDIT_KEY === undefined ? [] : [env.AUDIT_KEY]),
    ...(env.AUDIT_KEY === undefined ? encryption : []),
    ...env.AUDIT_KEYS_PREVIOUS,
    ...(env.AUDIT_KEY === undefined ? [] : encryption),
  ];
  return { current, previous };
};
