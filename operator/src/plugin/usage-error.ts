/** Names what is wrong with the command line and what to write instead. Thrown by options.ts and range-options.ts; main.ts makes it exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
