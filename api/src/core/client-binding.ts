/**
 * Whether two requests can come from one client. Called by core/rotation.ts. A phone changes its network at every corner and a browser its
 * version every month, so only both at once count: another kind of program, in another network. What is not known differs from nothing.
 */

export interface ClientTraits {
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
}

/** Most specific first: Edge says Chrome and Safari too. */
const BROWSERS = [
  [/\bEdg(e|A|iOS)?\//, 'edge'],
  [/\b(OPR|OPT|Opera)\//, 'opera'],
  [/\bSamsungBrowser\//, 'samsung'],
  [/\b(Firefox|FxiOS)\//, 'firefox'],
  [/\b(Chrome|CriOS|Chromium)\//, 'chrome'],
  [/\bSafari\//, 'safari'],
] as const;

/** The kind of program, without its version: `firefox`, `okhttp`, `curl`. */
export const agentFamily = (userAgent: string): string => {
  const browser = BROWSERS.find(([pattern]) => pattern.test(userAgent));
  return browser?.[1] ?? (userAgent.split(/[/\s(]/, 1)[0] ?? '').toLowerCase();
};

/** The first 16 bits of an IPv4 address, mapped or not, and the first 32 of an IPv6 one: about one provider. */
export const networkOf = (ip: string): string => {
  const ipv4 = /^(?:::ffff:)?(\d+\.\d+)\.\d+\.\d+$/i.exec(ip);
  if (ipv4?.[1] !== undefined) return ipv4[1];
  const [first = '', second = ''] = ip.toLowerCase().split(':');
  return `${first.padStart(4, '0')}:${second.padStart(4, '0')}`;
};

const differ = (a: string | undefined, b: string | undefined, trait: (text: string) => string): boolean =>
  a !== undefined && b !== undefined && trait(a) !== trait(b);

/** True only when both the program and the network are known to be others. */
export const isAnotherClient = (stored: ClientTraits, presenting: ClientTraits): boolean =>
  differ(stored.userAgent, presenting.userAgent, agentFamily) && differ(stored.ip, presenting.ip, networkOf);
