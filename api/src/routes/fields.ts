/** The fields that several endpoints take, each with what it must be. Used by the schemas of the files beside it. */
import { z } from 'zod';
import { emailFault, normalizeEmail } from '../core/email-address.ts';
import { MAX_PASSWORD_LENGTH } from '../core/password-policy.ts';
import { plainText } from '../http/plain-text.ts';

/** Normalised before it is judged: a check of what is not stored is no check (Auth.js GHSA-7rqj-j65f-68wh). */
export const email = z
  .string()
  .max(254)
  .transform((text, context) => {
    const normal = normalizeEmail(text);
    const fault = emailFault(text, normal);
    if (fault === undefined) return normal;
    context.addIssue({ code: 'custom', message: fault });
    return z.NEVER;
  })
  .pipe(z.email('must be an e-mail address').max(254))
  .meta({ examples: ['ada@example.com'] });

/** A password, old or new. What a new one must be is said by its policy (services/new-passwords.ts), which knows the account too. */
export const password = z
  .string()
  .min(1)
  .max(MAX_PASSWORD_LENGTH)
  .meta({ examples: ['Correct-Horse-9-Staple'] });

/** PostgreSQL cannot store NUL, nobody's name has control characters, and a page that shows it must find no HTML in it. */
export const personName = z
  .string()
  .max(200)
  .transform(plainText)
  .pipe(
    z
      .string()
      .trim()
      .min(1)
      .max(100)
      .regex(/^\P{Cc}+$/u, 'must have no control characters'),
  )
  .meta({ examples: ['Ada'] });

/** PostgreSQL cannot store NUL. */
export const storableText = z.string().refine((text) => !text.includes('\0'), 'must not contain NUL');

export const opaqueToken = z.string().min(1).max(512);

/** ISO 8601 in answers. */
export const isoTime = z.iso.datetime();

/** Six digits, as apps show them: in two groups of three. */
export const totpCode = z
  .string()
  .max(16)
  .transform((text) => text.replaceAll(/\s/g, ''))
  .pipe(z.string().regex(/^\d{6}$/, 'must be six digits'))
  .meta({ examples: ['123456'] });

export const backupCode = z
  .string()
  .regex(/^([A-Za-z2-7]{4}[- ]?){3}[A-Za-z2-7]{4}$/, 'must be sixteen letters and digits')
  .meta({ examples: ['ABCD-EFGH-IJKL-MNOP'] });

/** A body that proves a second factor: by the app's code or by a backup code, not by both. */
export const exactlyOneCode = <T extends z.ZodRawShape>(shape: T) =>
  z.strictObject(shape).superRefine((body: Readonly<Record<string, unknown>>, context) => {
    if ((body['code'] === undefined) === (body['backupCode'] === undefined)) {
      context.addIssue({ code: 'custom', path: ['code'], message: 'must be given, or else backupCode' });
    }
  });
