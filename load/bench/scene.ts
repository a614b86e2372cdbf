/** What the scenarios of one run share. Made by main.ts. */
import type { Latchkey } from './latchkey.ts';
import type { Figure } from './report.ts';
import type { Stores } from './stores.ts';

export interface Scene {
  readonly stores: Stores;
  readonly latchkey: Latchkey;
  readonly rounds: number;
  /** Length of a round. */
  readonly seconds: number;
  readonly connections: number;
  readonly say: (line: string) => void;
}

export type Scenario = (scene: Scene) => Promise<readonly Figure[]>;
