/** The document and its page as a running server hands them out. Called by service.ts; read by routes/docs.ts. */
import { endpointSpecs } from '../routes/all.ts';
import type { Reference } from '../routes/docs.ts';
import { documentOf } from './document.ts';
import { PAGE_POLICY, pageOf } from './page.ts';

const once = (make: () => string): (() => string) => {
  let made: string | undefined;
  return () => (made ??= make());
};

/** Made at the first request, since most servers are never asked: about 100 ms and 2 MB. */
export const createReference = (): Reference => ({
  document: once(() => JSON.stringify(documentOf(endpointSpecs()))),
  page: once(() => pageOf(documentOf(endpointSpecs()))),
  pagePolicy: () => PAGE_POLICY,
});
