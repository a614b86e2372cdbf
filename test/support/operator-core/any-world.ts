/** Arbitrary worlds for property tests. Used by properties.test.ts and decision-record.test.ts. */
import * as fc from 'fast-check';
import { change } from './changes.ts';
import { adoptedWorld, step, worldAt } from './doing.ts';
import { freshWorld, type World } from './world.ts';

/** Any world that a handful of changes and passes leads to. */
export const anyWorld: fc.Arbitrary<World> = fc
  .tuple(fc.nat(4), fc.uint8Array({ minLength: 0, maxLength: 12 }))
  .map(([start, bytes]) => {
    let world =
      [freshWorld, adoptedWorld, () => worldAt(5), () => worldAt(25), () => worldAt(100)][start]?.() ?? freshWorld();
    for (let index = 0; index + 1 < bytes.length; index += 2) {
      world = change(world, (bytes[index] ?? 0) % 17, bytes[index + 1] ?? 0);
      world = step({ ...world, nowMs: world.nowMs + 5_000 }).world;
    }
    return world;
  });
