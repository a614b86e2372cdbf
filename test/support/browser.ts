/** A browser as far as cookies and fetch metadata go: it keeps what it is told and sends it where it belongs. Used by the tests of cookies. */
import { parseSetCookie, type SetCookie } from 'cookie';
import type { Answer, Api, RequestOptions } from './api.ts';

export interface VisitOptions extends RequestOptions {
  /** Where the page that sends it lives; undefined: our own origin. */
  readonly from?: string;
  /** Leaves the CSRF header out. */
  readonly isForgetful?: boolean;
}

export class Browser {
  readonly #api: Api;
  readonly cookies = new Map<string, SetCookie>();

  constructor(api: Api) {
    this.#api = api;
  }

  cookie(name: string): string | undefined {
    return this.cookies.get(name)?.value;
  }

  /** What a request to `path` carries. */
  cookieHeader(path: string): string {
    const sent = [...this.cookies.values()].filter((cookie) => path.startsWith(cookie.path ?? '/'));
    return sent.map(({ name, value }) => `${name}=${value}`).join('; ');
  }

  async send(
    method: string,
    path: string,
    { from, isForgetful = false, headers = {}, ...rest }: VisitOptions = {},
  ): Promise<Answer> {
    const own = `http://127.0.0.1:${this.#api.port}`;
    const csrf = this.cookie('__Host-latchkey-csrf');
    const cookie = this.cookieHeader(path);
    const answer = await this.#api.send(method, path, {
      ...rest,
      headers: {
        origin: from ?? own,
        'sec-fetch-site': from === undefined ? 'same-origin' : 'cross-site',
        ...(cookie !== '' && { cookie }),
        ...(csrf !== undefined && !isForgetful && { 'x-csrf-token': csrf }),
        ...headers,
      },
    });
    this.keep(answer);
    return answer;
  }

  keep(answer: Answer): void {
    for (const text of [answer.headers['set-cookie'] ?? []].flat()) {
      const cookie = parseSetCookie(text);
      if (cookie.maxAge === 0) this.cookies.delete(cookie.name);
      else this.cookies.set(cookie.name, cookie);
    }
  }

  async login(email: string, password: string): Promise<Answer> {
    return this.send('POST', '/api/v1/auth/login', { body: { email, password, client: 'browser' } });
  }
}
