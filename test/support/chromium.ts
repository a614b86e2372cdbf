/**
 * A real headless Chromium, driven over the DevTools protocol through a pipe: no port that another program could use, and no package. Used by the tests of
 * the client. The program is one of the parts (k8s/local/parts.ts), so a fresh clone gets it.
 * @see https://chromedevtools.github.io/devtools-protocol/
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import { partsFor } from '../../k8s/local/parts.ts';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-pipe',
  // All tabs but one are hidden, and timers of hidden tabs run once a second: a test of many rounds would do nothing but wait.
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
];
const COMMAND_LIMIT_MS = 60_000;

const message = z.looseObject({
  id: z.number().optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.looseObject({ message: z.string() }).optional(),
});
const target = z.looseObject({ targetId: z.string() });
const attached = z.looseObject({ sessionId: z.string() });
const evaluated = z.looseObject({
  result: z.looseObject({ value: z.unknown().optional() }),
  exceptionDetails: z
    .looseObject({ text: z.string(), exception: z.looseObject({ description: z.string().optional() }).optional() })
    .optional(),
});

type Result = Readonly<Record<string, unknown>>;
type Params = Readonly<Record<string, unknown>>;

interface Waiting {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

export class Chromium {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #into: Writable;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  private constructor(process: ChildProcess, folder: string) {
    this.#process = process;
    this.#folder = folder;
    // oxlint-disable-next-line typescript/no-unnecessary-type-assertion
    const [into, from] = [process.stdio[3] as Writable, process.stdio[4] as Readable];
    this.#into = into;
    let rest = '';
    from.setEncoding('utf8');
    from.on('data', (chunk: string) => {
      const texts = (rest + chunk).split('\0');
      rest = texts.pop() ?? '';
      for (const text of texts) this.#hear(text);
    });
    process.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('chromium has ended'));
      this.#waiting.clear();
    });
  }

  /** @throws LocalClusterError PART_MISSING with what to install, where there is no Chromium and none can be had */
  static async start(): Promise<Chromium> {
    const { chromium } = await partsFor(['chromium']);
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-chromium-'));
    const args = [...FLAGS, `--user-data-dir=${folder}`, 'about:blank'];
    return new Chromium(spawn(chromium, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] }), folder);
  }

  send(method: string, params: Params = {}, sessionId?: string): Promise<Result> {
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`chromium does not answer ${method}`));
      }, COMMAND_LIMIT_MS);
      const settled = (): void => clearTimeout(limit);
      this.#waiting.set(id, {
        resolve: (result) => (settled(), resolve(result)),
        reject: (error) => (settled(), reject(error)),
      });
      this.#into.write(`${JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) })}\0`);
    });
  }

  /** Cookies and storage of its own, like another person's browser. */
  async newProfile(): Promise<Profile> {
    const { browserContextId } = await this.send('Target.createBrowserContext');
    return new Profile(this, z.string().parse(browserContextId));
  }

  async stop(): Promise<void> {
    const gone = this.#process.exitCode === null ? once(this.#process, 'exit') : undefined;
    await this.send('Browser.close').catch(() => undefined);
    this.#process.kill('SIGKILL');
    await gone;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #hear(text: string): void {
    const { id, result, error } = message.parse(JSON.parse(text));
    if (id === undefined) return;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result ?? {});
    else waiting?.reject(new Error(error.message));
  }
}

export class Profile {
  readonly #browser: Chromium;
  readonly #contextId: string;

  constructor(browser: Chromium, contextId: string) {
    this.#browser = browser;
    this.#contextId = contextId;
  }

  /** @param beforehand a script that runs before the page's own */
  async open(url: string, beforehand?: string): Promise<Tab> {
    const page = { url: 'about:blank', browserContextId: this.#contextId };
    const { targetId } = target.parse(await this.#browser.send('Target.createTarget', page));
    const { sessionId } = attached.parse(
      await this.#browser.send('Target.attachToTarget', { targetId, flatten: true }),
    );
    const tab = new Tab(this.#browser, sessionId, targetId);
    await tab.send('Page.enable');
    if (beforehand !== undefined) await tab.send('Page.addScriptToEvaluateOnNewDocument', { source: beforehand });
    await tab.visit(url);
    return tab;
  }

  /** Closes its tabs and forgets its cookies. */
  async close(): Promise<void> {
    await this.#browser.send('Target.disposeBrowserContext', { browserContextId: this.#contextId });
  }
}

export class Tab {
  readonly #browser: Chromium;
  readonly #sessionId: string;
  readonly #targetId: string;

  constructor(browser: Chromium, sessionId: string, targetId: string) {
    this.#browser = browser;
    this.#sessionId = sessionId;
    this.#targetId = targetId;
  }

  send(method: string, params: Params = {}): Promise<Result> {
    return this.#browser.send(method, params, this.#sessionId);
  }

  /** Resolves when the page's own modules have run: the page sets `isReady`. */
  async visit(url: string): Promise<void> {
    await this.send('Page.navigate', { url });
    await this.run(
      'new Promise((resolve) => { const look = () => globalThis.isReady ? resolve(true) : setTimeout(look, 5); look(); })',
    );
  }

  /** The value of an expression, or of its promise. @throws Error with what the page threw */
  async run(expression: string): Promise<unknown> {
    const question = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = evaluated.parse(await this.send('Runtime.evaluate', question));
    if (exceptionDetails === undefined) return result['value'];
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  }

  async close(): Promise<void> {
    await this.#browser.send('Target.closeTarget', { targetId: this.#targetId });
  }
}
