import { loadParts, type Model } from "strop";
import { fetchFile } from "../files.ts";
import type { Runner } from "./engine.ts";

/** How a file was proven at export, from the manifest. */
export interface Proof {
  readonly engine: string;
  readonly version: string;
  readonly samples: number;
  readonly outputs: readonly { readonly figures: Readonly<Record<string, number>> }[];
}

/** Open Strop's own engine by the manifest and the int8 plan alone. */
export async function openModel(): Promise<{ model: Model; proofs: readonly Proof[] }> {
  const parts = { manifest: read(BUILD.manifest), plan: read(BUILD.plan) };
  const model = await loadParts(parts, { digest: BUILD.digest });
  const { variants } = JSON.parse(new TextDecoder().decode(await parts.manifest)); // verified now
  const used = variants.find(({ sha256 }: { sha256: string }) => sha256 === model.planDigest);
  return { model, proofs: used.proofs };
}

export function runnerOf(model: Model): Runner {
  return {
    precision: model.precision,
    run: (pixels) => model.predict(pixels) as Float32Array,
  };
}

async function read(file: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetchFile(file)).arrayBuffer());
}
