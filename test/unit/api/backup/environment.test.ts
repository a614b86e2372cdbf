/** The keys of backups as text, and the file of variables that a restore writes. */
import { parseEnv } from 'node:util';
import { expect } from 'chai';
import {
  BackupKeyError,
  generateBackupKeys,
  keyIdOf,
  readPrivateKey,
  readPublicKey,
} from '../../../../api/src/backup/archive-keys.ts';
import { environmentText, serviceVariables } from '../../../../api/src/backup/environment.ts';
import { fileNameOf } from '../../../../api/src/backup/write.ts';
import { generateKeys } from '../../../../api/src/embedded/keys.ts';

describe('keys of backups', () => {
  it('are a pair: both halves have one id, and neither is taken for the other', () => {
    const keys = generateBackupKeys();
    expect(keyIdOf(readPublicKey(keys.publicKey))).to.equal(keyIdOf(readPrivateKey(keys.privateKey)));
    expect(() => readPublicKey(keys.privateKey)).to.throw(BackupKeyError, 'begins with lkpub_');
    expect(() => readPrivateKey(keys.publicKey)).to.throw(BackupKeyError, 'begins with lkkey_');
    expect(() => readPrivateKey(keys.privateKey.slice(0, -2)))
      .to.throw(BackupKeyError)
      .that.does.not.match(/lkkey_\w{20}/);
  });
});

describe('the environment of a backup', () => {
  it('holds what the service reads and nothing else of the process', () => {
    const env = {
      DATABASE_URL: 'postgres://a',
      BACKUP_PRIVATE_KEY: 'lkkey_x',
      HOME: '/home',
      LOG_LEVEL: 'info',
      BACKUP_PUBLIC_KEY: 'lkpub_x',
    };
    expect(Object.keys(serviceVariables(env))).to.deep.equal(['BACKUP_PUBLIC_KEY', 'DATABASE_URL', 'LOG_LEVEL']);
  });

  it('is read back as it was by node, keys of several lines and quotes too', () => {
    const { databasePassword: _unused, ...keys } = generateKeys();
    const variables = {
      ...keys,
      JWT_VERIFICATION_KEYS: '{"keys":[]}',
      MAIL_FROM: "O'Brien <a@example.com>",
      EMPTY: '',
      SPACED: ' a # b ',
    };
    expect(parseEnv(environmentText(new Map(Object.entries(variables))))).to.deep.equal(variables);
  });
});

describe('the name of a backup', () => {
  it('sorts by time and carries the tag', () => {
    expect(fileNameOf(Date.parse('2026-11-22T06:15:00.123Z'), undefined)).to.equal('latchkey-20261122T061500Z.lkb');
    expect(fileNameOf(Date.parse('2026-11-22T06:15:00Z'), 'pre-migration')).to.equal(
      'latchkey-20261122T061500Z-pre-migration.lkb',
    );
  });
});
