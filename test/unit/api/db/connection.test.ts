/** What DATABASE_URL asks of TLS, whatever the driver makes of it by itself. */
import { expect } from 'chai';
import { connectionOf, SSL_MODES } from '../../../../api/src/db/connection.ts';

describe('the connection to the database', () => {
  const url = 'postgres://a:b@db.example.com:5432/c';

  it('is encrypted and checked by require, verify-ca and verify-full alike, and takes TLS 1.2 at least', () => {
    for (const mode of ['require', 'verify-ca', 'verify-full']) {
      const { ssl, connectionString } = connectionOf(`${url}?sslmode=${mode}&application_name=x`);
      expect(ssl, mode).to.deep.equal({ rejectUnauthorized: true, minVersion: 'TLSv1.2' });
      expect(connectionString, 'the driver does not read the mode again').to.equal(`${url}?application_name=x`);
    }
  });

  it('is encrypted without a check only by no-verify, and plain only without a mode or by disable', () => {
    expect(connectionOf(`${url}?sslmode=no-verify`).ssl).to.include({ rejectUnauthorized: false });
    expect(connectionOf(url)).to.deep.equal({ connectionString: url });
    expect(connectionOf(`${url}?sslmode=disable`)).to.deep.equal({ connectionString: url });
    expect(SSL_MODES).not.to.include('prefer').and.not.to.include('allow');
  });

  it('fails at the start when the root certificate cannot be read', () => {
    expect(() => connectionOf(`${url}?sslmode=verify-full&sslrootcert=/nowhere.pem`)).to.throw(/ENOENT/);
  });
});
