/** What the chain leaves on a response for those that come later. Each is written in one place and read through here. */
import type { Response } from 'express';
import type { Caller } from './authenticate.ts';

export interface Locals {
  /** http/guard.ts */
  requestId?: string;
  /** As pairs, and as the text that goes out: http/security-headers.ts. */
  security?: { readonly headers: readonly (readonly [string, string])[]; readonly block: string };
  /** The pattern that matched: http/mount.ts. */
  route?: string;
  /** Whose live session let the request through: http/authenticate.ts. */
  caller?: Caller;
}

/** Express' own place for this, with types. */
export const localsOf = (response: Response): Locals => response.locals;
