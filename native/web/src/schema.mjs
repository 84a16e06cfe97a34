// The rules of manifest.json that its types cannot express, as in strop/bundle/schema.py.
import { BundleError, printable, quoted } from "./errors.mjs";
import { Real } from "./json.mjs";
import * as words from "./manifest.mjs";
import { isPicture } from "./pictures.mjs";
import { isObject, isPrintable, MAX_NUMBER, plain, readRecord } from "./records.mjs";

const MAX_MANIFEST_BYTES = 4 * 2 ** 20;
const MAX_ELEMENTS = 2 ** 26; // values in one sample
const MAX_TENSORS = 64; // inputs, and outputs
const DECILES = 11;
const MAX_FIGURES = 18; // that an input or output has a histogram of
const MAX_INPUT_FIGURES = 64; // of all inputs together
const MAX_EDGES = 9;
const MAX_CLASSES = 1000; // that are counted one by one
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const RELEASE = /^[0-9]{1,9}(\.[0-9]{1,9}){0,5}$/;

/** Read a manifest. `data` are the bytes of manifest.json. */
export function parse(data) {
  const manifest = readRecord(words.MANIFEST_FIELDS, data, "the manifest", {
    schema: words.SCHEMA,
    maxBytes: MAX_MANIFEST_BYTES,
    mend: "take the strop.mjs that came with the bundle, or export the model again",
  });
  check(manifest);
  return plain(manifest);
}

function check(manifest) {
  const { inputs, outputs, variants, engines, golden } = manifest;
  need(NAME.test(manifest.name), `name ${quoted(manifest.name)} is not a valid name`);
  need(NAME.test(manifest.target), `target ${quoted(manifest.target)} is not a valid name`);
  need(manifest.model_version >= 0, "model_version is negative");
  needOneOf(words.STRUCTURES, manifest.structure, "unknown structure");
  for (const [what, specs] of Object.entries({ inputs, outputs })) {
    need(specs.length > 0 && specs.length <= MAX_TENSORS, `${specs.length} ${what}`);
    need(distinct(specs.map(({ name }) => name)), `two ${what} have one name`);
  }
  const measured = inputs.reduce((sum, { profile }) => sum + profile.length, 0);
  need(measured <= MAX_INPUT_FIGURES, `bad profile: ${measured} figures of inputs`);
  const many = manifest.structure !== "one";
  need(many || outputs.length === 1, "structure 'one' has several outputs");
  inputs.forEach(checkInput);
  outputs.forEach(checkOutput);
  need(variants.length > 0, "there are no variants");
  need(distinct(engines), "an engine is listed twice");
  need(golden.samples > 0, "there are no golden samples");
  need(golden.inputs.length === inputs.length, "not one golden array for each input");
  need(golden.keras.length === outputs.length, "not one Keras array for each output");
  const files = words.filesOf(manifest);
  need(distinct(files.map(({ file }) => file)), "a file is listed twice");
  for (const { file, sha256, bytes } of files) {
    need(/^[0-9a-f]{64}$/.test(sha256), `${file}: bad sha256`);
    need(bytes >= 0, `${file}: negative size`);
  }
  const listed = new Set(engines);
  for (const variant of variants) checkVariant(variant, manifest, listed);
}

function need(isTrue, what) {
  if (!isTrue) throw new BundleError(`manifest: ${printable(what)}`);
}

function needOneOf(known, value, what) {
  need(known.includes(value), `${what} ${quoted(value)}`);
}

function distinct(values) {
  return new Set(values).size === values.length;
}

function checkTensor({ name, dtype, shape, range }) {
  needOneOf(words.DTYPES, dtype, `${name}: unknown dtype`);
  need(isShape(shape) && shape[0] === null, `${name}: bad shape`);
  need(!range || range[0] <= range[1], `${name}: bad range`);
}

function checkInput(spec) {
  checkTensor(spec);
  const { name, shape, statistics, picture } = spec;
  const own = shape.slice(1).reduce((product, size) => product * size, 1);
  need([0, 1, own].includes(statistics.length), `${name}: bad statistics`);
  for (const { samples, std, deciles } of statistics) {
    const ascending = deciles.every((value, i) => i === 0 || deciles[i - 1] <= value);
    const sound = samples > 0 && std >= 0 && deciles.length === DECILES && ascending;
    need(sound, `${name}: bad statistics`);
  }
  need(!picture || isPicture(picture, spec), `${name}: bad picture steps`);
  checkProfile(spec, 0);
}

function checkOutput(spec) {
  checkTensor(spec);
  const { name, shape, dtype, kind, labels, threshold, logits } = spec;
  needOneOf(words.KINDS, kind, `${name}: unknown kind`);
  const last = lastSize(spec);
  const classes = last === 1 && (kind === "binary" || kind === "segmentation") ? 2 : last;
  need([0, classes].includes(labels.length), `${name}: bad labels`);
  need(distinct(labels), `${name}: a label is there twice`);
  const byThreshold =
    kind === "binary" || kind === "multilabel" || (kind === "segmentation" && last === 1);
  need((threshold !== null) === byThreshold, `${name}: bad threshold`);
  const rank = shape.length - 1;
  const sound = {
    class: rank === 1 && last !== 1,
    binary: last === 1 && rank <= 1,
    multilabel: rank === 1,
    segmentation: rank > 1,
  };
  need(sound[kind] ?? true, `${name}: ${kind} of shape (${shape.map(quoted).join(", ")})`);
  need(dtype === "float32" || kind === "raw", `${name}: ${kind} is float32`);
  need(!logits || !["regression", "raw"].includes(kind), `${name}: bad logits`);
  checkProfile(spec, kind === "class" || kind === "binary" ? classes : 0);
}

