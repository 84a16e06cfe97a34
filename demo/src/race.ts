import type { Runner } from "./engines/engine.ts";
import type { Turns } from "./turns.ts";

const ROUNDS = 15;
const SLICE_MS = 4; // clocks of browsers tick every 0.005 to 0.1 ms, some every millisecond
const WARM_UP_MS = 30;

/**
 * Time runners on one sample: after a warm-up, in rounds, each runner in turn.
 *
 * @param isWanted the race ends without a result when this becomes false
 * @returns the median time of one run in microseconds, by runner; null if the race ended early
 */
export async function race(
  runners: readonly Runner[],
  pixels: Uint8Array,
  turns: Turns,
  isWanted: () => boolean,
): Promise<Map<Runner, number> | null> {
  const counts = new Map<Runner, number>();
  const times = new Map<Runner, number[]>(runners.map((runner) => [runner, []]));
  for (const runner of runners) {
    if (!isWanted()) return null;
    counts.set(runner, await turns.take(() => warmUp(runner, pixels)));
    await rest();
  }
  for (let round = 0; round < ROUNDS; round++)
    for (const [runner, count] of counts) {
      if (!isWanted()) return null;
      const taken = await turns.take(() => timeOf(runner, pixels, count));
      times.get(runner)?.push((1000 * taken) / count);
      await rest();
    }
  return new Map([...times].map(([runner, all]) => [runner, median(all)]));
}

/** Run until the engine is warm; return how many runs fill a slice. */
async function warmUp(runner: Runner, pixels: Uint8Array): Promise<number> {
  const end = performance.now() + WARM_UP_MS;
  let count = 1;
  for (;;) {
    const taken = await timeOf(runner, pixels, count);
    if (taken >= SLICE_MS && performance.now() >= end) return count;
    if (taken < SLICE_MS) count *= 2;
  }
}

async function timeOf(runner: Runner, pixels: Uint8Array, count: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const result = runner.run(pixels);
    if (result instanceof Promise) await result;
  }
  return performance.now() - start;
}

/** Let the page draw and take input. */
function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
