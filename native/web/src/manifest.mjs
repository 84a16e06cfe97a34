// The fields of manifest.json, as in strop/bundle/manifest.py.
import {
  anything,
  dict,
  integer,
  list,
  maybe,
  number,
  optional,
  pair,
  record,
  text,
  truth,
} from "./records.mjs";

export const SCHEMA = 2;
export const FORMATS = ["onnx", "plan", "tflite", "weights"];
export const PRECISIONS = ["float32", "float16", "dynamic", "int8", "int16x8", "mixed"];
export const DTYPES = ["float32", "uint8", "int8", "int32", "int64", "bool"];
export const DEVICES = ["cpu", "gpu"];
export const KINDS = ["class", "binary", "multilabel", "regression", "segmentation", "raw"];
export const STRUCTURES = ["one", "list", "dict"];
export const ROUNDINGS = ["reference", "float"];

const file = { file: text, sha256: text, bytes: integer };
const shape = list(maybe(integer));

const profile = optional(
  list(record({ figure: text, edges: list(number), counts: list(integer) })),
);

const input = {
  name: text,
  shape,
  dtype: text,
  range: maybe(pair(number)),
  statistics: list(record({ samples: integer, mean: number, std: number, deciles: list(number) })),
  picture: maybe(
    record({ mode: text, steps: list(record({ step: text, options: dict(anything) })) }),
  ),
  profile,
};

const output = {
  name: text,
  shape,
  dtype: text,
  range: maybe(pair(number)),
  labels: list(text),
  kind: text,
  logits: truth,
  threshold: maybe(number),
  profile,
};

const tensor = {
  name: text,
  shape,
  dtype: text,
  scale: maybe(number),
  zero_point: maybe(integer),
};

const proof = {
  engine: text,
  version: text,
  device: text,
  adapter: text,
  samples: integer,
  outputs: list(record({ figures: dict(anything), bounds: dict(number) })),
};

const variant = {
  ...file,
  format: text,
  precision: text,
  devices: list(text),
  inputs: list(record(tensor)),
  outputs: list(record(tensor)),
  requires: dict(anything),
  rounding: maybe(text),
  golden: list(record({ ...file, tolerance: list(number) })),
  proofs: list(record(proof)),
};

export const MANIFEST_FIELDS = record({
  schema: integer,
  name: text,
  model_version: integer,
  target: text,
  inputs: list(record(input)),
  outputs: list(record(output)),
  structure: text,
  self_evaluated: truth,
  engines: list(text),
  variants: list(record(variant)),
  golden: record({ inputs: list(record(file)), keras: list(record(file)), samples: integer }),
  export: dict(anything),
});

/** List every member that the manifest vouches for. */
export function filesOf({ golden, variants }) {
  const ofVariants = variants.flatMap((variant) => [variant, ...variant.golden]);
  return [...golden.inputs, ...golden.keras, ...ofVariants];
}

/** Name the engines that a variant is proven on, each once. */
export function enginesOf(variant) {
  return [...new Set(variant.proofs.map((proof) => proof.engine))];
}
