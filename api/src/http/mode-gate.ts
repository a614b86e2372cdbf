/**
 * Turns requests away while the service is closed. Put in front of every endpoint by http/mount.ts; probes, metrics and `/api/health` stand
 * before it. An endpoint that stays open says so itself (`openDuring`; what is static opens nothing and stays open), so the list cannot be
 * forgotten elsewhere: openapi/problems.ts reads the same two words.
 */
import type { RequestHandler } from 'express';
import { type ClosedBy, closedBy, type ModeState } from '../core/modes.ts';
import { AppError } from '../errors.ts';
import type { EndpointSpec } from './endpoint.ts';

/** What the modes are now, from memory. */
export interface ModeSource {
  current(): ModeState;
}

const MODES = ['auth-disabled', 'maintenance'] as const satisfies readonly ClosedBy[];

type Opened = Pick<EndpointSpec, 'openDuring' | 'isStatic'>;

/** What turns a request to this endpoint away. */
export const closingModes = ({ openDuring = [], isStatic = false }: Opened): readonly ClosedBy[] =>
  isStatic ? [] : MODES.filter((mode) => !openDuring.includes(mode));

/** @throws AppError `maintenance` | `auth-disabled` */
export const modeGate =
  (modes: ModeSource) =>
  (spec: Opened): RequestHandler =>
  (_request, _response, next) => {
    const state = modes.current();
    const reason = closedBy(state);
    if (reason !== undefined && closingModes(spec).includes(reason)) {
      throw new AppError(reason, { retryAfterSeconds: state.retryAfterSeconds });
    }
    next();
  };
