/** What config.ts says against an environment, taken apart for tables: `NAME: rule; for example NAME=value`. Called by doctor and config. */

export interface Violation {
  readonly name: string;
  readonly rule: string;
  readonly remedy: string;
}

const FORM = /^([A-Z][A-Z0-9_]*): (.*?)(?:; for example (.*))?$/s;

export const violationOf = (text: string): Violation => {
  const [, name = '', rule = text, example] = FORM.exec(text) ?? [];
  return { name, rule, remedy: example ?? `see docs/configuration.md, ${name}` };
};
