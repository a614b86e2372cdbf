// `npm run demo`: a real cluster, the real charts, real traffic, two rollouts, a report. Started by package.json; each
// stage lives in a file beside this one.
import { writeFileSync } from 'node:fs';
import { cleanUp, exploreLines, whyAndWayOut } from './ending.ts';
import { buildImages, images, versions } from './images.ts';
import {
  apiValues,
  installOperator,
  names,
  prepareApi,
  removeNamespace,
  untilAvailable,
  upgradeApi,
} from './install.ts';
import { type DemoOptions, help, parseOptions } from './options.ts';
import { contextPlace, localPlace, type Place } from './place.ts';
import { startRecorder } from './record.ts';
import { makeReport, type Report } from './report.ts';
import { reportLines } from './report-text.ts';
import { demoFacts, type Shown, showRollout } from './rollout.ts';
import { demoSchedule, rolloutDeadlineMs } from './schedule.ts';
import { innerProgress, openScreen, type Screen } from './stage.ts';
import { startTraffic, untilServing } from './traffic.ts';

interface Demo {
  readonly options: DemoOptions;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

async function openPlace({ options, screen, signal }: Demo): Promise<Place> {
  const { context } = options;
  if (context !== undefined) {
    return screen.stage(`Your cluster ${context.name}`, (note) => contextPlace(context, innerProgress(screen, note)));
  }
  return screen.stage('A one-node Kubernetes', (note) => localPlace(innerProgress(screen, note), signal));
}

async function install({ options, screen }: Demo, place: Place): Promise<void> {
  await screen.stage('Images from their Dockerfiles', (note) => buildImages(place, note));
  await screen.stage('helm install latchkey-operator', () => installOperator(place, images.operator));
  await screen.stage('helm install latchkey, not yet rolled out by the operator', async (note) => {
    if (place.images === 'local') await removeNamespace(place, names.namespace); // of an earlier demo with --keep
    await prepareApi(place);
    const values = apiValues(place, demoSchedule(options.pace));
    await upgradeApi(place, images.first, { ...values, rollout: { ...values.rollout, enabled: false } });
    await untilAvailable(place.kubectl, names.namespace, names.release);
    await untilServing(place.gatewayUrl, { note });
  });
}

/** Traffic first, so that adoption, promotion and rollback all happen under it. */
async function rollOut(demo: Demo, place: Place): Promise<Report> {
  const { screen } = demo;
  const { namespace, release, rule } = names;
  const recorder = startRecorder(place.kubectl, { namespace, rollout: release, route: release, rule });
  const settings = { STABLE_VERSION: versions.first };
  try {
    const traffic = await screen.stage('k6 traffic through the gateway', () =>
      startTraffic({ k6: place.k6, baseUrl: place.gatewayUrl, settings }),
    );
    try {
      return await rollOutUnder(demo, place, { screen, recorder, traffic });
    } finally {
      await traffic.stop();
    }
  } finally {
    recorder.stop();
  }
}

async function rollOutUnder({ screen, options, signal }: Demo, place: Place, shown: Shown): Promise<Report> {
  const bounds = { deadlineMs: rolloutDeadlineMs(options.pace), signal };
  await screen.stage('helm upgrade latchkey with its AuthRollout: the operator adopts the Deployment', async () => {
    await upgradeApi(place, images.first, { rollout: { enabled: true } });
    await shown.recorder.until('Adoption', bounds, ({ status }) => status?.phase === 'Succeeded');
  });
  const healthy = await showRollout(shown, {
    title: 'Rollout one, healthy',
    from: versions.first,
    to: versions.healthy,
    begin: () => upgradeApi(place, images.healthy),
    ...bounds,
  });
  const sick = await showRollout(shown, {
    title: 'Rollout two, sick',
    from: versions.healthy,
    to: versions.sick,
    begin: () => upgradeApi(place, images.sick),
    ...bounds,
  });
  // Until now, not until k6 has ended: what it breaks off at its end is nobody's failure.
  const trafficUntilMs = Date.now();
  await shown.traffic.stop();
  return makeReport(demoFacts(healthy, sick, shown.traffic, trafficUntilMs));
}

async function run(demo: Demo): Promise<boolean> {
  const { options, screen } = demo;
  let place: Place | undefined;
  let isOk = false;
  try {
    place = await openPlace(demo);
    await install(demo, place);
    const report = await rollOut(demo, place);
    for (const line of reportLines(report, screen.columns)) screen.line(line);
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    isOk = report.allHold;
  } catch (error) {
    for (const line of demo.signal.aborted ? ['', 'The demo was stopped.'] : whyAndWayOut(error)) screen.line(line);
  }
  // From here on nothing is stopped any more: the second Ctrl-C ends the process itself.
  const screenOfEnd = openScreen(process.stdout);
  if (!options.keep) await cleanUp(options, place, screenOfEnd);
  else if (place !== undefined) for (const line of exploreLines(options, place)) screen.line(line);
  return isOk;
}

function optionsOrUsage(): DemoOptions | undefined {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(
      `${error instanceof Error ? error.message : String(error)}\nnpm run demo -- --help lists the options.`,
    );
    process.exitCode = 2;
    return undefined;
  }
}

async function main(): Promise<void> {
  const options = optionsOrUsage();
  if (options === undefined) return;
  if (options.help) {
    console.log(help);
    return;
  }
  const stopped = new AbortController();
  const stop = (name: NodeJS.Signals): void => stopped.abort(new Error(`stopped by ${name}`));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const isOk = await run({ options, screen: openScreen(process.stdout, stopped.signal), signal: stopped.signal });
  process.exitCode = isOk ? 0 : 1;
}

await main();
