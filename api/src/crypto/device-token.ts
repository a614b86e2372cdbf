/**
 * What a client keeps after a good login: proof that this account has logged in here before. Called by services/login.ts.
 * It lets nobody in. Attempts that carry it have a budget of their own, so that strangers who use up the account's cannot lock its owner out
 * (OWASP "device cookies"; Keycloak GHSA-cq42-vhv7-xr7p). Bound to account and password: a new password forgets every device.
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/** Of whom a token speaks. */
export interface DeviceAccount {
  readonly tenantId: string;
  readonly userId: string;
  readonly passwordChangedAtMs: number | undefined;
}

export interface DeviceTokens {
  /** A fresh token for a device; of a new one where `deviceId` is undefined. */
  issue(account: DeviceAccount, deviceId: string | undefined, nowMs: number): string;
  /** The device, where the token is this account's and not too old; undefined for any other text. The same work for no account. */
  recognise(token: string | undefined, account: DeviceAccount | undefined, nowMs: number): string | undefined;
}

/** Renewed with every login. */
export const DEVICE_TRUST_SECONDS = 180 * 24 * 3_600;

const SHAPE = /^lkd1\.([\w-]{22})\.(\d{1,12})\.([\w-]{43})$/;
const NOBODY: DeviceAccount = { tenantId: '', userId: '', passwordChangedAtMs: 0 };

/** The first key signs; all of them verify. */
export const createDeviceTokens = (keys: readonly [Buffer, ...Buffer[]]): DeviceTokens => {
  const derive = (key: Buffer): Buffer => Buffer.from(hkdfSync('sha256', key, '', 'latchkey device token', 32));
  const current = derive(keys[0]);
  const all = keys.map(derive);

  const macOf = (key: Buffer, account: DeviceAccount, text: string): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify([account.tenantId, account.userId, account.passwordChangedAtMs, text]))
      .digest();

  return {
    issue: (account, deviceId = randomBytes(16).toString('base64url'), nowMs) => {
      const text = `${deviceId}.${Math.floor(nowMs / 1000)}`;
      return `lkd1.${text}.${macOf(current, account, text).toString('base64url')}`;
    },
    recognise: (token = '', account = NOBODY, nowMs) => {
      const [, deviceId = '', issued = '0', mac = ''] = SHAPE.exec(token) ?? [];
      const presented = Buffer.alloc(32);
      presented.write(mac, 'base64url');
      const isOurs = all
        .map((key) => timingSafeEqual(macOf(key, account, `${deviceId}.${issued}`), presented))
        .includes(true);
      const ageSeconds = nowMs / 1000 - Number(issued);
      return isOurs && deviceId !== '' && ageSeconds < DEVICE_TRUST_SECONDS ? deviceId : undefined;
    },
  };
};
