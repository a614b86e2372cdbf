/**
 * Kubernetes Events (events.k8s.io/v1) with the decision's reason. Called by act.ts after the writes that matter.
 * Each is created on its own: the API group's series would need a second call, and one event per decision has nothing to fold.
 */
import { randomUUID } from 'node:crypto';
import type { Kubernetes } from './kubernetes.ts';
import { FIELD_MANAGER } from './kubernetes.ts';

export interface RolloutEvent {
  readonly namespace: string;
  readonly rollout: string;
  readonly uid: string;
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, ≤ 128 characters. */
  readonly reason: string;
  /** What was done, CamelCase. */
  readonly action: string;
  readonly message: string;
  /** Same key, same event: `reason + step + revision`, so that a repeated pass stays silent. */
  readonly key: string;
}

/** Enough for every reason of every rollout in flight; beyond it the oldest may repeat once, which harms nobody. */
const REMEMBERED = 2_000;

export class EventRecorder {
  readonly #kubernetes: Kubernetes;
  readonly #podName: string;
  readonly #onError: (error: unknown) => void;
  readonly #sent = new Set<string>();

  constructor(options: { kubernetes: Kubernetes; podName: string; onError: (error: unknown) => void }) {
    this.#kubernetes = options.kubernetes;
    this.#podName = options.podName;
    this.#onError = options.onError;
  }

  /** Sends unless it was sent before. Never throws: an event is a courtesy, the status is the record. */
  async record(event: RolloutEvent): Promise<void> {
    const key = `${event.uid}/${event.key}`;
    if (this.#sent.has(key)) return;
    this.#remember(key);
    try {
      await this.#kubernetes.call('createEvent', {
        namespace: event.namespace,
        body: this.#body(event),
        deadlineMs: 3_000,
      });
    } catch (error) {
      this.#sent.delete(key);
      this.#onError(error);
    }
  }

  #remember(key: string): void {
    this.#sent.add(key);
    const [oldest] = this.#sent;
    if (this.#sent.size > REMEMBERED && oldest !== undefined) this.#sent.delete(oldest);
  }

  #body(event: RolloutEvent): object {
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      // generateName is checked as a name here, and a name may not end with the dot that separates ours.
      metadata: { name: `${event.rollout.slice(0, 200)}.${randomUUID().slice(0, 13)}`, namespace: event.namespace },
      eventTime: new Date().toISOString().replace('Z', '000Z'),
      reportingController: 'latchkey.dev/operator',
      reportingInstance: this.#podName.slice(0, 128) || FIELD_MANAGER,
      type: event.type,
      reason: event.reason.slice(0, 128),
      action: event.action.slice(0, 128),
      note: event.message.slice(0, 1024),
      regarding: {
        apiVersion: 'latchkey.dev/v1alpha1',
        kind: 'AuthRollout',
        namespace: event.namespace,
        name: event.rollout,
        uid: event.uid,
      },
    };
  }
}
