import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { newsOf } from '../../../../operator/src/notifications/news.ts';
import { type Channel, linkTo, readSettings, wants } from '../../../../operator/src/notifications/settings.ts';
import { CHANGES } from './change.ts';

const SECRET = 'hook-token-that-nobody-may-see';
const EXAMPLE = new URL('../../../../k8s/examples/notifications.json', import.meta.url);

function channel(only: object): Channel {
  const read = readSettings(
    JSON.stringify({ channels: [{ kind: 'slack', name: 'chat', url: 'https://hooks.example.com/x', only }] }),
  );
  const [first] = read.kind === 'valid' ? read.settings.channels : [];
  if (first === undefined) throw new Error('invalid');
  return first;
}

describe('notification settings', () => {
  it('understands the example of the documentation', () => {
    expect(readSettings(readFileSync(EXAMPLE, 'utf8')).kind).to.equal('valid');
  });

  it('reports every violation at once by its path, and no value', () => {
    const read = readSettings(
      JSON.stringify({
        link: 'ftp://example.com',
        channels: [
          { kind: 'slack', name: 'Chat', url: `http://${SECRET}@example.com` },
          { kind: 'webhook', name: 'hook', url: SECRET, secret: 'short' },
          {
            kind: 'smtp',
            name: 'mail',
            url: 'smtp://u:100%@example.com',
            from: 'nobody',
            to: [],
            only: { events: ['party'] },
          },
          { kind: 'webhook', name: 'hook', url: 'https://example.com', secret: SECRET.repeat(2), extra: 1 },
        ],
      }),
    );
    if (read.kind === 'valid') throw new Error('valid');
    const text = read.violations.join('\n');
    for (const path of [
      'link',
      'channels.0.name',
      'channels.0.url',
      'channels.1.url',
      'channels.1.secret',
      'channels.2.url',
      'channels.2.from',
      'channels.2.to',
      'channels.2.only.events',
      'channels.3',
    ])
      expect(text).to.contain(path);
    expect(text).to.not.contain(SECRET);
    expect(readSettings(`{"url": "${SECRET}`)).to.deep.equal({ kind: 'invalid', violations: ['the file is not JSON'] });
    expect(readSettings('[]').kind).to.equal('invalid');
  });

  it('wants channels with different names', () => {
    const one = { kind: 'slack', name: 'chat', url: 'https://example.com' };
    expect(readSettings(JSON.stringify({ channels: [one, one] }))).to.deep.equal({
      kind: 'invalid',
      violations: ['channels: names must differ'],
    });
  });

  it('filters by namespace, severity and event, each empty for all', () => {
    const news = newsOf(CHANGES.zero);
    if (news === undefined) throw new Error('no news');
    expect(wants(channel({}), news)).to.equal(true);
    expect(wants(channel({ namespaces: ['auth'], severities: ['P0', 'P1'], events: ['approval'] }), news)).to.equal(
      true,
    );
    expect(wants(channel({ namespaces: ['other'] }), news)).to.equal(false);
    expect(wants(channel({ severities: ['P0'] }), news)).to.equal(false);
    expect(wants(channel({ events: ['rollback'] }), news)).to.equal(false);
  });

  it('makes the link of the rollout', () => {
    const rollout = { namespace: 'auth', name: 'auth-api', uid: '' };
    expect(linkTo('https://dash.example.com/d/x?ns={namespace}&name={name}', rollout)).to.equal(
      'https://dash.example.com/d/x?ns=auth&name=auth-api',
    );
    expect(linkTo(undefined, rollout)).to.equal(undefined);
  });
});
