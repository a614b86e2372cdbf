/** What `latchkey doctor` says of Redis, mail and settings: each fault is planted for real and found by its check alone. */
import { TEST_KEYS } from '../../../support/api.ts';
import { DoctorScene, findsEach, REDIS_PASSWORD } from '../../../support/doctor-scene.ts';

describe('latchkey doctor, of Redis, mail and settings', () => {
  const scene = new DoctorScene();
  before(() => scene.open());
  beforeEach(() => scene.renew());
  afterEach(() => scene.tidy());
  after(() => scene.close());

  findsEach(scene, [
    {
      title: 'nobody answers where Redis should be',
      id: 'redis',
      plant: () => ({ REDIS_URL: `redis://127.0.0.1:${scene.closedPort}` }),
      remedy: /REDIS_URL; redis-cli -h 127\.0\.0\.1 -p \d+ ping/,
    },
    {
      title: 'Redis is not configured outside of development',
      id: 'redis',
      plant: () => ({ REDIS_URL: '' }),
      remedy: /^REDIS_URL=rediss:/,
    },
    {
      title: 'Redis refuses the password',
      id: 'redis-login',
      plant: () => ({ REDIS_URL: scene.redisUrl('wrong') }),
      remedy: /requirepass/,
    },
    {
      title: 'Redis wants no password',
      id: 'redis-login',
      plant: async () => {
        await scene.redisAdmin.config('SET', 'requirepass', '');
        return { REDIS_URL: scene.redis.url };
      },
      heal: () => scene.redisAdmin.config('SET', 'requirepass', REDIS_PASSWORD),
      remedy: /requirepass in redis\.conf/,
    },
    {
      title: 'Redis evicts whatever it likes',
      id: 'redis-eviction',
      plant: async () => {
        await scene.redisAdmin.config('SET', 'maxmemory-policy', 'allkeys-lru');
        return {};
      },
      heal: () => scene.redisAdmin.config('SET', 'maxmemory-policy', 'noeviction'),
      remedy: /^redis-cli CONFIG SET maxmemory-policy noeviction/,
    },
    {
      title: 'this Redis is a replica',
      id: 'redis-primary',
      plant: async () => {
        await scene.redisAdmin.replicaof('127.0.0.1', scene.closedPort);
        return {};
      },
      heal: () => scene.redisAdmin.replicaof('NO', 'ONE'),
      remedy: /redis-cli REPLICAOF NO ONE/,
    },
    {
      title: 'the mail server is away',
      id: 'smtp',
      plant: () => ({ SMTP_URL: `smtp://127.0.0.1:${scene.closedPort}` }),
      remedy: /correct host and port in SMTP_URL/,
    },
    {
      title: 'the mail server offers no STARTTLS',
      id: 'smtp',
      plant: () => ({ SMTP_URL: `${scene.mails.url}?tls=required` }),
      remedy: /switch STARTTLS on there, or SMTP_URL=smtps:/,
    },
    {
      title: 'mails are written to a folder in production',
      id: 'mail-folder',
      plant: () => ({ APP_ENV: 'production', SMTP_URL: '', MAIL_FOLDER: '/tmp/mails', EMAIL_VERIFICATION: 'optional' }),
      also: ['configuration', 'smtp', 'email-verification'],
      remedy: /^MAIL_FOLDER= \(empty\)/,
    },
    {
      title: 'mails wait and nobody sends them',
      id: 'outbox',
      plant: async () => {
        await scene.waitingMail(TEST_KEYS.ENCRYPTION_KEY, 60);
        return {};
      },
      remedy: /^see smtp, and that a pod runs/,
    },
    {
      title: 'no proxy is trusted behind a gateway',
      id: 'proxy-trust',
      plant: () => ({ TRUST_PROXY: '' }),
      remedy: /^TRUST_PROXY=10\.0\.0\.0\/8/,
    },
    {
      title: 'half of all addresses are trusted as a proxy',
      id: 'proxy-trust',
      plant: () => ({ TRUST_PROXY: '10.0.0.0/8,128.0.0.0/1' }),
      remedy: /^TRUST_PROXY=10\.0\.0\.0\/8/,
    },
    {
      title: 'every address is trusted as a proxy',
      id: 'proxy-trust',
      plant: () => ({ TRUST_PROXY: '0.0.0.0/0' }),
      also: ['configuration'],
      remedy: /^TRUST_PROXY=10\.0\.0\.0\/8/,
    },
    {
      title: 'the public address is plain HTTP',
      id: 'https',
      plant: () => ({ PUBLIC_URL: 'http://auth.example.com' }),
      remedy: /^PUBLIC_URL=https:/,
    },
    {
      title: 'pages of plain HTTP may call, whose cookies never come back',
      id: 'https',
      plant: () => ({ ALLOWED_ORIGINS: 'https://app.example.com,http://old.example.com' }),
      remedy: /^ALLOWED_ORIGINS=https:/,
    },
    {
      title: 'a variable is refused',
      id: 'configuration',
      plant: () => ({ RATE_LIMIT_LOGIN_PER_MINUTE: 'many' }),
      remedy: /^RATE_LIMIT_LOGIN_PER_MINUTE=30$/,
    },
    {
      title: 'password hashes are cheap',
      id: 'password-cost',
      plant: () => ({ BCRYPT_COST: '8' }),
      remedy: /^BCRYPT_COST=12/,
    },
    {
      title: 'authentication is switched off',
      id: 'modes',
      plant: () => ({ DISABLE_AUTH: 'true' }),
      remedy: /^DISABLE_AUTH=false$/,
    },
    {
      title: 'nobody says how far the rollout is',
      id: 'rollout-percentage',
      plant: () => ({ AUTH_ROLLOUT_URL: `http://127.0.0.1:${scene.closedPort}/rollouts/auth/auth-api/percentage` }),
      remedy: /AUTH_ROLLOUT_URL=http:/,
    },
  ]);
});
