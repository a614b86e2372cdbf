/**
 * Time-based one-time passwords (RFC 6238: SHA-1, 6 digits, 30 s, what every authenticator app can do). Called by services/second-factor.ts
 * and services/mfa.ts; that a code works once is the database's part (db/mfa.ts).
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const STEP_MS = 30_000;
const DIGITS = 6;
/** RFC 4226 asks for 128 bits at least and recommends 160. */
const SECRET_BYTES = 20;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648, without padding. */
export const toBase32 = (bytes: Buffer): string => {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => BASE32[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
};

const fromBase32 = (text: string): Buffer => {
  const bits = Array.from(text, (character) => BASE32.indexOf(character).toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((eight) => Number.parseInt(eight, 2)));
};

export const createTotpSecret = (): string => toBase32(randomBytes(SECRET_BYTES));

/** The number of the 30 seconds that a time falls in. */
export const stepOf = (timeMs: number): number => Math.floor(timeMs / STEP_MS);

/** @see RFC 4226 §5.3 */
export const codeAt = (secret: string, step: number): string => {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', fromBase32(secret)).update(counter).digest();
  const offset = mac.readUInt8(mac.length - 1) & 0xf;
  return String((mac.readUInt32BE(offset) & 0x7fff_ffff) % 10 ** DIGITS).padStart(DIGITS, '0');
};

/** The step whose code it is: this one, or one before or after for clocks that differ. Every one of the three is always compared. */
export const matchingStep = (secret: string, code: string, nowMs: number): number | undefined => {
  const presented = Buffer.alloc(DIGITS);
  presented.write(code);
  const now = stepOf(nowMs);
  const matches = [now - 1, now, now + 1].filter((step) =>
    timingSafeEqual(Buffer.from(codeAt(secret, step)), presented),
  );
  return code.length === DIGITS ? matches.at(-1) : undefined;
};

/** What an authenticator app reads from the QR code. */
export const otpauthUri = (
  secret: string,
  { issuer, email }: { readonly issuer: string; readonly email: string },
): string =>
  `otpauth://totp/${encodeURIComponent(issuer)}:${encodeURIComponent(email)}?secret=${secret}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=${DIGITS}&period=${STEP_MS / 1000}`;
