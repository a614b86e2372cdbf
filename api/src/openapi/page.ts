/**
 * The OpenAPI document as one HTML page: no script, no font, no request to anybody. Called by served.ts. Everything that is shown is escaped,
 * and the policy lets the browser use this very style and nothing else.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { escapeHtml } from '../core/escape-html.ts';
import type { OpenApiDocument, Operation } from './document.ts';
import { fieldRows } from './fields-of.ts';
import type { JsonSchema } from './schemas.ts';

const STYLE = `:root{color-scheme:light dark;--line:#8884;--soft:#8881;--accent:#0a66c2}
*{box-sizing:border-box}body{margin:0 auto;max-width:68rem;padding:1.5rem;font:16px/1.55 system-ui,sans-serif}
h1{margin:.2rem 0}h2{margin:2.5rem 0 .3rem;border-bottom:1px solid var(--line)}nav a{margin-right:1rem}a{color:var(--accent)}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;padding:0 .9rem}
summary{cursor:pointer;display:flex;flex-wrap:wrap;gap:.2rem .8rem;padding:.55rem 0}
summary b{min-width:4.2rem}summary code{overflow-wrap:anywhere}summary span{color:#888}
details.old summary code{text-decoration:line-through}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:.4rem 0 1rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line)}
pre{background:var(--soft);padding:.7rem;border-radius:.4rem;overflow-x:auto}code{font:.92em ui-monospace,monospace}h4{margin:.8rem 0 .2rem}`;

export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** Escaped, with \`code\` as code. */
const prose = (text: string): string => escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');

const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string => {
  const head = heads.map((text) => `<th>${text}</th>`).join('');
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('');
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
};

const fieldTable = (schema: JsonSchema, { components }: OpenApiDocument): string => {
  const rows = fieldRows(schema, components['schemas'] ?? {});
  if (rows.length === 0) return '';
  return table(
    ['field', 'type', 'notes'],
    rows.map(({ name, type, notes }) => [`<code>${escapeHtml(name)}</code>`, prose(type), prose(notes)]),
  );
};

const parameters = ({ parameters: all = [] }: Operation): string => {
  if (all.length === 0) return '';
  const rows = all.map((each) => {
    const [field] = fieldRows({ properties: { [String(each['name'])]: each['schema'] } }, {});
    const where = `${String(each['in'])}${each['required'] === true ? '' : ', optional'}`;
    const notes = [each['description'], field?.notes].filter(Boolean).join(' ');
    return [`<code>${escapeHtml(String(each['name']))}</code>`, where, prose(field?.type ?? ''), prose(notes)];
  });
  return `<h4>Parameters</h4>${table(['name', 'in', 'type', 'notes'], rows)}`;
};

const anything = z.record(z.string(), z.unknown());
const contents = z.record(z.string(), z.object({ schema: anything.optional(), example: z.unknown().optional() }));
/** A response or a request body, as far as it is shown. */
const shown = z.looseObject({ description: z.string().default(''), content: contents.default({}) });

const content = (title: string, part: JsonSchema | undefined, document: OpenApiDocument): string =>
  Object.entries(shown.parse(part ?? {}).content)
    .map(([type, { schema, example }]) => {
      const fields = schema === undefined ? '' : fieldTable(schema, document);
      const text = example === undefined ? '' : escapeHtml(JSON.stringify(example, null, 2));
      return `<h4>${title} <code>${escapeHtml(type)}</code></h4>${fields}${text && `<pre><code>${text}</code></pre>`}`;
    })
    .join('');

const followed = (response: JsonSchema, { components }: OpenApiDocument): JsonSchema => {
  const reference = response['$ref'];
  if (typeof reference !== 'string') return response;
  return anything.parse(components['responses']?.[reference.slice('#/components/responses/'.length)]);
};

const answers = (operation: Operation, document: OpenApiDocument): string => {
  const all = Object.entries(operation.responses).map(([status, response]) => ({
    status,
    response: followed(response, document),
  }));
  const rows = all.map(({ status, response }) => [status, prose(shown.parse(response).description)]);
  const good = all.filter(({ status }) => status.startsWith('2'));
  return `<h4>Answers</h4>${table(['status', 'says'], rows)}${good.map(({ status, response }) => content(`Answer ${status}`, response, document)).join('')}`;
};

const WAYS: Readonly<Record<string, string>> = {
  bearer: 'a bearer access token',
  cookie: 'a session cookie',
  csrf: 'the CSRF header',
};

const needs = ({ security }: Operation): string =>
  security.length === 0
    ? ''
    : `Needs ${security
        .map((each) =>
          Object.keys(each)
            .map((name) => WAYS[name] ?? name)
            .join(' with '),
        )
        .join(', or ')}. `;

const section = (path: string, method: string, operation: Operation, document: OpenApiDocument): string =>
  `<details id="${operation.operationId}"${operation.deprecated ? ' class="old"' : ''}><summary><b>${method.toUpperCase()}</b><code>${escapeHtml(path)}</code><span>${escapeHtml(operation.summary)}</span></summary>
<p>${prose(`${needs(operation)}${operation.description ?? ''}`)}</p>${parameters(operation)}${content('Body', operation.requestBody, document)}${answers(operation, document)}</details>`;

const group = ({ name, description = '' }: JsonSchema, document: OpenApiDocument): string => {
  const tag = String(name);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags.includes(tag))
      .map(([method, operation]) => section(path, method, operation, document)),
  );
  return `<h2 id="${escapeHtml(tag)}">${escapeHtml(tag)}</h2><p>${prose(String(description))}</p>${operations.join('\n')}`;
};

export const pageOf = (document: OpenApiDocument): string => {
  const links = document.tags.map(
    ({ name }) => `<a href="#${escapeHtml(String(name))}">${escapeHtml(String(name))}</a>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Latchkey API</title><style>${STYLE}</style></head>
<body><h1>Latchkey API</h1><p>${prose(String(document.info['description']))}</p>
<p>As a file: <a href="/api/v1/openapi.json">openapi.json</a> (OpenAPI ${document.openapi}).</p>
<nav>${links.join('')}</nav>
<main>${document.tags.map((tag) => group(tag, document)).join('\n')}</main></body></html>
`;
};
