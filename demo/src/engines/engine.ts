export const ENGINES = ["native", "onnx", "litert"] as const;
export type EngineName = (typeof ENGINES)[number];

export const TITLES: Readonly<Record<EngineName, string>> = {
  native: "Strop",
  onnx: "onnxruntime-web",
  litert: "LiteRT.js",
};

/** A model file, open on an engine. All take the same bytes and give the same kind of output. */
export interface Runner {
  readonly precision: string;
  /**
   * Run one sample.
   *
   * @param pixels uint8, 28 x 28
   * @returns probabilities, float32, 10
   */
  run(pixels: Uint8Array): Float32Array | Promise<Float32Array>;
}
