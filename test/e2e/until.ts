// Waits for something that no watch tells, with a deadline. Called by the end-to-end tests.
import { waitFor } from '../../k8s/local/wait.ts';

/** @throws LocalClusterError when it has not become true at the deadline */
export async function untilTrue(what: string, timeoutMs: number, probe: () => Promise<boolean>): Promise<void> {
  await waitFor(what, { timeoutMs, everyMs: 100 }, probe);
}
