/** The environment that the API's chart writes into its pods, as the API reads it. Used by the chart tests of this folder. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { type Config, readConfig } from '../../../api/src/config.ts';
import { type KubernetesObject, only, workload } from './helm.ts';

/** What the pods get from the Secret. */
const secrets = {
  SMTP_URL: 'smtps://mail.example.com',
  DATABASE_URL: 'postgres://api@database/auth',
  JWT_PRIVATE_KEY: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    format: 'pem',
    type: 'pkcs8',
  }),
  REFRESH_TOKEN_KEY: randomBytes(32).toString('base64'),
  PASSWORD_PEPPER: randomBytes(32).toString('base64'),
  ENCRYPTION_KEY: randomBytes(32).toString('base64'),
};

/** What the API makes of the environment that the chart writes. */
export function configOf(objects: readonly KubernetesObject[], more: Readonly<Record<string, string>> = {}): Config {
  const [api] = workload(only(objects, 'Deployment', 'auth-api')).template.spec.containers;
  const written = api?.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])) ?? [];
  return readConfig({ PUBLIC_URL: 'https://auth.example.com', ...Object.fromEntries(written), ...secrets, ...more })
    .config;
}
