// Makes a fresh clone ready: checks Node and npm and installs the pinned packages when they are missing or not those of
// the lock file. npm runs it before `demo`, `test` and `start`, so it is plain JavaScript for any Node ≥ 20 and imports
// nothing that has to be installed. `--needs-cluster` also asks for what a one-node cluster on this machine needs.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const lockFile = join(root, 'package-lock.json');
const installedLock = join(root, 'node_modules', '.package-lock.json');
const stampFile = join(root, 'node_modules', '.latchkey-lock');
const oldestNode = 20;
const tickMs = 10_000;

/** A sentence for what is missing, with the way out; undefined when nothing is. */
function whatIsMissing(needsCluster) {
  if (Number(process.versions.node.split('.')[0]) < oldestNode) {
    return `Node ${process.versions.node} is too old: install Node ${oldestNode} or newer (https://nodejs.org).`;
  }
  if (spawnSync('npm', ['--version']).status !== 0) {
    return 'npm is missing: install it (it comes with Node: https://nodejs.org; on Debian: apt-get install npm).';
  }
  if (!needsCluster) return undefined;
  if (process.platform !== 'linux') {
    return `The local cluster runs on Linux only and this is ${process.platform}: use a Linux machine or a virtual one.`;
  }
  if (process.getuid() !== 0) {
    return 'The local cluster needs root (network namespaces, mounts, iptables): run it with sudo, or as root. The unit tests alone need no root: npm run test:unit';
  }
  return undefined;
}

function lockDigest() {
  return createHash('sha256').update(readFileSync(lockFile)).digest('hex');
}

function isInstalled() {
  if (!existsSync(installedLock)) return false;
  if (existsSync(stampFile)) return readFileSync(stampFile, 'utf8') === lockDigest();
  return statSync(installedLock).mtimeMs >= statSync(lockFile).mtimeMs;
}

function install() {
  const startedAt = Date.now();
  const elapsed = () => `${Math.round((Date.now() - startedAt) / 1000)} s`;
  console.log('Installing the pinned packages (npm ci) …');
  const ticker = setInterval(() => console.log(`  … still installing (${elapsed()})`), tickMs);
  // An unreachable registry shall be told within a minute, not after npm's long back-off.
  const patience = ['--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=4000'];
  const npm = spawn('npm', ['ci', '--no-audit', '--no-fund', ...patience], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  npm.stderr.on('data', (chunk) => {
    // npm says why first; its manual page follows.
    errors = (errors + chunk).slice(0, 2000);
  });
  return new Promise((resolve) => {
    npm.on('error', () => resolve(false));
    npm.on('close', (code) => {
      clearInterval(ticker);
      if (code === 0) writeFileSync(stampFile, lockDigest());
      console.log(code === 0 ? `Installed in ${elapsed()}.` : errors.split('npm error Clean install a project')[0]);
      resolve(code === 0);
    });
  });
}

const missing = whatIsMissing(process.argv.includes('--needs-cluster'));
if (missing !== undefined) {
  console.error(missing);
  process.exitCode = 1;
} else if (!isInstalled() && !(await install())) {
  console.error(
    'npm ci failed; its words are above. Mostly the registry cannot be reached: check the network, a proxy (npm config get proxy) and the registry (npm config get registry), then run the command again.',
  );
  process.exitCode = 1;
}
