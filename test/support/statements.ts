/** Records the statements that an API in this process sends. Used by tests that compare the work behind two answers. */
import { Client } from 'pg';

/** The statements of `work` that `isMeant` picks, in order, without their values: the service does other things now and then. */
export const statementsOf = async (isMeant: RegExp, work: () => Promise<unknown>): Promise<readonly string[]> => {
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
  return texts.filter((text) => isMeant.test(text));
};
