// Changes the fault of a faulty version while it serves (test/faults/main.ts listens for it beside the API). Called by the
// tests that need a fault at a moment of their choice.
import { names } from '../../k8s/demo/install.ts';
import type { Place } from '../../k8s/demo/place.ts';
import { namespace } from './installation.ts';
import { podsOf } from './pod-process.ts';

const controlPort = 3999;
export const canarySelector = `app.kubernetes.io/instance=${names.release},latchkey.dev/track=canary`;
export const stableSelector = `app.kubernetes.io/instance=${names.release},latchkey.dev/track=stable`;

export const halfOfAllFails = { kind: 'error', ratio: 0.5 } as const;

/** Gives every canary pod a new fault plan; resolves when each has taken it. */
export async function breakCanary(place: Place, plan: Readonly<Record<string, unknown>>): Promise<void> {
  const pods = await podsOf(place.kubectl, namespace, canarySelector);
  if (pods.length === 0) throw new Error('There is no canary pod to break.');
  await Promise.all(
    pods.map(async ({ name, ip }) => {
      const answer = await fetch(`http://${ip}:${controlPort}/`, {
        method: 'PUT',
        body: JSON.stringify(plan),
        signal: AbortSignal.timeout(5_000),
      });
      if (!answer.ok) throw new Error(`${name} did not take the fault: ${await answer.text()}`);
    }),
  );
}
