import { getGlobalLiteRtPromise, loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import type { Runner } from "./engine.ts";

// LiteRT.js writes its log to the console as errors; real errors are thrown.
const QUIET = { print: console.debug, printErr: console.debug };

/** Open a model on LiteRT.js: one thread, and the same input buffer in every run. */
export async function open(file: Uint8Array, precision: string): Promise<Runner> {
  Object.assign(globalThis, { Module: QUIET }); // its loader takes the options of Emscripten there
  const folder = new URL(BUILD.litert, location.href).href;
  const { liteRtWasm: wasm } = await (getGlobalLiteRtPromise() ?? loadLiteRt(folder));
  const model = await loadAndCompile(file, { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
  const [details] = model.getInputDetails();
  if (!details) throw new Error("the model has no input");
  const values = details.dtype === "float32" ? new Float32Array(28 * 28) : new Uint8Array(28 * 28);
  const bytes = new Uint8Array(values.buffer);
  const input = new Tensor(values, details.shape);
  const buffer = input.liteRtTensorBuffer;
  return {
    precision,
    async run(pixels) {
      values.set(pixels);
      const at = buffer.lock(wasm.LiteRtTensorBufferLockMode.WRITE);
      wasm.HEAPU8.set(bytes, at);
      buffer.unlock();
      const outputs = await model.run(input);
      const probabilities = outputs[0]?.toTypedArray() as Float32Array;
      for (const output of outputs) output.delete();
      return probabilities;
    },
  };
}
