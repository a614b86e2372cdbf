/** The entries of the audit trail as the API shows them. Called by the tests of the trail. */
import type { Answer } from './api.ts';

export interface Entry {
  readonly id: string;
  readonly source: string;
  readonly at: string;
  readonly eventType: string;
  readonly action: string;
  readonly severity: string;
  readonly success: boolean;
  readonly userId: string | null;
  readonly actorId: string | null;
  readonly sessionId: string | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  readonly resource: { readonly type: string | null };
  readonly reason: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export const entriesOf = ({ body, status, text }: Answer): readonly Entry[] => {
  if (status !== 200) throw new Error(`${status} ${text}`);
  return body['entries'] as readonly Entry[];
};
