/** The last step of nearly every answer: http/mount.ts and http/problems.ts. */
import type { Response } from 'express';

/** What `response.json` does, without asking what is known (docs/adr/0011-hot-paths.md). `type` wins over a type that is set. */
export const sendJson = (response: Response, text: string, type?: string): void => {
  if (type !== undefined || !response.hasHeader('Content-Type'))
    response.setHeader('Content-Type', type ?? 'application/json; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
};
