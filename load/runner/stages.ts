/**
 * How much load each scenario puts on the server in each stage: what main.ts asks k6 for. The average stages are the runbook's figures,
 * docs/load.md says why the others are what they are.
 */
import type { ScenarioName, StageName } from '../service-levels.ts';

export interface Scenario {
  readonly name: ScenarioName;
  readonly what: string;
  /** Its limits or its database are set for the run. */
  readonly needsOwnServer: boolean;
}

const scenario = (name: ScenarioName, what: string, needsOwnServer = false): Scenario => ({
  name,
  what,
  needsOwnServer,
});

export const SCENARIOS: readonly Scenario[] = [
  scenario('smoke', 'one user walks through every route once'),
  scenario('login', 'logins at half of what the cores can hash; under stress 100 at once'),
  scenario('refresh', 'every user refreshes over and over; nobody is logged out'),
  scenario('validate', 'validate and me in turn, 50 connections on 100 sessions'),
  scenario('mixed', 'me, validate, refreshes, now and then a logout and a login'),
  scenario('rate-limit', 'twice as much as is allowed; the limits are exact, others notice nothing', true),
  scenario('pool', 'the database takes connections away for a while: 503, and everybody is back afterwards', true),
  scenario('memory', 'resident memory under steady traffic, after a warm-up'),
];

export const STAGES: readonly { readonly name: StageName; readonly what: string }[] = [
  { name: 'smoke', what: 'seconds: does it work at all' },
  { name: 'average', what: 'the load that the service levels are promised for' },
  { name: 'stress', what: 'more than it can take: only what must hold even then is judged' },
  { name: 'soak', what: 'half an hour at a part of it: what only time shows' },
];

export interface Load {
  readonly users: number;
  /** Requests a second; 0: each user asks again as soon as it is answered. */
  readonly rate: number;
  readonly durationS: number;
}

/** A login rate is a hash rate: given as a share of the hashes that this machine can make in a second, alone. */
export interface HashLoad extends Omit<Load, 'rate'> {
  readonly hashShare: number;
}

const HALF_AN_HOUR_S = 1800;
const closed = (users: number, durationS: number): Load => ({ users, rate: 0, durationS });
const open = (users: number, rate: number, durationS: number): Load => ({ users, rate, durationS });

export const LOADS: Readonly<Record<ScenarioName, Readonly<Record<StageName, Load | HashLoad>>>> = {
  smoke: { smoke: closed(1, 10), average: closed(1, 10), stress: closed(1, 10), soak: closed(1, 10) },
  login: {
    smoke: { users: 4, hashShare: 0.25, durationS: 3 },
    average: { users: 100, hashShare: 0.5, durationS: 60 },
    stress: closed(100, 60),
    soak: { users: 100, hashShare: 0.25, durationS: HALF_AN_HOUR_S },
  },
  refresh: {
    smoke: closed(4, 2),
    average: closed(32, 60),
    stress: closed(100, 60),
    soak: open(50, 50, HALF_AN_HOUR_S),
  },
  validate: {
    smoke: closed(4, 2),
    average: closed(50, 30),
    stress: closed(200, 60),
    soak: open(50, 150, HALF_AN_HOUR_S),
  },
  mixed: {
    smoke: closed(4, 2),
    average: closed(50, 60),
    stress: closed(200, 60),
    soak: open(50, 150, HALF_AN_HOUR_S),
  },
  'rate-limit': {
    smoke: closed(10, 3),
    average: closed(10, 20),
    stress: closed(10, 40),
    soak: closed(10, 40),
  },
  pool: {
    smoke: closed(30, 6),
    average: closed(50, 40),
    stress: closed(200, 60),
    soak: closed(50, 600),
  },
  memory: {
    smoke: closed(4, 3),
    average: closed(20, 120),
    stress: closed(100, 300),
    soak: open(50, 150, HALF_AN_HOUR_S),
  },
};

/** What the server of `rate-limit` lets pass: reached within a window on any machine that runs this. */
export const LIMITS: Readonly<Record<StageName, { readonly limit: number; readonly loginLimit: number }>> = {
  smoke: { limit: 200, loginLimit: 3 },
  average: { limit: 1000, loginLimit: 30 },
  stress: { limit: 5000, loginLimit: 30 },
  soak: { limit: 5000, loginLimit: 30 },
};
