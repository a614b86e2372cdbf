/**
 * SMTP_URL: `smtps://user:password@host:465` is TLS from the first byte, `smtp://host:587` becomes TLS by STARTTLS. `?tls=` says how much of
 * it: `required`, `optional` (encrypted where the server can), `off`. Read by config/mail.ts.
 */

export interface SmtpOptions {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly requireTLS: boolean;
  readonly ignoreTLS: boolean;
  readonly auth?: { readonly user: string; readonly pass: string };
}

const TLS_CHOICES = ['required', 'optional', 'off'];

/** Whether the URL says nothing but what is understood: a misspelt `tls=` must not become plain text. */
export const isSmtpUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, searchParams, username, password } = new URL(text);
  // A bare % in a password has to be written %25, or nobody knows what it means.
  if (/%(?![0-9a-f]{2})/i.test(username + password)) return false;
  const isKnown = [...searchParams].every(([name, value]) => name === 'tls' && TLS_CHOICES.includes(value));
  const isPlainSmtps = protocol === 'smtps:' && searchParams.has('tls');
  return (
    ['smtp:', 'smtps:'].includes(protocol) &&
    hostname !== '' &&
    ['', '/'].includes(pathname) &&
    isKnown &&
    !isPlainSmtps
  );
};

/** A URL that says nothing about TLS means `required` in production, since a link in plain text opens an account. */
export const readSmtpUrl = (text: string, appEnv: string): SmtpOptions => {
  const url = new URL(text);
  const secure = url.protocol === 'smtps:';
  const tls = url.searchParams.get('tls') ?? (appEnv === 'production' ? 'required' : 'optional');
  const auth = { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) };
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    requireTLS: !secure && tls === 'required',
    ignoreTLS: !secure && tls === 'off',
    ...(auth.user === '' ? {} : { auth }),
  };
};
