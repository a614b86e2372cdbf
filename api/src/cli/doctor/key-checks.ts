/** Whether tokens can be signed and verified, and what is encrypted at rest be read. Part of the list in ../doctor.ts. */
import { z } from 'zod';
import { type KeyLife, keyLives } from '../../core/key-states.ts';
import { createSealedBoxes, type SealedBoxes } from '../../crypto/sealed-box.ts';
import { createSigningKeys } from '../../crypto/signing-keys.ts';
import { readSigningKeys, type StoredKey } from '../../db/signing-keys.ts';
import { keyContext, OVERLAP_MS } from '../../services/key-ring.ts';
import { mailContext } from '../../services/mail-outbox.ts';
import { type Check, fail, faultsOr, type Outcome, ok, warn } from './check.ts';
import type { Installation } from './installation.ts';

const DAY_MS = 86_400_000;
/** The security plan's period for a secret that is changed by rule. */
const KEY_AGE_DAYS = 90;

const boxesOf = ({ read }: Installation): SealedBoxes =>
  createSealedBoxes(read('ENCRYPTION_KEY'), read('ENCRYPTION_KEYS_PREVIOUS'));

const livesOf = async ({ ask, nowMs }: Installation): Promise<readonly KeyLife<StoredKey>[]> =>
  keyLives(await readSigningKeys(ask), OVERLAP_MS, nowMs());

const opens = (boxes: SealedBoxes, { keyId, sealedPrivateKey }: StoredKey): boolean => {
  try {
    boxes.open(sealedPrivateKey ?? '', keyContext(keyId));
    return true;
  } catch {
    return false;
  }
};

const signing: Check = {
  id: 'signing-keys',
  looksAt: 'a key signs access tokens, and no retired one can',
  look: async (installation) => {
    const lives = await livesOf(installation);
    const { keyId: own } = createSigningKeys(installation.read('JWT_PRIVATE_KEY'));
    const active = lives.filter(({ state }) => state === 'active');
    const isOwnRetired = lives.some(({ key, state }) => key.keyId === own && state === 'retired');
    const faults: Outcome[] = [];
    if (active.length === 0 && isOwnRetired)
      faults.push(
        fail(
          'no key signs: none that is stored is active, and the configured one was retired, so every token is refused',
          'latchkey keys rotate --now',
        ),
      );
    const halves = lives.filter(
      ({ key }) => key.retiredAtMs !== undefined && key.retiredAtMs <= installation.nowMs() && key.sealedPrivateKey,
    );
    for (const { key } of halves)
      faults.push(
        fail(
          `retired key ${key.keyId} still has its private half: whoever opens it can sign`,
          `latchkey keys retire -- ${key.keyId}`,
        ),
      );
    return faultsOr(faults, active[0] === undefined ? 'the configured key signs' : `key ${active[0].key.keyId} signs`);
  },
};

const age: Check = {
  id: 'signing-key-age',
  looksAt: `the signing key is younger than ${KEY_AGE_DAYS} days, or its successor is published`,
  look: async (installation) => {
    const lives = await livesOf(installation);
    const active = lives.find(({ state }) => state === 'active');
    if (active === undefined) return ok('the configured key signs: its age is not known here');
    const days = Math.floor((installation.nowMs() - active.key.activatesAtMs) / DAY_MS);
    if (lives.some(({ state }) => state === 'published')) return ok('the next key is published');
    if (days <= KEY_AGE_DAYS) return ok(`signs since ${days} days`);
    return warn(
      `key ${active.key.keyId} signs since ${days} days (limit ${KEY_AGE_DAYS}), and the next one is missing`,
      'latchkey keys rotate, which publishes it now and signs with it in ten minutes',
    );
  },
};

const sealed: Check = {
  id: 'signing-keys-sealed',
  looksAt: 'the stored signing keys open with ENCRYPTION_KEY',
  look: async (installation) => {
    const boxes = boxesOf(installation);
    const used = (await livesOf(installation)).filter(({ state }) => state === 'active' || state === 'published');
    const faults = used
      .filter(({ key }) => !opens(boxes, key))
      .map(({ key, state }) =>
        fail(
          `signing key ${key.keyId} (${state}) does not open with the configured ENCRYPTION_KEY: this pod signs with another`,
          'put the key that sealed it into ENCRYPTION_KEYS_PREVIOUS; if it is lost, latchkey keys rotate --now seals a new one with this ENCRYPTION_KEY',
        ),
      );
    return faultsOr(faults, used.length === 0 ? 'none is stored' : `${used.length} open`);
  },
};

const mailRows = z.array(z.object({ id: z.uuid(), sealed: z.string() }));

const encryption: Check = {
  id: 'encryption-key',
  looksAt: 'what is encrypted at rest opens with ENCRYPTION_KEY (the newest mail that waits)',
  look: async (installation) => {
    const boxes = boxesOf(installation);
    const ask = installation.askAs({ setting: 'app.worker', value: 'mail' });
    const [mail] = mailRows.parse(
      await ask(
        'SELECT id, sealed FROM latchkey.mail_outbox WHERE sealed IS NOT NULL ORDER BY created_at DESC LIMIT 1',
      ),
    );
    if (mail === undefined) return ok('no mail waits');
    try {
      boxes.open(mail.sealed, mailContext(mail.id));
      return ok('the newest mail that waits opens');
    } catch {
      return fail(
        'the newest mail that waits does not open: it was sealed under a key that is not configured, and second factors will not open either',
        'put the key before into ENCRYPTION_KEYS_PREVIOUS',
      );
    }
  },
};

export const KEY_CHECKS: readonly Check[] = [signing, age, sealed, encryption];
