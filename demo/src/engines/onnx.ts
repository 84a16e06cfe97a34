import { env, InferenceSession, Tensor } from "onnxruntime-web/wasm";
import type { Runner } from "./engine.ts";

const NAMES = { uint8: Uint8Array, float32: Float32Array };

/** Open a model on onnxruntime-web: one thread, and the same tensors in every run. */
export async function open(file: Uint8Array, precision: string): Promise<Runner> {
  env.wasm.numThreads = 1;
  env.wasm.wasmPaths = { wasm: new URL(BUILD.onnx, location.href) };
  const session = await InferenceSession.create(file, { graphOptimizationLevel: "all" });
  const [input] = session.inputMetadata;
  const [output] = session.outputNames;
  if (!input?.isTensor || output === undefined) throw new Error("the model has no tensors");
  const type = precision === "int8" ? "uint8" : "float32";
  const values = new NAMES[type](28 * 28);
  const feeds = { [input.name]: new Tensor(type, values, [1, 28, 28]) };
  return {
    precision,
    async run(pixels) {
      values.set(pixels);
      const results = await session.run(feeds);
      return results[output]?.data as Float32Array;
    },
  };
}
