/** The tables of docs/api.md. Called by generate.ts. */
import { type ErrorCode, PROBLEMS } from '../errors.ts';
import type { Access, EndpointSpec } from '../http/endpoint.ts';
import { PROBES, type Probe } from './probes.ts';
import { tagNamesOf, tagOf } from './tags.ts';

const needs = (access: Access): string => {
  switch (access) {
    case 'service':
      return 'a signature of a service';
    case 'public':
      return '–';
    case 'session':
      return 'a session';
    case 'recent-session':
      return 'a session that proved itself lately';
    default:
      return `\`${access.permission}\``;
  }
};

const row = ({ method, path, summary, access }: Pick<EndpointSpec, 'method' | 'path' | 'summary' | 'access'>): string =>
  `| \`${method.toUpperCase()} ${path}\` | ${summary} | ${needs(access)} |`;

const probeRow = ({ path, summary }: Probe): string => row({ method: 'get', path, summary, access: 'public' });

const heading = (name: string): string => {
  const { page } = tagOf(name);
  return page === undefined ? `### ${name}` : `### ${name}\n\nMore: [${page}](${page}).`;
};

const table = (rows: readonly string[]): string => ['| request | does | needs |', '|---|---|---|', ...rows].join('\n');

const sectionOf = (name: string, specs: readonly EndpointSpec[]): string =>
  `${heading(name)}\n\n${table(specs.filter(({ tag }) => tag === name).map(row))}`;

/** Older path → today's. */
const aliasTable = (specs: readonly EndpointSpec[]): string => {
  const rows = specs.flatMap(({ method, path, aliases = [] }) =>
    aliases.map((alias) => `| \`${method.toUpperCase()} ${alias}\` | \`${path}\` |`),
  );
  return [
    '### Older paths',
    '',
    'They answer the same, with a `Deprecation` header.',
    '',
    '| request | today |',
    '|---|---|',
    ...rows,
  ].join('\n');
};

export const endpointTable = (specs: readonly EndpointSpec[]): string =>
  [
    ...tagNamesOf(specs).map((name) => sectionOf(name, specs)),
    `### Probes and metrics\n\n${table(PROBES.map(probeRow))}`,
    aliasTable(specs),
  ].join('\n\n');

/** What a client does about it: by status, since a code only says why. */
const ADVICE: Readonly<Record<number, string>> = {
  400: 'correct the request; `errors` names the fields',
  401: 'get another token: refresh, or log in',
  403: 'nothing: it is not allowed',
  404: 'correct the path or the id',
  405: 'see `Allow`',
  409: 'read again, then decide',
  413: 'send less',
  415: 'send the right `Content-Type`',
  429: 'wait for `Retry-After`',
  500: 'tell us the request id',
  502: 'read what stands before you repeat a change: it may have been made',
  503: 'wait for `Retry-After`, then try again',
  504: 'read what stands before you repeat a change: it may have been made',
};

const problemRow = ([code, { status, title, kind }]: readonly [string, (typeof PROBLEMS)[ErrorCode]]): string =>
  `| ${status} | \`${code}\` | ${title} | ${ADVICE[status] ?? ''} | \`${kind}\` |`;

export const problemTable = (): string =>
  [
    '| status | code | says | do | `error_type` in metrics |',
    '|---|---|---|---|---|',
    ...Object.entries(PROBLEMS)
      .toSorted(([a, x], [b, y]) => x.status - y.status || (a < b ? -1 : 1))
      .map(problemRow),
  ].join('\n');
