/** A healthy installation on real parts, in which the tests of `latchkey doctor` plant faults. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { createSealedBoxes } from '../../api/src/crypto/sealed-box.ts';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { generateKeys } from '../../api/src/embedded/keys.ts';
import { mailContext } from '../../api/src/services/mail-outbox.ts';
import { TEST_KEYS } from './api.ts';
import { defaultTenant } from './audit.ts';
import { runLatchkey, type Said } from './command-line.ts';
import { MailServer } from './mail-server.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { TestRedis } from './redis.ts';

export const REDIS_PASSWORD = 'redis-Secret-0815';
/** Keys that this installation does not have. */
export const OTHER_KEYS = generateKeys();

export type Env = Readonly<Record<string, string>>;

export interface Found {
  readonly id: string;
  readonly verdict: string;
  readonly finding: string;
  readonly remedy?: string;
}

export const foundIn = ({ out }: Said): readonly Found[] => (JSON.parse(out) as { checks: readonly Found[] }).checks;
export const faultsIn = (said: Said): readonly Found[] =>
  foundIn(said).filter(({ verdict }) => verdict === 'fail' || verdict === 'warn');

interface Parts {
  readonly redis: TestRedis;
  readonly redisAdmin: Redis;
  readonly mails: MailServer;
  readonly closedPort: number;
}

export class DoctorScene {
  #parts: Parts | undefined;
  #database: TestDatabase | undefined;
  #isBroken = true;

  async open(): Promise<void> {
    const [redis, mails, closedPort] = await Promise.all([TestRedis.start(), MailServer.start(), freePort()]);
    await redis.command((client) => client.config('SET', 'requirepass', REDIS_PASSWORD));
    const redisAdmin = new Redis(`redis://:${REDIS_PASSWORD}@127.0.0.1:${redis.port}`);
    this.#parts = { redis, redisAdmin, mails, closedPort };
  }

  /** A database that nobody has broken serves the next test too. */
  async renew(): Promise<void> {
    if (this.#isBroken) this.#database = await createTestDatabase();
    this.#isBroken = false;
  }

  async tidy(): Promise<void> {
    if (this.#isBroken) await this.#database?.drop();
  }

  async close(): Promise<void> {
    if (!this.#isBroken) await this.#database?.drop();
    this.#parts?.redisAdmin.disconnect();
    await this.#parts?.mails.stop();
    await this.#parts?.redis.drop();
  }

  #opened(): Parts {
    if (this.#parts === undefined) throw new Error('the scene is not open');
    return this.#parts;
  }

  get redis(): TestRedis {
    return this.#opened().redis;
  }

  get redisAdmin(): Redis {
    return this.#opened().redisAdmin;
  }

  get mails(): MailServer {
    return this.#opened().mails;
  }

  /** Where nobody listens. */
  get closedPort(): number {
    return this.#opened().closedPort;
  }

  get database(): TestDatabase {
    if (this.#database === undefined) throw new Error('there is no database yet');
    return this.#database;
  }

  /** The database, to be changed. */
  broken(): TestDatabase {
    this.#isBroken = true;
    return this.database;
  }

  redisUrl(password = REDIS_PASSWORD): string {
    return `redis://:${password}@127.0.0.1:${this.redis.port}`;
  }

  healthy(): Env {
    return {
      ...TEST_KEYS,
      APP_ENV: 'staging',
      DATABASE_URL: this.database.url,
      MIGRATION_DATABASE_URL: this.database.ownerUrl,
      REDIS_URL: this.redisUrl(),
      SMTP_URL: this.mails.url,
      PUBLIC_URL: 'https://auth.example.com',
      TRUST_PROXY: '10.0.0.0/8',
    };
  }

  examine(change: Env = {}, args: readonly string[] = []): Promise<Said> {
    return runLatchkey(['doctor', '-o', 'json', ...args], { env: { ...this.healthy(), ...change } });
  }

  sql(statement: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]> {
    return this.broken().query(statement, values);
  }

  async latchkey(...args: readonly string[]): Promise<void> {
    this.broken();
    const { code, err } = await runLatchkey(args, { env: this.healthy() });
    expect(code, err).to.equal(0);
  }

  async waitingMail(key: string, ageMinutes: number): Promise<void> {
    const id = crypto.randomUUID();
    const sealed = createSealedBoxes(Buffer.from(key, 'base64')).seal('{}', mailContext(id));
    await this.sql(
      `INSERT INTO latchkey.mail_outbox (id, org_id, template, recipient, sealed, next_attempt_at, created_at)
       VALUES ($1, $2, 'verification', 'somebody@example.com', $3, now(), now() - make_interval(mins => $4))`,
      [id, await defaultTenant(this.database), sealed, ageMinutes],
    );
  }
}

export interface Fault {
  readonly title: string;
  readonly id: string;
  /** Breaks it; resolves with what of the environment is other than healthy. */
  readonly plant: () => Promise<Env> | Env;
  readonly remedy: RegExp;
  /** Other checks that rightly say something too. */
  readonly also?: readonly string[];
  /** Undoes what does not go with the database. */
  readonly heal?: () => Promise<unknown>;
}

/** A test a fault: its check finds it, no other cries, the remedy is named, exit 1. */
export const findsEach = (scene: DoctorScene, faults: readonly Fault[]): void => {
  for (const { title, id, plant, remedy, also = [], heal } of faults) {
    it(`finds by ${id} that ${title}, and says what to do`, async () => {
      try {
        const said = await scene.examine(await plant());
        const found = faultsIn(said);
        expect([...new Set(found.map((one) => one.id))], JSON.stringify(found)).to.have.members([id, ...also]);
        for (const fault of found.filter((one) => one.id === id)) expect(fault.remedy).to.match(remedy);
        expect(said.code).to.equal(1);
      } finally {
        await heal?.();
      }
    });
  }
};
