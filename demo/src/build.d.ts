/** Constants that build.mjs compiles in. The files are beside the page. */
declare const BUILD: {
  /** The bundle's identity: the SHA-256 of its manifest. */
  readonly digest: string;
  readonly manifest: string;
  readonly plan: string;
  readonly bundle: string;
  /** The WebAssembly file of onnxruntime-web. */
  readonly onnx: string;
  /** The folder of LiteRT.js's WebAssembly files. */
  readonly litert: string;
};
