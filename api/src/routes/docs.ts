/** The contract, for machines and for people. Mounted by app.ts through http/mount.ts; openapi/served.ts makes both texts. */
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';

export interface Reference {
  /** The OpenAPI document as JSON. */
  document(): string;
  /** The page that shows it. */
  page(): string;
  /** What the page may load: its own style, by digest, and nothing else. */
  pagePolicy(): string;
}

export interface DocsRouteDeps {
  readonly reference: Reference;
}

/** It changes with a release, and who reads it reads it once. */
const CACHED = 'public, max-age=300';

export const docsRoutes = ({ reference }: DocsRouteDeps): readonly Endpoint[] => [
  endpoint(
    {
      method: 'get',
      path: '/api/v1/openapi.json',
      tag: 'Reference',
      summary: 'Show this contract as OpenAPI 3.1',
      access: 'public',
      isStatic: true,
      answers: { 200: { description: 'The document', schema: z.looseObject({ openapi: z.literal('3.1.0') }) } },
    },
    () => ({
      status: 200,
      body: reference.document(),
      headers: { 'Content-Type': 'application/json', 'Cache-Control': CACHED },
    }),
  ),
  endpoint(
    {
      method: 'get',
      path: '/api/docs',
      tag: 'Reference',
      summary: 'Show this contract as a page',
      access: 'public',
      isStatic: true,
      answers: { 200: { description: 'HTML without scripts', contentType: 'text/html' } },
    },
    () => ({
      status: 200,
      body: reference.page(),
      headers: {
        'Content-Type': 'text/html; charset=utf-8',
        'Cache-Control': CACHED,
        'Content-Security-Policy': reference.pagePolicy(),
      },
    }),
  ),
];
