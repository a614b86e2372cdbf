/** Does something now and again, in the background, until it is stopped. Used by what follows the database, or the operator, without a request that waits. */

/** Pods that started together shall not ask together. */
const jittered = (ms: number): number => ms * (0.8 + Math.random() * 0.4);

/**
 * Begins at once.
 * @param turn resolves with the milliseconds until the next one, and must not reject
 * @returns the function that stops it; a turn that is under way is not waited for
 */
export const poll = (turn: () => Promise<number>): (() => void) => {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const round = async (): Promise<void> => {
    const waitMs = await turn();
    if (!isStopped) timer = setTimeout(() => void round(), jittered(waitMs));
  };
  void round();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
};
