/**
 * `helm test`: a new user registers, logs in, asks who they are, refreshes, asks again and logs out. Started by
 * templates/tests/smoke.yaml with the API's own image; its output is what `helm test --logs` shows. Where accounts must verify
 * their address, nobody here reads the mail: the test then proves that the door stays closed until somebody does.
 *
 * BASE_URLS: base URLs separated by spaces; the first that reports ready is tested. A cluster without DNS works: the
 * kubelet puts the Services' addresses into the pod's environment, and Kubernetes expands them in BASE_URLS.
 */
const deadlineMs = Date.now() + Number(process.env.TIMEOUT_SECONDS) * 1000;
const baseUrls = process.env.BASE_URLS.split(' ').filter((url) => url !== '');
const user = {
  email: `helm-test-${Date.now().toString(36)}@example.com`,
  password: `Helm-test-${crypto.randomUUID()}-7!`,
};

async function call(url, { method = 'GET', body, bearer } = {}) {
  const headers = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`;
  const payload = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(url, { method, headers, ...payload, signal: AbortSignal.timeout(10_000) });
  return { status: response.status, text: await response.text() };
}

/** The first base URL whose API reports ready, asked once a second until the deadline. */
async function readyUrl() {
  let last = 'nobody answered';
  while (Date.now() < deadlineMs) {
    for (const url of baseUrls) {
      try {
        const { status } = await call(`${url}/api/health/ready`);
        if (status === 200) return url;
        last = `${url} answered ${status}`;
      } catch (error) {
        last = `${url}: ${error.cause?.message ?? error.message}`;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error(`not ready within ${process.env.TIMEOUT_SECONDS} s: ${last}`);
}

async function step(name, wanted, answer) {
  const { status, text } = await answer;
  const accepted = [wanted].flat();
  if (!accepted.includes(status)) {
    throw new Error(`${name}: wanted ${accepted.join(' or ')}, got ${status}: ${text.slice(0, 300)}`);
  }
  console.log(`ok   ${name} (${status})`);
  return { status, ...(text === '' ? {} : JSON.parse(text)) };
}

async function wholeSession(base) {
  const first = await step('login', 200, call(`${base}/login`, { method: 'POST', body: user }));
  await step('me', 200, call(`${base}/me`, { bearer: first.accessToken }));
  const body = { refreshToken: first.refreshToken };
  const second = await step('refresh', 200, call(`${base}/refresh`, { method: 'POST', body }));
  await step('me after the refresh', 200, call(`${base}/me`, { bearer: second.accessToken }));
  const logout = { method: 'POST', body: { refreshToken: second.refreshToken }, bearer: second.accessToken };
  await step('logout', 204, call(`${base}/logout`, logout));
}

try {
  const base = `${await readyUrl()}/api/v1/auth`;
  console.log(`base ${base}`);
  const names = { firstName: 'Helm', lastName: 'Test' };
  const registration = { method: 'POST', body: { ...user, ...names } };
  const { status } = await step('register', [201, 202], call(`${base}/register`, registration));
  if (status === 201) await wholeSession(base);
  else await step('login before verification is refused', 401, call(`${base}/login`, { method: 'POST', body: user }));
} catch (error) {
  console.error(`FAIL ${error.message}`);
  process.exitCode = 1;
}
