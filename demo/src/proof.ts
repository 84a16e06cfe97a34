import type { CheckResult, Model } from "strop";
import { wholeBundle } from "./bundle.ts";
import { find } from "./dom.ts";

/** Prove the model in use, when asked: by the whole bundle and its golden samples. */
export function offerProof(inUse: Model): void {
  const button = find<HTMLButtonElement>("#prove");
  button.disabled = false;
  button.addEventListener("click", async () => {
    if (find("#proof").dataset.state === "running") return;
    show("running", "…", "Loading the bundle and checking every byte.");
    try {
      await prove(inUse);
    } catch (error) {
      show("failed", "Not proven", error instanceof Error ? error.message : String(error));
    }
  });
}

async function prove(inUse: Model): Promise<void> {
  const whole = await wholeBundle();
  if (whole.digest !== inUse.digest || whole.planDigest !== inUse.planDigest)
    throw new Error("The bundle is not the one that this page's model is from. Reload the page.");
  // The plan in use has the same SHA-256 as the one in the bundle, which has the samples.
  const result = await whole.check();
  const count = `${result.passed} of ${result.samples}`;
  if (result.status !== "passed") return show("failed", count, result.detail);
  show("passed", count, story(whole, result));
}

function story(model: Model, { maxAbsError, kerasAgreement, samples }: CheckResult): string {
  const exact = maxAbsError === 0 ? "bit for bit" : `within ${maxAbsError}`;
  const keras = Math.round((kerasAgreement ?? 0) * samples);
  return (
    `golden samples give the outputs proven at export, ${exact}. ` +
    `Keras names ${keras} of ${samples} alike. Bundle ${model.digest.slice(0, 16)}…, ` +
    `plan ${model.planDigest.slice(0, 16)}…: every byte has the SHA-256 that this page expects.`
  );
}

function show(state: "running" | "passed" | "failed", count: string, detail: string): void {
  const proof = find("#proof");
  proof.dataset.state = state;
  find(".count", proof).textContent = count;
  find(".detail", proof).textContent = detail;
}
