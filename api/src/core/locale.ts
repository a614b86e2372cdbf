/** Languages and time zones as people name them. Called by routes/profile.ts. */

/** The canonical spelling of a BCP 47 tag (`EN-za` → `en-ZA`); undefined for what is none. */
export const languageTag = (text: string): string | undefined => {
  if (text.length > 35) return undefined;
  try {
    return Intl.getCanonicalLocales(text)[0];
  } catch {
    return undefined;
  }
};

/** An area and a place, or UTC: an offset such as +02:00 is no time zone, since it knows no summer time. */
const ZONE_NAME = /^(?:UTC|[A-Z][A-Za-z_]+(?:\/[A-Z][A-Za-z0-9_+-]+){1,2})$/;

/** Whether this is a time zone of the IANA database. */
export const isTimeZone = (text: string): boolean => {
  if (text.length > 64 || !ZONE_NAME.test(text)) return false;
  try {
    return Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};
