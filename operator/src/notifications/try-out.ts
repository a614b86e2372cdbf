/** `--test-notifications`: one message to each channel, one attempt each, and what came of it. Called by main.ts. */
import { readFile } from 'node:fs/promises';
import { senderOf } from './channels.ts';
import type { News } from './news.ts';
import { ATTEMPT_MS, type Attempt } from './outbox.ts';
import { linkTo, readSettings } from './settings.ts';

/** @returns the exit code: 0 when every channel took its message */
export async function tryOut(file: string | undefined, nowMs: number, say: (line: string) => void): Promise<0 | 1> {
  const text = file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) {
    say(file === undefined ? 'NOTIFICATIONS_FILE is not set' : 'NOTIFICATIONS_FILE cannot be read');
    return 1;
  }
  const read = readSettings(text);
  if (read.kind === 'invalid') {
    for (const violation of read.violations) say(violation);
    return 1;
  }
  const news = testNews(nowMs);
  const link = linkTo(read.settings.link, news.rollout);
  const results = await Promise.all(
    read.settings.channels.map(async (channel) => {
      const { send, close } = senderOf(channel);
      const attempt = await send({ news, link }, AbortSignal.timeout(ATTEMPT_MS));
      close();
      say(`${channel.name} (${channel.kind}): ${describe(attempt)}`);
      return attempt.kind;
    }),
  );
  return results.every((kind) => kind === 'delivered') ? 0 : 1;
}

function describe(attempt: Attempt): string {
  return attempt.kind === 'delivered' ? 'delivered' : `${attempt.kind}: ${attempt.code}`;
}

function testNews(nowMs: number): News {
  return {
    id: `test-${nowMs}`,
    events: ['step'],
    atMs: nowMs,
    light: 'GREEN',
    severity: 'None',
    rollout: { namespace: 'test', name: 'test', uid: '' },
    revision: 'test',
    stableRevision: 'test',
    phase: 'Progressing',
    reason: 'Test',
    message: 'a test of the notifications: no rollout has moved',
    weight: { before: 0, after: 0 },
    step: { index: 0, of: 1 },
    figures: [],
    nextAt: undefined,
    act: undefined,
  };
}
