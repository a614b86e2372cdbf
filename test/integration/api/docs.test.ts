/** The contract as a running server shows it: one document, one page, no script, nothing from anybody else. */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { escapeHtml } from '../../../api/src/core/escape-html.ts';
import { documentOf } from '../../../api/src/openapi/document.ts';
import { pageOf } from '../../../api/src/openapi/page.ts';
import { endpointSpecs } from '../../../api/src/routes/all.ts';
import { Api } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('the served contract', () => {
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  it('is the document that the code makes, for anybody', async () => {
    const answer = await api.get('/api/v1/openapi.json');
    expect(answer.status).to.equal(200);
    expect(answer.body).to.deep.equal(JSON.parse(JSON.stringify(documentOf(endpointSpecs()))));
  });

  it('is a page that shows every endpoint', async () => {
    const { status, text } = await api.get('/api/docs');
    expect(status).to.equal(200);
    for (const { method, path } of endpointSpecs()) {
      expect(text).to.include(`<b>${method.toUpperCase()}</b><code>${path}</code>`);
    }
  });

  it('loads its own style and nothing else: the policy names that style by its digest', async () => {
    const { headers, text } = await api.get('/api/docs');
    const style = /<style>(?<css>[\s\S]*?)<\/style>/.exec(text)?.groups?.['css'] ?? '';
    const digest = createHash('sha256').update(style).digest('base64');
    expect(headers['content-security-policy']).to.equal(
      `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(text).not.to.match(/<script|<link|<img|<iframe|\son\w+=|\sstyle=|https?:\/\/(?!example\.com)/i);
  });

  it('shows text as text, whatever a schema says', () => {
    expect(escapeHtml(`<img src=x onerror="alert('1')">&`)).to.equal(
      '&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;',
    );
    const page = pageOf(
      documentOf([
        { method: 'get', path: '/x', tag: '<b>', summary: '<script>1</script>', access: 'public', answers: {} },
      ]),
    );
    expect(page).not.to.include('<script>');
  });
});
