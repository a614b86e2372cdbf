/** Every command of `latchkey`. A new one is a file beside this that exports a `Command` (command.ts), and one entry here. Read by latchkey.ts. */
import type { Command } from './command.ts';

export interface Entry {
  readonly name: string;
  readonly summary: string;
  /** Loaded when it is called: what one command imports costs the others nothing. */
  readonly load: () => Promise<Command>;
}

export const COMMANDS: readonly Entry[] = [
  {
    name: 'audit',
    summary: 'verify, checkpoint, export or retain the audit trail',
    load: async () => (await import('./audit.ts')).audit,
  },
  {
    name: 'backup',
    summary: 'write, list or check backups',
    load: async () => (await import('./backup.ts')).backup,
  },
  { name: 'cache', summary: 'empty our part of Redis', load: async () => (await import('./cache.ts')).cache },
  {
    name: 'config',
    summary: 'validate an environment, or compare two: names and rules, never secrets',
    load: async () => (await import('./config.ts')).config,
  },
  {
    name: 'db',
    summary: 'migrate, verify or roll back the schema',
    load: async () => (await import('./db.ts')).db,
  },
  {
    name: 'doctor',
    summary: 'find what is wrong with the installation, with the remedy of each fault',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'drill',
    summary: 'restore a backup into a database of its own, check it, and drop it',
    load: async () => (await import('./drill.ts')).drill,
  },
  { name: 'keys', summary: 'list, rotate or retire signing keys', load: async () => (await import('./keys.ts')).keys },
  {
    name: 'monitor',
    summary: "live figures against the runbook's limits, with an exit code for scripts",
    load: async () => (await import('./monitor.ts')).monitor,
  },
  {
    name: 'report',
    summary: 'verify a deployment and write the report, as Markdown or JSON',
    load: async () => (await import('./report.ts')).report,
  },
  {
    name: 'restore',
    summary: 'put a backup into an empty database',
    load: async () => (await import('./restore.ts')).restore,
  },
  {
    name: 'completion',
    summary: 'a script that completes commands and options: bash, zsh or fish',
    load: async () => (await import('./completion.ts')).completion,
  },
];
