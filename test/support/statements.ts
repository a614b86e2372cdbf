/** Records the statements that an API in this process sends. Used by tests that compare the work behind two answers. */
import { Client } from 'pg';

/** What the service does by itself now and then, and the frames of transactions, which are not told apart. */
const BACKGROUND =
  /audit_(unsigned|seal|checkpoint|totals|chain)|system_config|mail_outbox|public\.organization|is_notice_due LIMIT|auth\.user_sessions WHERE status|last_attempt_at < |^(BEGIN|COMMIT)/;

/** The statements of `work`, in order, without their values. */
export const statementsOf = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
  const original = Reflect.get(Client.prototype, 'query') as (...args: unknown[]) => unknown;
  const texts: string[] = [];
  Client.prototype.query = function (this: Client, ...args: unknown[]) {
    const [query] = args;
    const text = typeof query === 'string' ? query : (query as { text?: string }).text;
    if (text !== undefined) texts.push(text);
    return original.apply(this, args);
  } as typeof Client.prototype.query;
  try {
    await work();
  } finally {
    Client.prototype.query = original as typeof Client.prototype.query;
  }
  return texts.filter((text) => !BACKGROUND.test(text));
};
