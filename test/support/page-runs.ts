/**
 * How each command of the documentation is run: by which test, or why by none. test/contract/docs/commands.test.ts fails for a command that no
 * rule here knows; the tests named here ask for theirs with `commandsOf` and fail for one that they cannot run.
 */
import { documentedCommands, type Kind, type PageCommand } from './page-commands.ts';

/** Tests that run what is theirs as it stands in the page, with names of their own installation. */
export const RUNNERS = {
  apiserver: 'test/integration/operator/docs-commands.test.ts',
  cluster: 'test/e2e/docs-commands.test.ts',
  drill: 'test/e2e/drills.test.ts',
  api: 'test/integration/api/docs-commands.test.ts',
  latchkey: 'test/integration/api/docs-latchkey.test.ts',
  /** The project's own scripts of minutes or hours: read, and typed by hand. */
  words: 'test/contract/docs/commands.test.ts',
  /** Tests of one page or package, which run more of it than is shown. */
  client: 'test/integration/api/client-package.test.ts',
  plugin: 'test/integration/operator/plugin-package.test.ts',
  completion: 'test/integration/operator/plugin-completion.test.ts',
  range: 'test/integration/operator/plugin-range.test.ts',
  localCluster: 'test/integration/k8s-local/cluster.test.ts',
  compose: 'test/contract/containers/compose.test.ts',
  secret: 'test/integration/charts/secret.test.ts',
  kustomize: 'test/integration/charts/kustomize.test.ts',
  rotation: 'test/integration/api/key-rotation.test.ts',
  statements: 'test/integration/api/page-statements.test.ts',
} as const;
export type Runner = keyof typeof RUNNERS;

type Run = { readonly by: Runner } | { readonly because: string };
export interface Rule {
  readonly page?: RegExp;
  readonly kind?: Kind;
  readonly text?: RegExp;
  readonly run: Run;
}

const NO_LINE: Run = { because: 'names a command, and is no line to type' };

/** The first that fits counts. */
export const RULES: readonly Rule[] = [
  { text: /^kubectl .*-- latchkey doctor/, run: { by: 'cluster' } },
  {
    text: /^kubectl .* -it .*-- latchkey monitor$/,
    run: { because: 'draws until its reader ends it; both halves are typed, with --once and without a cluster' },
  },
  {
    text: /^latchkey (audit|report|config compare)$|^kubectl authrollout( \w+( --\w+)?| records NAME)?$/,
    kind: 'inline',
    run: NO_LINE,
  },
  {
    text: /monitor --duration 1h/,
    run: { because: 'takes the hour that it says; the page before it is typed with --once' },
  },
  { page: /latchkey-cli/, kind: 'console', run: { by: 'latchkey' } },
  { page: /runbook|security/, kind: 'console', text: /^latchkey (report|config|keys) /, run: { by: 'latchkey' } },
  { page: /migration-guide/, text: /^latchkey db (import-profiles|verify)$/, run: { by: 'latchkey' } },
  { page: /security-configuration/, kind: 'sql', run: { by: 'rotation' } },
  { page: /migration-guide|faq|row-level-security/, kind: 'sql', run: { by: 'statements' } },
  {
    page: /security-configuration/,
    text: /^(umask|openssl|for name|printf|kubectl .*create secret)/,
    run: { by: 'secret' },
  },
  { text: /^redis-cli ACL/, run: { by: 'api' } },
  { page: /^k8s\/README/, text: / -k |-f k8s\/$|create namespace auth$/, run: { by: 'kustomize' } },
  { text: /^kubectl apply --server-side -f k8s\/$/, run: { by: 'kustomize' } },
  { kind: 'promql', run: { by: 'cluster' } },
  { kind: 'sql', run: { by: 'api' } },
  { page: /^k8s\/local\//, kind: 'sh', run: { by: 'localCluster' } },
  { kind: 'sh', run: { by: 'api' } },

  {
    text: /^docker /,
    run: {
      because:
        'no test machine has a container engine: typed by hand on Docker Engine 28.5.2 with Compose 2.40.3, most of them on 27.0.3 and 29 too, on base images ' +
        'made there under the official names. The tests read the files as Compose does, and run nginx and Redis as they say',
    },
  },
  { page: /containers/, text: /make-env/, run: { by: 'compose' } },
  {
    page: /containers/,
    kind: 'console',
    run: { because: 'prepares or asks the host of the containers above, with which it was typed' },
  },
  { text: /^npm install .*client/, run: { by: 'client' } },
  { text: /^npm (un)?install/, run: { by: 'plugin' } },
  { text: /plugin:pack && npm install/, run: { by: 'plugin' } },
  {
    text: /^npm run (-s (latchkey|monitor:auth)|db:[a-z]|cache:clear|(client|plugin):pack$|\w+ -- --help$)/,
    run: { by: 'latchkey' },
  },
  { text: /^npm /, run: { by: 'words' } },

  { text: /completion (bash|zsh|fish)\b/, run: { by: 'completion' } },
  { text: /^kubectl authrollout --help$/, run: { by: 'plugin' } },
  { text: /authrollout replay .*--(range|from)\b/, run: { by: 'range' } },
  { text: /^latchkey /, kind: 'console', run: { by: 'api' } },
  { text: /^latchkey /, run: { by: 'latchkey' } },
  { text: /api\/v1\/audit|api\/health\/auth/, run: { by: 'api' } },
  { page: /rollback-database/, kind: 'console', run: { by: 'drill' } },

  {
    kind: 'inline',
    text: /logs POD /,
    run: { because: 'is about a pod whose migration failed; e2e charts/release.test.ts makes one' },
  },

  // What needs pods, or the operator as Helm installs it.
  { text: /\b(logs .*[|-]|exec|port-forward .*&|get --raw \/api\/)/, run: { by: 'cluster' } },
  { text: /^curl .*lk_bucket/, run: { by: 'cluster' } },
  { text: /latchkey-(alerts|notifications)\b|^openssl/, run: { by: 'cluster' } },
  { text: /-n latchkey-system get|as system:serviceaccount|patch httproute .*100\}/, run: { by: 'cluster' } },

  { text: /^kubectl authrollout \w+ auth-api\b/, kind: 'inline', run: { by: 'apiserver' } },
  { kind: 'console', text: /^(kubectl|helm) /, run: { by: 'apiserver' } },
  {
    kind: 'inline',
    text: /^kubectl (get rappr|get rcompl|auth whoami|apply --server-side -f)/,
    run: { by: 'apiserver' },
  },
  {
    kind: 'inline',
    text: /^kubectl |^helm (upgrade|rollback)( --wait)?$|^node --|^k6 run/,
    run: NO_LINE,
  },
];

export const ruleOf = ({ page, kind, text }: PageCommand): Rule | undefined =>
  RULES.find(
    (rule) => (rule.page?.test(page) ?? true) && (rule.kind ?? kind) === kind && (rule.text?.test(text) ?? true),
  );

const isBy = (command: PageCommand, runner: Runner): boolean => {
  const run = ruleOf(command)?.run;
  return run !== undefined && 'by' in run && run.by === runner;
};

/** What a test has to run, in the order of the pages. */
export const commandsOf = (runner: Runner): readonly PageCommand[] =>
  documentedCommands().filter((command) => isBy(command, runner));

/** For the message of a failed command. */
export const placeOf = ({ page, line, text }: PageCommand): string => `${page}:${line}  ${text}`;
