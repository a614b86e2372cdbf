/** Signs a request as another service would, written from RFC 9421 and not from our code. Called by the tests of service access. */
import { createHash, createHmac, randomBytes } from 'node:crypto';

export interface Signing {
  readonly serviceId: string;
  readonly key: Buffer;
  readonly method?: string;
  readonly path: string;
  readonly query?: string;
  readonly body?: string;
  readonly createdMs?: number;
  readonly nonce?: string;
}

export const sign = (signing: Signing): Readonly<Record<string, string>> => {
  const { serviceId, key, method = 'POST', path, query = '', body = '', createdMs = Date.now() } = signing;
  const nonce = signing.nonce ?? randomBytes(16).toString('base64url');
  const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
  const params = `("@method" "@path" "@query" "content-digest");created=${Math.floor(createdMs / 1000)};keyid="${serviceId}";nonce="${nonce}";alg="hmac-sha256"`;
  const base = `"@method": ${method}\n"@path": ${path}\n"@query": ?${query}\n"content-digest": ${digest}\n"@signature-params": ${params}`;
  return {
    'content-digest': digest,
    'signature-input': `sig=${params}`,
    signature: `sig=:${createHmac('sha256', key).update(base).digest('base64')}:`,
  };
};
