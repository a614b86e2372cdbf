/** Modules loaded again in the same process: mocha-runner.ts asks for a generation where a mutant must be on while they load. */
import { registerHooks } from 'node:module';

const GENERATION = '?generation=';

export const inGeneration = (url: string, generation: number): string => `${url}${GENERATION}${generation}`;

/** What a module of a generation imports below `root` (a URL) is of the same generation; packages are loaded once. */
export const keepGenerationsApart = (root: string): void => {
  registerHooks({
    resolve: (specifier, importing, next) => {
      const found = next(specifier, importing);
      const generation = importing.parentURL?.split(GENERATION)[1];
      return generation === undefined || !found.url.startsWith(root) || found.url.includes(GENERATION)
        ? found
        : { ...found, url: inGeneration(found.url, Number(generation)) };
    },
  });
};
