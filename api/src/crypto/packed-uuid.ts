/** A UUID in 22 characters of base64url, for tokens that carry one. Called by crypto/refresh-token.ts and services/one-time-tokens.ts. */

export const packUuid = (uuid: string): string => Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64url');

export const unpackUuid = (packed: string): string => {
  const hex = Buffer.from(packed, 'base64url').toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
};
