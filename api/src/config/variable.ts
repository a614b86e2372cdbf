/**
 * What a variable's text may look like. Called by the files beside it, one an area of the configuration; each variable carries an example,
 * which its violation and docs/configuration.md show.
 */
import { z } from 'zod';

/** With the example that a violation of this variable shows, and the sentence that docs/configuration.md says of it. */
export const variable = <T extends z.ZodType>(schema: T, example: string, description = ''): T =>
  schema.meta({ example, description });

export const flag = z.enum(['true', 'false'], { error: 'must be true or false' }).transform((text) => text === 'true');

export const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

export const key = z.string({ error: 'is missing: base64 of at least 32 random bytes' }).transform((text, context) => {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < 32) context.addIssue({ code: 'custom', message: 'must be base64 of at least 32 random bytes' });
  return bytes;
});

/** Older keys that may still have to be read: a comma list of what `key` takes. */
export const olderKeys = z
  .string()
  .default('')
  .transform((text) => text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()])))
  .pipe(z.array(key));

/** Text that `read` understands. Its error could quote a key, so it is dropped. */
export const readable = <T>(read: (text: string) => T, message: string) =>
  z.string({ error: `is missing: ${message}` }).transform((text, context) => {
    try {
      return read(text);
    } catch {
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
  });

export const url = (protocols: readonly string[]) => {
  const message = `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`;
  return z
    .string({ error: `is missing: ${message}` })
    .refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), { message });
};

/** A comma list; empty text is the empty list. */
export const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  );