/** Check the histograms of an input, or of an output that decides between some classes. */
function checkProfile({ name, profile }, classes) {
  const sound =
    profile.length <= MAX_FIGURES &&
    distinct(profile.map(({ figure }) => figure)) &&
    profile.every((histogram) => isHistogram(histogram, classes)) &&
    new Set(profile.map(samplesOf)).size <= 1 &&
    profile.every((histogram) => samplesOf(histogram) > 0n);
  need(sound, `${name}: bad profile`);
}

function samplesOf({ counts }) {
  return counts.reduce((sum, count) => sum + BigInt(count), 0n);
}

function isHistogram({ figure, edges, counts }, classes) {
  if (!counts.every((count) => count >= 0 && count <= Number.MAX_SAFE_INTEGER)) return false;
  if (figure === "class")
    return !edges.length && counts.length === classes && classes <= MAX_CLASSES;
  const ascending = edges.every((edge, i) => i === 0 || edges[i - 1] < edge);
  const fits = edges.length >= 1 && edges.length <= MAX_EDGES && counts.length === edges.length + 1;
  return fits && ascending;
}

function checkVariant(variant, manifest, listed) {
  const { file, format, precision, rounding, devices, proofs, golden } = variant;
  needOneOf(words.FORMATS, format, `${file}: unknown format`);
  need(words.PRECISIONS.includes(precision), `${file}: bad precision`);
  need(rounding === null || words.ROUNDINGS.includes(rounding), `${file}: unknown rounding`);
  need(rounding === null || format === "plan", `${file}: only a plan has rounding`);
  const known = devices.every((device) => words.DEVICES.includes(device));
  need(known && distinct(devices) && devices.includes("cpu"), `${file}: bad devices`);
  need(proofs.length > 0, `${file}: proven on no engine`);
  need(words.enginesOf(variant).every((name) => listed.has(name)), `${file}: unlisted engine`);
  const places = proofs.map(({ engine, device }) => JSON.stringify([engine, device]));
  need(distinct(places), `${file}: proven twice`);
  const floors = "engines" in variant.requires ? variant.requires.engines : {};
  const releases = isObject(floors) && Object.values(floors).every(isRelease);
  need(releases, `${file}: requires.engines has a value that is not a version`);
  need(golden.length === manifest.outputs.length, `${file}: not one golden for each output`);
  for (const [i, { file: array, tolerance }] of golden.entries()) {
    const counts = [1, lastSize(manifest.outputs[i])];
    const sound = counts.includes(tolerance.length) && tolerance.every((value) => value >= 0);
    need(sound, `${array}: bad tolerance`);
  }
  for (const proof of proofs) checkProof(proof, variant, manifest);
  checkTensors(variant, manifest, "inputs");
  checkTensors(variant, manifest, "outputs");
  const batches = [...variant.inputs, ...variant.outputs].map(({ shape }) => shape[0]);
  need(new Set(batches).size === 1, `${file}: tensors of different batches`);
}

function checkProof({ engine, device, adapter, samples, outputs }, variant, manifest) {
  const where = `${variant.file} on ${engine}`;
  need(samples >= 0, `${where}: negative samples`);
  need(outputs.length === manifest.outputs.length, `${where}: not one for each output`);
  for (const { figures, bounds } of outputs) {
    const sound = [...Object.keys(figures), ...Object.keys(bounds)].every(isPrintable);
    need(sound && Object.values(figures).every(isFigure), `${where}: bad figures`);
  }
  need(variant.devices.includes(device), `${variant.file}: not made for ${quoted(device)}`);
  need((adapter !== "") === (device === "gpu"), `${variant.file}: bad adapter for ${engine}`);
}

function checkTensors(variant, manifest, side) {
  const { file, [side]: tensors } = variant;
  const specs = manifest[side];
  need(tensors.length === specs.length, `${file}: ${tensors.length} ${side}`);
  need(distinct(tensors.map(({ name }) => name)), `${file}: two ${side} of one name`);
  for (const [i, { dtype, shape }] of tensors.entries()) {
    const spec = specs[i];
    needOneOf(words.DTYPES, dtype, `${file}: unknown dtype`);
    need(isShape(shape), `${file}: bad shape`);
    need(String(shape.slice(1)) === String(spec.shape.slice(1)), `${file}: another shape`);
    // Integers may become floats on their way in; anything else would cut values off.
    const widened = side === "inputs" && dtype === "float32" && spec.dtype !== "int64";
    need(dtype === spec.dtype || widened, `${file}: ${dtype} instead of ${spec.dtype}`);
  }
}

function lastSize({ shape }) {
  return shape.length > 1 ? shape.at(-1) : 1;
}

/** Tell whether a figure is a number, a list of numbers, a printable text or null. */
function isFigure(value) {
  if (typeof value === "string") return isPrintable(value);
  const items = Array.isArray(value) ? value : value === null ? [] : [value];
  return items.every((item) => {
    const found = item instanceof Real ? item.value : item;
    return typeof found === "number" && Math.abs(found) < MAX_NUMBER;
  });
}

function isRelease(value) {
  return typeof value === "string" && RELEASE.test(value);
}

/** Tell whether a shape is a batch axis, free or of one sample, then fixed sizes, if any. */
function isShape(shape) {
  if (!shape.length || ![null, 1].includes(shape[0])) return false;
  const sizes = shape.slice(1);
  const product = sizes.reduce((values, size) => values * size, 1);
  return sizes.every((size) => size !== null && size > 0) && product <= MAX_ELEMENTS;
}
