/**
 * The keys that sign and verify access tokens: those of the configuration and those that `cli/keys.ts` made. Called by crypto/access-token.ts and
 * routes/keys.ts. The database is asked every 30 s, and at once for a key id that nobody here has heard of, since another pod may have.
 *
 * The configured key signs until a stored one is active, and is accepted for as long as it is configured and nobody retired it: so a release
 * that knows no stored key, and a pod that cannot read the database yet, still understand and are understood.
 */
import { createPublicKey } from 'node:crypto';
import { type KeyLife, keyLives } from '../core/key-states.ts';
import { ACCESS_TOKEN_SECONDS, CLOCK_SKEW_SECONDS } from '../crypto/access-token.ts';
import type { SealedBoxes } from '../crypto/sealed-box.ts';
import {
  ALGORITHM,
  jwkOf,
  type KeyRing,
  type PublicJwk,
  readPrivateKey,
  readPublicKey,
  ringOf,
  type SigningKey,
  type SigningKeys,
  type VerificationKey,
} from '../crypto/signing-keys.ts';
import { type Ask, readSigningKeys, type StoredKey } from '../db/signing-keys.ts';
import type { Log } from '../log.ts';
import { poll } from '../poll.ts';

const POLL_MS = 30_000;
/** A stranger may send key ids that nobody has heard of: they cost one query in this time, whatever their number. */
const LOOK_EVERY_MS = 2_000;
/** How long a token can be good after its key signed last: its life, the clocks, and two polls of the slowest pod. */
export const OVERLAP_MS = (ACCESS_TOKEN_SECONDS + CLOCK_SKEW_SECONDS) * 1000 + 2 * POLL_MS;

/** Binds a sealed private key to its row. */
export const keyContext = (keyId: string): string => `signing-key:${keyId}`;

export interface StoredKeyRingDeps {
  readonly configured: SigningKeys;
  readonly boxes: SealedBoxes;
  readonly ask: Ask;
  readonly log: Log;
  readonly nowMs: () => number;
}

type JwkOfSet = PublicJwk & { readonly kid: string; readonly alg: typeof ALGORITHM; readonly use: 'sig' };

export class StoredKeyRing implements KeyRing {
  readonly #deps: StoredKeyRingDeps;
  readonly #configured: KeyRing;
  #accepted: ReadonlyMap<string, VerificationKey>;
  #signing: SigningKey;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #unreadable = '';

  constructor(deps: StoredKeyRingDeps) {
    this.#deps = deps;
    this.#configured = ringOf(deps.configured);
    this.#signing = this.#configured.signingKey();
    this.#accepted = this.#acceptedWith([]);
  }

  signingKey(): SigningKey {
    return this.#signing;
  }

  verificationKey(keyId: string): VerificationKey | undefined {
    return this.#accepted.get(keyId);
  }

  /** RFC 7517: every key that is or will be accepted, for those who verify our tokens themselves. */
  jwks(): { readonly keys: readonly JwkOfSet[] } {
    const keys = [...this.#accepted.values()].map(
      ({ keyId, algorithm, publicKey }) => ({ ...jwkOf(publicKey), kid: keyId, alg: algorithm, use: 'sig' }) as const,
    );
    return { keys };
  }

  /** Asks the database for a key that is not known here, at most every two seconds; true when it is known now. */
  async lookFor(keyId: string): Promise<boolean> {
    if (performance.now() - this.#lookedAtMs >= LOOK_EVERY_MS) this.#looking = undefined;
    this.#looking ??= this.refresh().catch((error: unknown) =>
      this.#deps.log.debug({ error }, 'signing keys were not read'),
    );
    await this.#looking;
    return this.#accepted.has(keyId);
  }

  /** @throws AppError `database-unavailable` | `internal`; what was known stays known. */
  async refresh(): Promise<void> {
    this.#lookedAtMs = performance.now();
    const lives = keyLives(await readSigningKeys(this.#deps.ask), OVERLAP_MS, this.#deps.nowMs());
    this.#accepted = this.#acceptedWith(lives);
    this.#signing = this.#newestReadable(lives) ?? this.#configured.signingKey();
  }

  /** Refreshes now and then until the returned function is called. */
  start(): () => void {
    return poll(async () => {
      await this.refresh().catch((error: unknown) => this.#deps.log.debug({ error }, 'signing keys stay as they were'));
      return POLL_MS;
    });
  }

  #acceptedWith(lives: readonly KeyLife<StoredKey>[]): ReadonlyMap<string, VerificationKey> {
    const accepted = new Map<string, VerificationKey>();
    for (const keyId of this.#deps.configured.publicKeys.keys()) {
      const key = this.#configured.verificationKey(keyId);
      if (key !== undefined) accepted.set(keyId, key);
    }
    for (const { key, state } of lives) {
      if (state === 'retired') accepted.delete(key.keyId);
      else accepted.set(key.keyId, { keyId: key.keyId, algorithm: ALGORITHM, publicKey: readPublicKey(key.publicJwk) });
    }
    return accepted;
  }

  /** The youngest active key whose private half opens: an ENCRYPTION_KEY that is missing here costs this pod the key, not its service. */
  #newestReadable(lives: readonly KeyLife<StoredKey>[]): SigningKey | undefined {
    const candidates = lives.filter(({ state }) => state === 'active' || state === 'verifying').toReversed();
    for (const { key } of candidates) {
      const opened = this.#open(key);
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  #open({ keyId, sealedPrivateKey }: StoredKey): SigningKey | undefined {
    if (this.#signing.keyId === keyId) return this.#signing;
    if (sealedPrivateKey === undefined) return undefined;
    try {
      const privateKey = readPrivateKey(this.#deps.boxes.open(sealedPrivateKey, keyContext(keyId)));
      return { keyId, algorithm: ALGORITHM, privateKey, publicKey: createPublicKey(privateKey) };
    } catch (error) {
      if (this.#unreadable !== keyId) this.#deps.log.error({ error, keyId }, 'a signing key cannot be opened here');
      this.#unreadable = keyId;
      return undefined;
    }
  }
}
