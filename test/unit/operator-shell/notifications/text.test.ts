import { expect } from 'chai';
import { signed, slackBody, webhookBody } from '../../../../operator/src/notifications/channels.ts';
import { type Change, type News, newsOf } from '../../../../operator/src/notifications/news.ts';
import { textOf } from '../../../../operator/src/notifications/text.ts';
import { CHANGES } from './change.ts';

function told(changed: Change): News {
  const news = newsOf(changed);
  if (news === undefined) throw new Error('no news');
  return { ...news, id: 'the-id' };
}
const rendered = (changed: Change, link?: string): string => {
  const { title, lines } = textOf(told(changed), link);
  return [title, ...lines].join('\n');
};

const GOLDEN: Readonly<Record<keyof typeof CHANGES, string>> = {
  step: `[GREEN] auth/auth-api now at 50%
Status: GREEN, 2030-01-01T02:00:00.000Z
What happened: from 25% to 50% (step 4 of 5) (Advanced)
Weight: 25% before, 50% now
Progress: step 4 of 5, phase Progressing, revision bbbbbbbbbb
Impact: 50% of the requests on the new revision, the others on stable (revision aaaaaaaaaa)
Error rate: 0.02%, limit 0.1%, 8000 counted
Next: goes on by itself when healthy, at 2030-01-01T04:00:00.000Z at the earliest
Event: the-id`,
  P3: `[YELLOW P3] auth/auth-api holds at 25%: SeverityP3
Status: YELLOW P3, 2030-01-01T02:00:00.000Z
What happened: P3 errorRate 0.2% (limit 0.1%, 9000 requests): watching (SeverityP3)
Weight: 25% before, 25% now
Progress: step 3 of 5, phase Progressing, revision bbbbbbbbbb
Impact: 25% of the requests on the new revision, the others on stable (revision aaaaaaaaaa)
Error rate: 0.2%, limit 0.1%, 9000 counted — P3
Next: goes on by itself when healthy, at 2030-01-01T02:50:00.000Z at the earliest
Who must act: on-call: look at it
Command: kubectl authrollout status auth-api --namespace auth
Event: the-id`,
  reduction: `[YELLOW P2] auth/auth-api reduced from 25% to 12%
Status: YELLOW P2, 2030-01-01T02:00:00.000Z
What happened: P2 errorRate 0.7%: from 25% down to 12%, approval of team-lead needed to go on (SeverityP2)
Weight: 25% before, 12% now
Progress: step 3 of 5, phase Progressing, revision bbbbbbbbbb
Impact: 12% of the requests on the new revision, the others on stable (revision aaaaaaaaaa)
Error rate: 0.7%, limit 0.5%, 9000 counted — P2
Next: not up again until team-lead has acted
Who must act: team-lead: look at the pods and the figures, then approve, or release another revision
Command: kubectl authrollout approve auth-api --as team-lead --reason "…" --namespace auth
Event: the-id`,
  zero: `[RED P1] auth/auth-api taken to 0%, pods kept
Status: RED P1, 2030-01-01T02:00:00.000Z
What happened: P1 latencyP95 31% slower: weight 0, pods kept, approval of on-call needed to go on (SeverityP1)
Weight: 25% before, 0% now
Progress: step 3 of 5, phase Zeroed, revision bbbbbbbbbb
Impact: up to 25% of the requests until now; stable (revision aaaaaaaaaa) serves every request, sessions and accounts stay as they are
Latency p95: 31% slower, limit 5% over 500ms, 400 counted — P1
Next: no traffic until on-call has acted
Who must act: on-call: look at the pods and the figures, then approve, or release another revision
Command: kubectl authrollout approve auth-api --as on-call --reason "…" --namespace auth
Event: the-id`,
  rollback: `[RED P0] auth/auth-api rolled back
Status: RED P0, 2030-01-01T02:00:00.000Z
What happened: P0 errorRate 48%: rolled back, revision bbbbbbbbbb never gets traffic again (SeverityP0)
Weight: 25% before, 0% now
Progress: step 3 of 5, phase RolledBack, revision bbbbbbbbbb
Impact: up to 25% of the requests until now; stable (revision aaaaaaaaaa) serves every request, sessions and accounts stay as they are
Error rate: 48%, limit 5%, 42 counted — P0
Next: no traffic until on-call has acted
Who must act: on-call: find the fault; revision bbbbbbbbbb gets no traffic again, so release another one
Command: kubectl authrollout history auth-api --namespace auth
Event: the-id`,
  drift: `[YELLOW] auth/auth-api weight changed by somebody else
Status: YELLOW, 2030-01-01T02:00:00.000Z
What happened: kubectl-edit set the canary to 90% where we had 25%: keeping the lower, 25% (Drifted)
Weight: 25% before, 25% now
Progress: step 3 of 5, phase Progressing, revision bbbbbbbbbb
Impact: 25% of the requests on the new revision, the others on stable (revision aaaaaaaaaa)
Error rate: 0.02%, limit 0.1%, 8000 counted
Next: goes on by itself when healthy, at 2030-01-01T02:50:00.000Z at the earliest
Who must act: on-call: stop kubectl-edit from writing the route's weights
Command: kubectl authrollout status auth-api --namespace auth
Event: the-id`,
  done: `[GREEN] auth/auth-api revision bbbbbbbbbb serves everybody
Status: GREEN, 2030-01-01T02:00:00.000Z
What happened: stable serves revision bbbbbbbbbb (Promoted)
Weight: 0%, the canary is empty
Progress: step 5 of 5, phase Succeeded, revision bbbbbbbbbb
Impact: none; every request is served by the new revision
Error rate: 0.02%, limit 0.1%, 8000 counted
Next: nothing
Event: the-id`,
};

describe('text of a notification', () => {
  for (const [name, changed] of Object.entries(CHANGES)) {
    it(`words ${name} with what happened, how bad, the figures, the weights and who must do what`, () => {
      expect(rendered(changed)).to.equal(Object.entries(GOLDEN).find(([key]) => key === name)?.[1]);
    });
  }

  it('ends with the link where there is one', () => {
    expect(rendered(CHANGES.step, 'https://dash.example.com/auth/auth-api')).to.contain(
      '\nLink: https://dash.example.com/auth/auth-api\nEvent: the-id',
    );
  });

  it('lets no mention or link of somebody else into a chat', () => {
    const drift = told(CHANGES.drift);
    const body = slackBody({
      news: { ...drift, message: '<!channel> & <https://evil.example|here>' },
      link: undefined,
    });
    expect(body).to.not.match(/<[!h]/);
    expect(body).to.contain('&lt;!channel&gt; &amp; &lt;https');
  });

  it('gives a program the same as data, with the id to deduplicate by', () => {
    const body: unknown = JSON.parse(webhookBody({ news: told(CHANGES.zero), link: undefined }));
    expect(body).to.deep.include({
      version: 1,
      id: 'the-id',
      events: ['zero', 'approval'],
      severity: 'P1',
      light: 'RED',
      weight: { before: 25, after: 0 },
      at: '2030-01-01T02:00:00.000Z',
      nextAt: null,
      link: null,
    });
  });

  it('signs timestamp and body with HMAC-SHA256, as the documentation’s example', () => {
    // printf '%s' '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    expect(signed('{"a":1}', '0123456789abcdef0123456789abcdef', 1_700_000_000)).to.deep.equal({
      'latchkey-timestamp': '1700000000',
      'latchkey-signature': 'v1=f05f2539e3ae1c49aec5f8cfdad75ef6b06480b133973ffbb7ec9e18827af177',
    });
  });
});
