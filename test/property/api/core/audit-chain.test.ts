/** The chain by itself: what is hashed is unambiguous, and whatever was changed along the way is found at its place. */
import { createHash, createHmac } from 'node:crypto';
import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  AUDIT_SOURCES,
  canonicalEvent,
  digestInput,
  EMPTY_HEAD,
  type EventFields,
  type Finding,
  type Head,
  judgeEnd,
  judgeStatement,
  type Link,
  macInput,
  SEALED_FIELDS,
  stepAlong,
} from '../../../../api/src/core/audit-chain.ts';

const TENANT = '00000000-0000-4000-8000-000000000001';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const mac = (keyId: string, tenantId: string, text: string): string | undefined =>
  keyId === 'known' ? createHmac('sha256', `key ${tenantId}`).update(text).digest('hex') : undefined;
const context = { tenantId: TENANT, crypto: { sha256, mac }, expiredBeforeMs: Number.NEGATIVE_INFINITY };

const source = fc.constantFrom(...AUDIT_SOURCES);
const fields = fc.array(fc.option(fc.string({ unit: 'binary', maxLength: 12 }), { freq: 3 }), {
  minLength: SEALED_FIELDS.audit_events.length,
  maxLength: SEALED_FIELDS.audit_events.length,
});

const chainOf = (rows: readonly EventFields[]): readonly Link[] => {
  const links: Link[] = [];
  let head: Head = EMPTY_HEAD;
  for (const row of rows) {
    const bare = {
      sequence: head.sequence + 1,
      source: 'audit_events' as const,
      eventId: `event-${head.sequence + 1}`,
      eventCreatedAt: '2026-11-21T10:00:00.000000Z',
      keyId: 'known',
      digest: sha256(digestInput(head.digest, 'audit_events', row)),
    };
    const seal = { ...bare, hash: mac('known', TENANT, macInput(head.hash, bare)) ?? '' };
    links.push({ seal, fields: row });
    head = seal;
  }
  return links;
};

const walk = (links: readonly Link[]): { readonly head: Head; readonly findings: readonly Finding[] } => {
  let at = { head: EMPTY_HEAD, newestMs: Number.NEGATIVE_INFINITY };
  const findings: Finding[] = [];
  for (const link of links) {
    const step = stepAlong(at, link, context);
    at = step.walk;
    findings.push(...step.findings);
  }
  return { head: at.head, findings };
};

const chains = fc.array(fields, { minLength: 1, maxLength: 8 }).map(chainOf);
const withPlace = chains.chain((links) => fc.tuple(fc.constant(links), fc.nat({ max: links.length - 1 })));

describe('the audit chain', () => {
  it('writes no two rows as one text', () => {
    fc.assert(
      fc.property(source, fields, source, fields, (sourceA, a, sourceB, b) => {
        const sealed = (from: typeof sourceA, row: EventFields) =>
          JSON.stringify([from, row.slice(0, SEALED_FIELDS[from].length)]);
        const isSame = sealed(sourceA, a) === sealed(sourceB, b);
        expect(canonicalEvent(sourceA, a) === canonicalEvent(sourceB, b)).to.equal(isSame);
      }),
      { numRuns: 2_000 },
    );
  });

  it('tells rows apart whose values look like the columns beside them', () => {
    const row = (type: string, id: string) =>
      SEALED_FIELDS.audit_events.map((name) => ({ resource_type: type, resource_id: id })[name] ?? 'x');
    const one = canonicalEvent('audit_events', row('a', 'b\nresource_id=c'));
    expect(one).not.to.equal(canonicalEvent('audit_events', row('a\nresource_id=b', 'c')));
    const all = canonicalEvent(
      'audit_events',
      SEALED_FIELDS.audit_events.map(() => null),
    );
    expect(all).not.to.equal(
      canonicalEvent(
        'audit_events',
        SEALED_FIELDS.audit_events.map(() => ''),
      ),
    );
  });

  it('finds nothing along a whole chain', () => {
    fc.assert(
      fc.property(chains, (links) => {
        expect(walk(links).findings).to.deep.equal([]);
      }),
    );
  });

  it('names exactly the row that says something else', () => {
    fc.assert(
      fc.property(withPlace, fc.nat({ max: 11 }), fc.string(), ([links, place], column, text) => {
        const was = links[place]?.fields?.[column] ?? null;
        fc.pre(was !== text);
        const edited = links.map((link, n) =>
          n === place ? { ...link, fields: link.fields?.map((value, at) => (at === column ? text : value)) } : link,
        );
        expect(walk(edited).findings.map(({ kind, sequence }) => [kind, sequence])).to.deep.equal([
          ['edited', place + 1],
        ]);
      }),
    );
  });

  it('names exactly the row that is gone, and says nothing of rows past their retention', () => {
    fc.assert(
      fc.property(withPlace, ([links, place]) => {
        const removed = links.map((link, n) => (n === place ? { ...link, fields: undefined } : link));
        expect(walk(removed).findings.map(({ kind, sequence }) => [kind, sequence])).to.deep.equal([
          ['removed', place + 1],
        ]);
        const [gone] = removed.slice(place);
        if (gone === undefined) return;
        const before = { head: links[place - 1]?.seal ?? EMPTY_HEAD, newestMs: 0 };
        const later = { ...context, expiredBeforeMs: Date.parse('2026-12-01') };
        expect(stepAlong(before, gone, later).findings).to.deep.equal([]);
      }),
    );
  });

  it('finds a chain that was computed anew without the key from any row on', () => {
    fc.assert(
      fc.property(withPlace, ([links, place]) => {
        let digest = links[place - 1]?.seal.digest ?? EMPTY_HEAD.digest;
        let hash = links[place - 1]?.seal.hash ?? EMPTY_HEAD.hash;
        const forged = links.map((link, n) => {
          if (n < place || link.fields === undefined) return link;
          const row = n === place ? link.fields.map(() => 'forged') : link.fields;
          digest = sha256(digestInput(digest, 'audit_events', row));
          const bare = { ...link.seal, digest };
          hash = createHmac('sha256', 'a guess').update(macInput(hash, bare)).digest('hex');
          return { seal: { ...bare, hash }, fields: row };
        });
        const { findings } = walk(forged);
        expect(findings[0]).to.deep.include({ kind: 'seal-forged', sequence: place + 1 });
        expect(findings).to.have.length(links.length - place);
      }),
    );
  });

  it('finds two seals that changed places, and one that is missing', () => {
    fc.assert(
      fc.property(withPlace, ([links, place]) => {
        const kinds = walk(links.filter((_, n) => n !== place)).findings.map(({ kind }) => kind);
        expect(kinds).to.deep.equal(place === links.length - 1 ? [] : ['seal-missing']);
      }),
    );
  });

  it('finds by a checkpoint what it cannot find alone: a cut end, and an end that grew anew', () => {
    fc.assert(
      fc.property(withPlace, ([links, place]) => {
        const { head } = walk(links);
        const statement = { v: 1, kind: 'checkpoint', tenant: TENANT, ...head, at: 'then' } as const;
        expect([...judgeStatement(statement, head), ...judgeEnd(statement, head)]).to.deep.equal([]);
        const cut = walk(links.slice(0, place));
        expect(cut.findings).to.deep.equal([]);
        expect(judgeEnd(statement, cut.head)[0]).to.deep.include({ kind: 'truncated', sequence: place + 1 });
        expect(judgeStatement(statement, { ...head, hash: sha256(head.hash) })[0]?.kind).to.equal('rewritten');
      }),
    );
  });
});
