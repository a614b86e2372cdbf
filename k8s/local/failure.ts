/**
 * The one error of the local cluster: a stable code and a sentence that says what is missing and what to do.
 * Thrown everywhere under k8s/local; printed by cli.ts and by the demo.
 */

export type FailureCode =
  | 'CLUSTER_UNHEALTHY'
  | 'COMMAND_FAILED'
  | 'CONTEXT_INCOMPLETE'
  | 'IMAGE_BUILD_FAILED'
  | 'NOT_LINUX'
  | 'NOT_ROOT'
  | 'PART_MISSING'
  | 'PORT_TAKEN'
  | 'OTHER_KUBERNETES'
  | 'TIMED_OUT';

export class LocalClusterError extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LocalClusterError';
    this.code = code;
  }
}

/** The message of whatever was thrown, on one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s+/g, ' ').trim();
}
