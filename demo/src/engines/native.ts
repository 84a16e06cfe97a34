import { loadParts, type Model } from "strop";
import type { Runner } from "./engine.ts";

/** Open Strop's own engine by the manifest and the int8 plan alone. */
export async function openModel(): Promise<Model> {
  const [manifest, plan] = await Promise.all([read(BUILD.manifest), read(BUILD.plan)]);
  return loadParts({ manifest, plan }, { digest: BUILD.digest });
}

export function runnerOf(model: Model): Runner {
  return {
    precision: model.precision,
    run: (pixels) => model.predict(pixels) as Float32Array,
  };
}

async function read(file: string): Promise<Uint8Array> {
  const answer = await fetch(file);
  if (!answer.ok) throw new Error(`cannot load ${file}: ${answer.status} ${answer.statusText}`);
  return new Uint8Array(await answer.arrayBuffer());
}
