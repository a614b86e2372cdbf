/**
 * What validate is held against: Express 5 and nothing else, one HMAC over the token, the bytes that validate answers. Run as a process of
 * its own by floor.ts, with the answer in FLOOR_BODY and the key in FLOOR_KEY.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import express from 'express';

const body = process.env['FLOOR_BODY'] ?? '';
const key = process.env['FLOOR_KEY'] ?? '';

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.get('/validate', (request, response) => {
  const token = request.headers.authorization?.slice('Bearer '.length) ?? '';
  const cut = token.lastIndexOf('.');
  const expected = createHmac('sha256', key).update(token.slice(0, cut)).digest();
  const presented = Buffer.from(token.slice(cut + 1), 'base64url');
  if (expected.length !== presented.length || !timingSafeEqual(expected, presented)) {
    response.status(401).end();
    return;
  }
  response.type('json').send(body);
});
app.listen(Number(process.env['PORT']));
