/** Where the next page begins, as an opaque text. Called by the services that list; the pages are keyset pages, so rows that come or go meanwhile shift nothing. */
import { z } from 'zod';

/** The last row of a page: its sort position as the database wrote it, and its id to settle ties. */
export interface Position {
  readonly at: string;
  readonly id: string;
}

const position = z.tuple([z.string().regex(/^[\d :.+TZ-]{10,40}$/), z.uuid()]);

export const encodeCursor = ({ at, id }: Position): string => btoa(JSON.stringify([at, id])).replaceAll('=', '');

/** undefined for what we never wrote. */
export const decodeCursor = (text: string): Position | undefined => {
  try {
    const [at, id] = position.parse(JSON.parse(atob(text)));
    return { at, id };
  } catch {
    return undefined;
  }
};
