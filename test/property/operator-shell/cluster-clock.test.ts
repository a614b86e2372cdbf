import { expect } from 'chai';
import { array, assert, integer, nat, property, record, tuple } from 'fast-check';
import { ClusterClock } from '../../../operator/src/clients/cluster-clock.ts';

/** A node whose wall clock is wrong by a constant, and a server whose clock is right. */
class Node {
  monotonicMs = 5_000;
  readonly clock: ClusterClock;
  readonly #epochMs = Date.parse('2026-11-21T12:00:00.250Z');

  constructor(skewMs: number) {
    const wall = (): number => this.serverMs() + skewMs;
    this.clock = new ClusterClock({ monotonic: () => this.monotonicMs, wall });
  }

  serverMs(): number {
    return this.#epochMs + this.monotonicMs;
  }

  /** One exchange: the server writes its answer after `there` ms, and it takes `back` ms more. */
  ask(there: number, back: number): void {
    const sentAt = this.monotonicMs;
    this.monotonicMs += there;
    const date = new Date(this.serverMs()).toUTCString();
    this.monotonicMs += back;
    this.clock.heard(date, sentAt);
  }

  errorMs(): number {
    return this.clock.now() - this.serverMs();
  }
}

const delays = nat(400);

describe('ClusterClock', () => {
  it('is the node’s own until somebody answers, and where answers say no time', () => {
    const node = new Node(300_000);
    node.clock.heard(undefined, node.monotonicMs);
    node.clock.heard('soon', node.monotonicMs);
    expect(node.errorMs()).to.equal(300_000);
  });

  it('is within a second and a round trip of the server after one answer, however wrong the node is', () => {
    const exchange = record({
      skewMs: integer({ min: -86_400_000, max: 86_400_000 }),
      there: delays,
      back: delays,
    });
    assert(
      property(exchange, ({ skewMs, there, back }) => {
        const node = new Node(skewMs);
        node.ask(there, back);
        expect(Math.abs(node.errorMs())).to.be.at.most(1_001 + there + back);
      }),
    );
  });

  it('never touches a clock that is right, whatever the answers take', () => {
    assert(
      property(array(tuple(delays, delays), { maxLength: 30 }), (exchanges) => {
        const node = new Node(0);
        for (const [there, back] of exchanges) node.ask(there, back);
        expect(node.clock.offsetMs).to.equal(0);
      }),
    );
  });

  it('gets no worse with more answers: each leaves it as it is or brings it nearer', () => {
    assert(
      property(
        integer({ min: -600_000, max: 600_000 }),
        array(tuple(delays, delays, nat(5_000)), { maxLength: 30 }),
        (skewMs, exchanges) => {
          const node = new Node(skewMs);
          let before = Math.abs(skewMs);
          for (const [there, back, pause] of exchanges) {
            node.ask(there, back);
            node.monotonicMs += pause;
            const error = Math.abs(skewMs + node.clock.offsetMs);
            expect(error).to.be.at.most(before);
            before = error;
          }
        },
      ),
    );
  });

  it('follows a server whose clock is set right', () => {
    const node = new Node(0);
    const sentAt = node.monotonicMs;
    node.clock.heard(new Date(node.serverMs() - 120_000).toUTCString(), sentAt);
    expect(node.errorMs()).to.be.within(-120_000, -118_990);
    node.ask(5, 5);
    expect(Math.abs(node.errorMs())).to.be.at.most(1_011);
  });
});
