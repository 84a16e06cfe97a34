/** The release of this module and of its engine. */
export const VERSION: string;

/** Samples of one input, one after the other. Lists of numbers are for float32 inputs. */
export type Samples =
  | Uint8Array | Uint8ClampedArray | Int8Array | Int16Array | Uint16Array | Int32Array | Uint32Array
  | Float32Array | Float64Array | readonly number[] | readonly (readonly number[])[];

/** One array; for several inputs a list in the model's order, or an object by name. */
export type Inputs = Samples | readonly Samples[] | Readonly<Record<string, Samples>>;

/**
 * A picture: RGBA, four bytes a pixel, row by row, as `getImageData` of a canvas gives it. At most
 * 16,777,216 pixels, and 24,576 a side. Its colours are sRGB.
 */
export interface Picture {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly colorSpace?: string;
}

export type Output = Float32Array | Uint8Array | Int8Array | Int32Array;

/** The best class of one sample. */
export interface Prediction {
  label: string;
  /** The model's output for that class; 0..1 for sigmoid and softmax heads. */
  probability: number;
  classIndex: number;
  /** The outputs for all classes, in the order of the labels. */
  probabilities: Float32Array;
}

/** The labels of one sample that the model affirms: any number of them, or none. */
export interface LabelSet {
  labels: string[];
  probabilities: Float32Array;
}

/** A result of the golden samples. */
export interface CheckResult {
  status: "passed" | "FAILED" | "BROKEN";
  /** Why it did not pass; "" if it did. */
  detail: string;
  /** The largest difference from the outputs proven at export; null if there are no outputs. */
  maxAbsError: number | null;
  /** The difference that is allowed there. */
  tolerance: number | null;
  /** How many golden samples there are. */
  samples: number;
  /** How many of them gave the outputs proven at export. */
  passed: number;
  /** The share of samples that Keras names alike; null if the first output names no class. */
  kerasAgreement?: number | null;
}

/** How many calibration samples had a figure below the first edge, between two, and above. */
export interface Histogram {
  figure: string;
  edges: number[];
  counts: number[];
}

/** An input as the manifest describes it. The first size of a shape is null: any batch. */
export interface InputSpec {
  name: string;
  shape: (number | null)[];
  dtype: "float32" | "uint8" | "int8" | "int32";
  range: [number, number] | null;
  statistics: { samples: number; mean: number; std: number; deciles: number[] }[];
  picture: { mode: "L" | "RGB"; steps: { step: string; options: Record<string, number | string> }[] } | null;
  profile: Histogram[];
}

/** An output as the manifest describes it. */
export interface OutputSpec {
  name: string;
  shape: (number | null)[];
  dtype: "float32" | "uint8" | "int8" | "int32";
  range: [number, number] | null;
  labels: string[];
  kind: "class" | "binary" | "multilabel" | "regression" | "segmentation" | "raw";
  logits: boolean;
  threshold: number | null;
  profile: Histogram[];
}

export interface LoadOptions {
  /** Only a plan of this precision. */
  precision?: "float32" | "int8";
  /** One of these keys must have signed the bundle: texts as `strop keygen` writes them. */
  trustedKeys?: string[];
}

/** Where bytes are: they themselves, the answer of `fetch`, a promise of one of them, or a URL. */
export type Source =
  | Uint8Array | ArrayBuffer | Response | Promise<Uint8Array | Response> | URL | string;

/** A plan of a bundle, open; `load` and `loadParts` make one. */
export class Model {
  private constructor();
  readonly name: string;
  readonly version: number;
  readonly target: string;
  readonly engine: "native";
  readonly precision: string;
  readonly rounding: "reference" | "float" | null;
  /** The bundle's identity: the SHA-256 of its manifest. */
  readonly digest: string;
  /** The SHA-256 of the plan that runs. */
  readonly planDigest: string;
  /** The trusted key that signed the bundle; null if no key is trusted. */
  readonly signedBy: string | null;
  readonly inputs: InputSpec[];
  readonly outputs: OutputSpec[];
  readonly structure: "one" | "list" | "dict";
  /** The labels of the first output; without any, the numbers of its classes. */
  readonly labels: string[];

  /**
   * Run the model over one sample or more, one after the other.
   *
   * @param n how many samples must be there; without it, any number.
   * @returns new arrays, in the structure that Keras returns: one, a list, or an object by name.
   * @throws InputError the inputs have another size or dtype, or values that are not finite.
   */
  predict(inputs: Inputs, n?: number): Output | Output[] | Record<string, Output>;

  /**
   * Prepare a picture as the manifest says: the levels that the Python runtime gives.
   *
   * @param options.input the input that it is for; without it, the only one.
   * @returns a new array of one sample, of the input's dtype.
   * @throws BlankPicture the picture shows nothing, and its steps need a drawing.
   * @throws InputError it is not a picture or too large, or the input takes no pictures.
   */
  prepare(picture: Picture, options?: { input?: string }): Uint8Array | Float32Array;

  /**
   * Name the class or labels of one sample, or of a picture, which `prepare` prepares.
   *
   * @param options.output the output to read; without it, the only one with classes or labels.
   * @throws BlankPicture as `prepare` does.
   * @throws InputError the input is not one sample, or no output has classes or labels.
   */
  classify(sample: Inputs | Picture, options?: { output?: string }): Prediction | LabelSet;

  /**
   * Replay the golden samples, and compare the outputs with those proven at export.
   *
   * @throws BundleError the model was opened by its parts, without golden samples.
   */
  check(): Promise<CheckResult>;

  /**
   * Return the file of a variant, verified: for another engine in the page.
   *
   * @param wanted.format such as "onnx" or "tflite".
   * @param wanted.precision such as "int8"; without it, the first of the format.
   * @throws InputError the bundle has no such variant.
   * @throws BundleError the file is damaged, or the model was opened by its parts.
   */
  readVariant(wanted: { format: string; precision?: string }): Promise<Uint8Array>;

  /** Release the memory. Later calls throw StropError. */
  close(): void;
}

/**
 * Read a bundle, verify it, and open its first plan.
 *
 * @throws BundleError the bundle cannot be read or trusted.
 * @throws EngineUnavailable it has no plan for this engine, or WebAssembly does not run here.
 * @throws InputError an argument is not one of the choices.
 */
export function load(source: Source, options?: LoadOptions): Promise<Model>;

/**
 * Open a plan with its manifest alone, without the rest of the bundle.
 *
 * @param parts the bundle's `manifest.json`, and a plan of it.
 * @param options.digest the bundle's identity, from a place that you trust: the SHA-256 of the
 *   manifest, as `strop info` prints it. The manifest has the SHA-256 of the plan.
 * @throws BundleError the manifest has another SHA-256, or the plan is none of its plans.
 * @throws EngineUnavailable the plan is not for this engine, or WebAssembly does not run here.
 * @throws InputError an argument is not what it should be.
 */
export function loadParts(
  parts: { manifest: Source; plan: Source },
  options: { digest: string },
): Promise<Model>;

/** Base of every error that this module throws on purpose. */
export class StropError extends Error {
  /** For programs: "error", "bundle", "engine", "input" or "blank". */
  readonly kind: string;
  /** What was asked for, and what was found. */
  readonly problem: string;
  /** What to do about it; "" if nothing is known to help. */
  readonly mend: string;
}
export class BundleError extends StropError {}
export class EngineUnavailable extends StropError {}
export class InputError extends StropError {}
/** The picture shows nothing that the manifest's steps can find. */
export class BlankPicture extends InputError {}
