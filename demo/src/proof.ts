import type { CheckResult, Model } from "strop";
import { wholeBundle } from "./bundle.ts";
import { find } from "./dom.ts";
import type { Proof } from "./engines/native.ts";

/** Prove the model in use, when asked: by the whole bundle and its golden samples. */
export function offerProof(inUse: Model, proofs: readonly Proof[]): void {
  const button = find<HTMLButtonElement>("#prove");
  button.disabled = false;
  button.addEventListener("click", async () => {
    if (find("#proof").dataset.state === "running") return;
    show("running", "…", "Loading the bundle and checking every byte.");
    try {
      await prove(inUse, proofs);
    } catch (error) {
      show("failed", "Not proven", error instanceof Error ? error.message : String(error));
    }
  });
}

async function prove(inUse: Model, proofs: readonly Proof[]): Promise<void> {
  const whole = await wholeBundle();
  if (whole.digest !== inUse.digest || whole.planDigest !== inUse.planDigest)
    throw new Error("The bundle is not the one that this page's model is from. Reload the page.");
  // The plan in use has the same SHA-256 as the one in the bundle, which has the samples.
  const result = await whole.check();
  const count = `${result.passed} of ${result.samples}`;
  if (result.status !== "passed") return show("failed", count, result.detail);
  show("passed", count, story(whole, result, proofs));
}

function story(model: Model, result: CheckResult, proofs: readonly Proof[]): string {
  const exact = result.maxAbsError === 0 ? "bit for bit" : `within ${result.maxAbsError}`;
  const sentences = [`golden samples give the outputs proven at export, ${exact}.`];
  for (const { engine, version, samples, outputs } of proofs) {
    const { disagreements = 0, accuracy = 0 } = outputs[0]?.figures ?? {};
    const [same, all] = [samples - disagreements, samples].map((n) => n.toLocaleString("en"));
    sentences.push(
      `Proven on ${engine} ${version}: ${same} of ${all} test images get the class from Keras, ` +
        `${(100 * accuracy).toFixed(2)}% the right one.`,
    );
  }
  sentences.push(`SHA-256 ${model.digest.slice(0, 12)}…, plan ${model.planDigest.slice(0, 12)}…`);
  return sentences.join(" ");
}

function show(state: "running" | "passed" | "failed", count: string, detail: string): void {
  const proof = find("#proof");
  proof.dataset.state = state;
  find(".count", proof).textContent = count;
  find(".detail", proof).textContent = detail;
}
