/** The flags of Node that the image serves with, read from its Dockerfile, so that what is measured is what is shipped. */
import { readFileSync } from 'node:fs';

const DOCKERFILE = new URL('../../api/Dockerfile', import.meta.url);

/** From `ENV NODE_OPTIONS="…"`; none where there is no such line. */
export const serverFlags = (): readonly string[] => {
  const options = /^ENV NODE_OPTIONS="([^"]*)"/m.exec(readFileSync(DOCKERFILE, 'utf8'))?.[1] ?? '';
  return options.split(' ').filter(Boolean);
};
