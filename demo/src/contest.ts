import type { EngineName, Runner } from "./engines/engine.ts";
import { race } from "./race.ts";
import { Turns } from "./turns.ts";

/** A result beside that of Strop's engine. */
export interface Agreement {
  readonly agrees: boolean;
  /** The largest difference of a probability. */
  readonly difference: number;
}

/** The engines that are open, on the present sample. */
export class Contest {
  readonly #turns = new Turns();
  readonly #runners = new Map<EngineName, readonly Runner[]>();
  readonly #times = new Map<Runner, number>();
  #races = 0;

  add(name: EngineName, runners: readonly Runner[]): void {
    this.#runners.set(name, runners);
  }

  has(name: EngineName): boolean {
    return this.#runners.has(name);
  }

  /** Return the faster runner of an engine, and its time in microseconds, NaN before a race. */
  best(name: EngineName): { runner: Runner; us: number } {
    const all = (this.#runners.get(name) ?? []).map((runner) => ({
      runner,
      us: this.#times.get(runner) ?? Number.NaN,
    }));
    const first = all[0];
    if (!first) throw new Error(`${name} is not open`);
    return all.reduce((best, one) => (one.us < best.us ? one : best), first);
  }

  /** Run the sample on every open engine. */
  async judge(pixels: Uint8Array): Promise<Map<EngineName, Float32Array>> {
    const results = new Map<EngineName, Float32Array>();
    for (const name of this.#runners.keys()) {
      const { runner } = this.best(name);
      results.set(name, await this.#turns.take(async () => runner.run(pixels)));
    }
    return results;
  }

  /** Time all runners; return whether there are new times. A new race ends the one before. */
  async race(pixels: Uint8Array): Promise<boolean> {
    const mine = ++this.#races;
    const runners = [...this.#runners.values()].flat();
    const found = await race(runners, pixels, this.#turns, () => mine === this.#races);
    for (const [runner, us] of found ?? []) this.#times.set(runner, us);
    return found !== null;
  }

  endRace(): void {
    this.#races++;
  }
}

export function compare(result: Float32Array, reference: Float32Array): Agreement {
  const difference = reference.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (result[i] ?? 0))),
    0,
  );
  return { agrees: bestOf(result) === bestOf(reference), difference };
}

/** Return the place of the largest value. */
export function bestOf(values: Float32Array): number {
  return values.indexOf(Math.max(...values));
}
