import { expect } from 'chai';
import { moveGroups, type RuleGroup, shrinkDuration, shrinkGroups } from '../../support/alert-scale.ts';

const groupOf = (expr: string, lasts?: string): RuleGroup => ({
  name: 'latchkey-api',
  interval: '1m',
  rules: [
    {
      alert: 'One',
      expr,
      ...(lasts === undefined ? {} : { for: lasts }),
      labels: { severity: 'high', namespace: 'auth' },
      annotations: { summary: 'after 5m' },
    },
  ],
});
const shrunkExpr = (expr: string): string | undefined => shrinkGroups([groupOf(expr)], 60)[0]?.rules[0]?.expr;

describe('alerts in a faster time', () => {
  it('have every duration divided: windows, offsets, for, and how often they are looked at', () => {
    const [group] = shrinkGroups([groupOf('sum(rate(a[5m])) > 0.5 or b unless b offset 10m > 0', '2m')], 60);
    expect(group?.interval).to.equal('1000ms');
    expect(group?.rules[0]).to.deep.equal({
      alert: 'One',
      expr: 'sum(rate(a[5000ms])) > 0.5 or b unless b offset 10000ms > 0',
      for: '2000ms',
      labels: { severity: 'high', namespace: 'auth' },
      annotations: { summary: 'after 5m' },
    });
  });

  it('have the limit of an age divided, and those of rates, shares and times to answer left alone', () => {
    expect(shrunkExpr('max(auth_audit_oldest_pending_seconds{a="b"}) > 300')).to.match(/> 5$/);
    expect(shrunkExpr('max(latchkey_notifications_oldest_seconds) > 600')).to.match(/> 10$/);
    expect(shrunkExpr('max(latchkey_watch_last_event_age_seconds) > 300')).to.match(/> 5$/);
    expect(shrunkExpr('sum(rate(auth_rate_limit_exceeded_total[5m])) > 10')).to.match(/> 10$/);
    expect(shrunkExpr('histogram_quantile(0.95, rate(auth_login_duration_seconds_bucket[5m])) > 0.5')).to.match(
      /^histogram_quantile\(0\.95, .* > 0\.5$/,
    );
  });

  it('are refused where a duration or the limit of an age cannot be told', () => {
    expect(() => shrunkExpr('1 < max(a_oldest_seconds)')).to.throw(RangeError, 'limit of the age');
    for (const duration of ['1h30m', '5', '1y', '10ms'])
      expect(() => shrinkDuration(duration, 60), duration).to.throw(RangeError);
  });

  it('speak of another installation in matchers and labels alike', () => {
    const [group] = moveGroups([groupOf('up{namespace="auth",pod=~"auth-api-.*"} == 0')], 'auth', 'other');
    expect(group?.name).to.equal('other latchkey-api');
    expect(group?.rules[0]).to.deep.include({
      expr: 'up{namespace="other",pod=~"auth-api-.*"} == 0',
      labels: { severity: 'high', namespace: 'other' },
    });
  });
});
