/**
 * The addresses of the pods behind one selector, kept by a watch while their rollout is in flight. Made by controller.ts for
 * sentinel.ts, which reads them each second: asking the apiserver every time would be a request a second and rollout.
 */
import type { Kubernetes } from './clients/kubernetes.ts';
import { Reflector } from './clients/reflector.ts';
import type { Labels } from './core/observation.ts';
import { type PodRead, readPod } from './objects.ts';

export interface PodWatchOptions {
  readonly kubernetes: Kubernetes;
  readonly namespace: string;
  readonly selector: Labels;
  /** Name of the container port that serves metrics, and the path there. */
  readonly port: string;
  readonly path: string;
  readonly onError: (error: unknown) => void;
}

/** A pod that a broken watch has missed is found by then; its requests are counted from its birth on. */
const RELIST_MS = 120_000;

export class PodWatch {
  readonly #reflector: Reflector<PodRead | undefined>;
  readonly #stopped = new AbortController();
  #pods: readonly PodRead[] | undefined;

  constructor({ kubernetes, namespace, selector, port, path, onError }: PodWatchOptions) {
    this.#reflector = new Reflector({
      kubernetes,
      namespace,
      onError,
      list: 'listPods',
      watch: 'watchPods',
      metadataOnly: false,
      labelSelector: Object.entries(selector)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
      project: (object) => readPod(object, port, path),
      onChange: () => {
        this.#pods = undefined;
      },
      timing: { relistMs: RELIST_MS },
    });
    void this.#reflector.run(this.#stopped.signal);
  }

  /** Undefined until the first list. */
  pods(): readonly PodRead[] | undefined {
    if (!this.#reflector.synced) return undefined;
    this.#pods ??= [...this.#reflector.entries()].flatMap(([, pod]) => pod ?? []);
    return this.#pods;
  }

  stop(): void {
    this.#stopped.abort();
  }
}
