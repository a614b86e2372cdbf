/** A page that has the client, as an application has it, and what the tests ask of it. Used by the tests of the client in a browser. */
import { bundleClient } from '../../api/client/pack.ts';
import type { Served } from './gateway.ts';

/**
 * `?api=` names an API on another origin. The page's clock can be moved (`ahead`), and it keeps what it heard (`heard`) and how its calls ended.
 */
const SCRIPT = `
import { createClient, LatchkeyError } from '/latchkey-client.js';
const page = globalThis;
page.ahead = 0;
page.heard = [];
const clock = {
  now: () => Date.now() + page.ahead,
  after: (delayMs, run) => { const timer = setTimeout(run, delayMs); return () => clearTimeout(timer); },
};
const client = createClient({ baseUrl: new URLSearchParams(location.search).get('api') ?? location.origin, clock });
for (const name of ['signed-in', 'refreshed', 'signed-out'])
  client.on(name, ({ reason }) => page.heard.push(reason === undefined ? name : name + ' ' + reason));
/** How a call ended, in a word. */
page.outcome = async (work) => {
  try { await work; return 'done'; } catch (error) {
    return error instanceof LatchkeyError ? error.code + (error.reason === undefined ? '' : ' ' + error.reason) : String(error);
  }
};
page.client = client;
page.isReady = true;
`;

export const clientPage = async (): Promise<ReadonlyMap<string, Served>> => {
  const html = {
    type: 'text/html',
    text: '<!doctype html><title>test</title><script type="module" src="/page.js"></script>',
  };
  return new Map([
    ['/', html],
    ['/page.js', { type: 'text/javascript', text: SCRIPT }],
    ['/latchkey-client.js', { type: 'text/javascript', text: await bundleClient() }],
  ]);
};
