/** What health.ts answers with. Made by alert-hook.ts and percentage.ts too. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An RFC 9457 document. The connection ends with it: none of these is worth a second request down the same one. */
export function problem(
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', connection: 'close', ...headers },
    body: JSON.stringify({ type: `urn:latchkey:problem:${code}`, title: code, status, code, detail }),
  };
}

/** A new connection through the Service may find the leader. */
export const NOT_LEADING = problem(503, 'not-leading', 'another replica leads: try again', { 'retry-after': '1' });
