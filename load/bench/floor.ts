/** The floor as a subject: floor-server.ts and tokens that it takes. Called by the scenarios. */
import { createHmac, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { requestBytes } from './connection.ts';
import type { Conversation } from './load.ts';
import { PinnedProcess } from './pinned-process.ts';

const SERVER = fileURLToPath(new URL('./floor-server.ts', import.meta.url));
/** As long as an access token of ours. */
const CLAIM_BYTES = 330;

export interface Floor {
  readonly process: PinnedProcess;
  conversations(connections: number): readonly Conversation[];
}

/** @param body what validate answers */
export const startFloor = async (body: string): Promise<Floor> => {
  const key = randomBytes(32).toString('base64');
  const process = await PinnedProcess.start({
    name: 'floor',
    args: [SERVER],
    env: { NODE_ENV: 'production', FLOOR_BODY: body, FLOOR_KEY: key },
    probe: '/validate',
  });
  const claims = randomBytes(CLAIM_BYTES).toString('base64url');
  const token = `${claims}.${createHmac('sha256', key).update(claims).digest('base64url')}`;
  const request = requestBytes({ method: 'GET', path: '/validate', headers: { authorization: `Bearer ${token}` } });
  return {
    process,
    conversations: (connections) => Array.from({ length: connections }, () => ({ next: () => request })),
  };
};
