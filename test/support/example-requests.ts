/** One request for each endpoint, as the OpenAPI document shows it: what the tests begin from that walk over all of them. */
import type { EndpointSpec } from '../../api/src/http/endpoint.ts';
import { documentOf } from '../../api/src/openapi/document.ts';
import { endpointSpecs } from '../../api/src/routes/all.ts';
import type { RequestOptions } from './api.ts';

type Json = Readonly<Record<string, unknown>>;

export interface ExampleRequest {
  readonly spec: EndpointSpec;
  readonly method: string;
  readonly path: string;
  /** The document's body; a small picture where the body is no JSON. */
  readonly options: RequestOptions;
  readonly params: Json;
  readonly query: Json;
  readonly body: Json | undefined;
}

const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

/** Each parameter with its value, but for one that is given. */
export const fillPath = (path: string, values: Json, name?: string, value = ''): string =>
  path.replaceAll(/\{(\w+)\}/g, (_whole, each: string) =>
    each === name ? value : encodeURIComponent(String(values[each])),
  );

export const exampleRequests = (): readonly ExampleRequest[] => {
  const document = documentOf(endpointSpecs());
  return endpointSpecs().map((spec) => {
    const { parameters = [], requestBody } = document.paths[spec.path]?.[spec.method] ?? {};
    const named = (place: string): Json =>
      Object.fromEntries(
        parameters.filter((each) => each['in'] === place).map((each) => [String(each['name']), each['example']]),
      );
    const contents = (requestBody?.['content'] ?? {}) as Readonly<Record<string, { readonly example?: Json }>>;
    const body = contents['application/json']?.example;
    const picture = { rawBody: PICTURE, headers: { 'content-type': 'image/png' } };
    return {
      spec,
      method: spec.method.toUpperCase(),
      path: fillPath(spec.path, named('path')),
      options: spec.rawBody === undefined ? (body === undefined ? {} : { body }) : picture,
      params: named('path'),
      query: named('query'),
      body,
    };
  });
};
