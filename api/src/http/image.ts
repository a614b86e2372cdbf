/** Reads an uploaded picture out of a request. Called by routes/profile.ts; the bytes go on to services/profile.ts. */
import type { Request } from 'express';
import { type Avatar, MEDIA_TYPES, type MediaType } from '../db/avatars.ts';
import { AppError } from '../errors.ts';

const EXTENSIONS: Readonly<Record<MediaType, readonly string[]>> = {
  'image/png': ['png'],
  'image/jpeg': ['jpg', 'jpeg'],
  'image/webp': ['webp'],
};

const refuse = (field: string, message: string): AppError =>
  new AppError('invalid-request', { fields: [{ field, message }] });

/** The extension of the file name that `Content-Disposition` gives; undefined where it gives none. */
const extensionIn = (request: Request): string | undefined => {
  const name = /filename\*?="?(?<name>[^";]*)/i.exec(request.get('content-disposition') ?? '')?.groups?.['name'];
  return name === undefined ? undefined : (/\.([^.]*)$/.exec(name)?.[1]?.toLowerCase() ?? '');
};

/**
 * The bytes decide what it is; the declared type, and the extension where a file name came along, must say the same. It is never decoded
 * here, so no picture can be a bomb.
 * @throws AppError `invalid-request` naming `body`, `content-type` or `content-disposition`
 */
export const imageIn = async (request: Request): Promise<Avatar> => {
  const content: unknown = request.body;
  if (!Buffer.isBuffer(content) || content.length === 0) throw refuse('body', 'must be a PNG, JPEG or WebP picture');
  const { fileTypeFromBuffer } = await import('file-type'); // with the first picture
  const found = (await fileTypeFromBuffer(content))?.mime;
  const mediaType = MEDIA_TYPES.find((type) => type === found);
  if (mediaType === undefined) throw refuse('body', 'must be a PNG, JPEG or WebP picture');
  if (request.is(mediaType) === false) throw refuse('content-type', `must be ${mediaType}, which the picture is`);
  const extension = extensionIn(request);
  if (extension !== undefined && !EXTENSIONS[mediaType].includes(extension)) {
    throw refuse('content-disposition', `must name a file that ends in .${EXTENSIONS[mediaType].join(' or .')}`);
  }
  return { mediaType, content };
};
