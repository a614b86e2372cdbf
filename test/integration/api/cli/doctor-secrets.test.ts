/** What `latchkey doctor` says of the audit trail, keys and clocks: each fault is planted for real and found by its check alone. */
import { expect } from 'chai';
import { createSigningKeys, readPrivateKey } from '../../../../api/src/crypto/signing-keys.ts';
import { TEST_KEYS } from '../../../support/api.ts';
import { AUDIT_SECRET, AuditPod, defaultTenant, writeTrail } from '../../../support/audit.ts';
import { DoctorScene, findsEach, OTHER_KEYS } from '../../../support/doctor-scene.ts';
import { APPLICATION_ROLE as APPLICATION } from '../../../support/postgres.ts';

const nextMonth = (): string => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString().slice(0, 7).replace('-', '_');
};

describe('latchkey doctor, of the audit trail, keys and clocks', () => {
  const scene = new DoctorScene();
  before(() => scene.open());
  beforeEach(() => scene.renew());
  afterEach(() => scene.tidy());
  after(() => scene.close());

  findsEach(scene, [
    {
      title: 'a trigger of the audit trail is disabled',
      id: 'audit-triggers',
      plant: async () => {
        await scene.sql('ALTER TABLE auth.login_history DISABLE TRIGGER refuse_login_history_change');
        return {};
      },
      remedy: /^ALTER TABLE \S+ ENABLE TRIGGER refuse_login_history_change; then latchkey audit verify/,
    },
    {
      title: 'a trigger of the audit trail is gone',
      id: 'audit-triggers',
      plant: async () => {
        await scene.sql('DROP TRIGGER refuse_truncate ON latchkey.audit_events_default');
        return {};
      },
      remedy: /as migration 0026 does, then latchkey audit verify/,
    },
    {
      title: "next month's partition of the audit trail is missing",
      id: 'audit-partitions',
      plant: async () => {
        await scene.sql(`DROP TABLE latchkey.audit_events_${nextMonth()}`);
        return {};
      },
      remedy: /^psql "\$DATABASE_URL" -c 'SELECT latchkey\.ensure_audit_partitions\(3\)'$/,
    },
    {
      title: 'audit rows wait for their seal',
      id: 'audit-seals',
      plant: async () => {
        await writeTrail(scene.broken(), await defaultTenant(scene.database), 1);
        await scene.sql("UPDATE latchkey.audit_pending SET event_created_at = now() - interval '10 minutes'");
        return {};
      },
      remedy: /auth-audit-unsealed\.md$/,
    },
    {
      title: 'the key of the audit trail was changed and the old one not kept',
      id: 'audit-keys',
      plant: async () => {
        const pod = new AuditPod(scene.database.url);
        await writeTrail(scene.broken(), await defaultTenant(scene.database), 1);
        await pod.seal();
        await pod.sign();
        await pod.close();
        expect(
          (await scene.examine({ AUDIT_KEY: AUDIT_SECRET.toString('base64') }, ['--only', 'audit-keys'])).code,
        ).to.equal(0);
        return { AUDIT_KEY: OTHER_KEYS.ENCRYPTION_KEY };
      },
      remedy: /AUDIT_KEYS_PREVIOUS/,
    },
    {
      title: 'the key that signs was retired and no other is there',
      id: 'signing-keys',
      plant: async () => {
        await scene.latchkey('keys', 'retire', createSigningKeys(readPrivateKey(TEST_KEYS.JWT_PRIVATE_KEY)).keyId);
        return {};
      },
      remedy: /^latchkey keys rotate --now$/,
    },
    {
      title: 'a retired key still has its private half',
      id: 'signing-keys',
      plant: async () => {
        await scene.latchkey('keys', 'rotate', '--now');
        await scene.sql('UPDATE latchkey.signing_key SET retired_at = now()');
        return {};
      },
      remedy: /^latchkey keys retire -- [\w-]{43}$/,
    },
    {
      title: 'the signing key is old and the next one missing',
      id: 'signing-key-age',
      plant: async () => {
        await scene.latchkey('keys', 'rotate', '--now');
        await scene.sql("UPDATE latchkey.signing_key SET activates_at = now() - interval '91 days'");
        return {};
      },
      remedy: /^latchkey keys rotate,/,
    },
    {
      title: 'ENCRYPTION_KEY is not the one that sealed the signing key',
      id: 'signing-keys-sealed',
      plant: async () => {
        await scene.latchkey('keys', 'rotate', '--now');
        return { ENCRYPTION_KEY: OTHER_KEYS.ENCRYPTION_KEY };
      },
      remedy: /ENCRYPTION_KEYS_PREVIOUS; if it is lost, latchkey keys rotate --now/,
    },
    {
      title: 'ENCRYPTION_KEY is not the one that sealed what waits',
      id: 'encryption-key',
      plant: async () => {
        await scene.waitingMail(OTHER_KEYS.ENCRYPTION_KEY, 1);
        return {};
      },
      remedy: /^put the key before into ENCRYPTION_KEYS_PREVIOUS$/,
    },
    {
      title: "PostgreSQL's clock is wrong",
      id: 'clock',
      plant: async () => {
        await scene.sql('CREATE SCHEMA wrong; GRANT USAGE ON SCHEMA wrong TO PUBLIC');
        await scene.sql(
          "CREATE FUNCTION wrong.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + interval '2 minutes' $$",
        );
        await scene.sql(
          `ALTER ROLE ${APPLICATION} IN DATABASE ${scene.database.name} SET search_path = wrong, pg_catalog, public`,
        );
        return {};
      },
      remedy: /^on the machine of PostgreSQL: timedatectl set-ntp true/,
    },
  ]);
});
