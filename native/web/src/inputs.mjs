// The check of a model's inputs, by the rules of strop/model/inputs.py.
import { InputError, quoted } from "./errors.mjs";

const LONGEST = 100; // characters of an unknown name
const INTEGERS = {
  Int8Array: "int8",
  Uint8Array: "uint8",
  Uint8ClampedArray: "uint8", // the pixels of a canvas
  Int16Array: "int16",
  Uint16Array: "uint16",
  Int32Array: "int32",
  Uint32Array: "uint32",
};
const FLOATS = { Float32Array: "float32", Float64Array: "float64" };

/**
 * Return the inputs as one array for each, or refuse them.
 *
 * @param {*} inputs an array; for several inputs a list in the manifest's order, or an object by name
 * @param {object[]} specs the model's inputs
 * @param {string} name of the model, for messages
 * @returns {{ arrays: ArrayBufferView[], rows: number }} arrays of the model's dtypes
 */
export function admitAll(inputs, specs, name) {
  const several = specs.length > 1;
  const arrays = inOrder(inputs, specs, name).map((value, i) => {
    const who = several ? `${name}: input ${quoted(specs[i].name)}` : name;
    return admit(value, specs[i], who);
  });
  const counts = arrays.map((array, i) => array.length / sizeOf(specs[i]));
  if (new Set(counts).size > 1) {
    const found = counts.map((count, i) => `${count} of ${specs[i].name}`).join(", ");
    throw new InputError(
      `${name} takes the same number of samples for each input; got ${found}`,
      "give the same N for all",
    );
  }
  return { arrays, rows: counts[0] };
}

function inOrder(inputs, specs, name) {
  if (isPlainObject(inputs)) {
    const names = specs.map((spec) => spec.name);
    const missing = names.filter((one) => !Object.hasOwn(inputs, one));
    const unknown = Object.keys(inputs).filter((one) => !names.includes(one));
    const found = missing.length ? [`no ${missing.join(", ")}`] : [];
    if (unknown.length)
      found.push(`the unknown ${unknown.map((one) => quoted(one.slice(0, LONGEST))).join(", ")}`);
    if (found.length) throw notNamed(specs, name, `got ${found.join(" and ")}`);
    return names.map((one) => inputs[one]);
  }
  if (specs.length === 1) return [inputs];
  if (!Array.isArray(inputs)) throw notNamed(specs, name, `got one ${kindOf(inputs)}`);
  if (inputs.length !== specs.length)
    throw notNamed(specs, name, `got ${inputs.length} values`);
  return inputs;
}

function notNamed(specs, name, found) {
  const takes = specs.map((spec) => `${quoted(spec.name)}, ${wanted(spec)}`).join("; ");
  const names = specs.map((spec) => `${quoted(spec.name)}: ...`).join(", ");
  const how = specs.length > 1 ? "give them by name" : "give the array, or an object by name";
  const what = specs.length === 1 ? "1 input" : `${specs.length} inputs`;
  return new InputError(`${name} takes ${what}, ${takes}; ${found}`, `${how}, {${names}}`);
}

/** Return one input as an array of the model's dtype. */
function admit(value, spec, name) {
  const size = sizeOf(spec);
  const array = convert(value, spec, name);
  if (!array.length) throw refused(spec, name, "got an empty batch");
  if (array.length % size)
    throw refused(spec, name, `got ${array.length} values, which is no multiple of ${size}`);
  if (spec.dtype === "float32" && !array.every(Number.isFinite))
    throw new InputError(`${name} takes finite values; got NaN or infinity`);
  return array;
}

function convert(value, spec, name) {
  const kind = kindOf(value);
  const integers = INTEGERS[kind];
  if (spec.dtype === "float32") {
    if (kind in FLOATS) return Float32Array.from(value);
    if (Array.isArray(value)) return numbers(value, spec, name);
  } else if (spec.dtype === "int32" && integers) {
    if (integers === "uint32" && value.some((number) => number >= 2 ** 31))
      throw refused(spec, name, "got uint32 above 2147483647", "give whole numbers that fit");
    return Int32Array.from(value);
  } else if (integers === spec.dtype) {
    return value;
  }
  const dtype = integers ?? FLOATS[kind];
  throw refused(spec, name, `got ${dtype ?? kind}`, mend(spec, dtype, kind));
}

/** Take numbers in lists, also in nested ones. */
function numbers(value, spec, name) {
  const flat = value.flat(Infinity);
  if (!flat.every((item) => typeof item === "number"))
    throw refused(spec, name, "got a list that holds other things than numbers");
  return Float32Array.from(flat);
}

/** Return the expression that converts the array to the model's input; "" if none does. */
function mend({ dtype, range }, found, kind) {
  if (dtype === "float32" && found) {
    if (!range) return "give Float32Array.from(x), scaled as in training";
    const [low, high] = range;
    if (found === "uint8" && low >= 0 && high <= 1) return "give Float32Array.from(x, v => v / 255)";
    if (found === "uint8" && low >= -1 && low < 0 && high <= 1)
      return "give Float32Array.from(x, v => v / 127.5 - 1)";
    return `give Float32Array.from(x); it was proven on values of ${general(low)}..${general(high)}`;
  }
  if (dtype === "uint8" && (found || kind === "Array"))
    return "give raw pixels, Uint8Array.from(x) of 0..255";
  if (dtype === "int32" && (found || kind === "Array"))
    return "give whole numbers, Int32Array.from(x)";
  return "";
}

/** Describe the inputs that a model takes: "uint8 (0..255) of shape (N, 28, 28) or (28, 28)". */
export function wanted({ dtype, range, shape }) {
  const sample = shape.slice(1).join(", ");
  const limits = range ? range.map((limit) => general(limit)).join("..") : "any..any";
  return `${dtype} (${limits}) of shape ${sample ? `(N, ${sample})` : "(N,)"} or (${sample})`;
}

/** Write a number with few digits, as Python's format "g" does. */
export function general(number, digits = 6) {
  const [written, power] = number.toExponential(digits - 1).split("e");
  if (power >= -4 && power < digits) return String(Number(number.toPrecision(digits)));
  const [, sign, exponent] = /([+-])(.*)/.exec(power);
  return `${Number(written)}e${sign}${exponent.padStart(2, "0")}`;
}

function sizeOf({ shape }) {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}

export function kindOf(value) {
  if (ArrayBuffer.isView(value)) return value[Symbol.toStringTag]; // a Buffer is an Uint8Array
  return value === null || value === undefined ? String(value) : (value.constructor?.name ?? "object");
}

function isPlainObject(value) {
  return kindOf(value) === "Object";
}

function refused(spec, name, why, mend = "") {
  return new InputError(`${name} takes ${wanted(spec)}; ${why}`, mend);
}
