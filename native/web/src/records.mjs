// JSON records: parsed JSON to typed fields. A missing, an unknown field or another type is refused.
import { BundleError, printable, quoted } from "./errors.mjs";
import { decode, Real } from "./json.mjs";

export const MAX_NUMBER = 1e300;
const UNPRINTABLE = /[\0-\x1f\x7f-\x9f]|\p{Cs}/u; // controls, halves of pairs

export function isPrintable(text) {
  return !UNPRINTABLE.test(text);
}

/** Read a JSON object whose field `schema` says which version of its fields it has. */
export function readRecord(kind, data, what, { schema, maxBytes, mend }) {
  if (data.length > maxBytes) throw new BundleError(`${what} has more than ${maxBytes} bytes`);
  const content = decode(data, what);
  const version = isObject(content) ? (content.schema ?? null) : null;
  const found = version instanceof Real ? version.value : version;
  if (found !== schema) {
    const shown = isObject(found) || Array.isArray(found) ? typeName(found) : quoted(found);
    throw new BundleError(`${what} has schema ${shown}; this strop.mjs reads ${schema}`, mend);
  }
  return kind(content, what.replace(/^the /, ""));
}

export function text(value, where) {
  if (typeof value !== "string") throw wrong(value, "str", where);
  if (!isPrintable(value))
    throw bad(where, `${quoted(value)} holds characters that cannot be printed`);
  return value;
}

export function truth(value, where) {
  if (typeof value !== "boolean") throw wrong(value, "bool", where);
  return value;
}

export function integer(value, where) {
  if (typeof value !== "number") throw wrong(value, "int", where);
  return value;
}

export function number(value, where) {
  const found = value instanceof Real ? value.value : value;
  if (typeof found !== "number") throw wrong(value, "float", where);
  if (!(Math.abs(found) < MAX_NUMBER)) throw bad(where, "the number is too large");
  return found;
}

/** Take any JSON without infinite numbers; numbers with a fraction stay `Real`. */
export function anything(value, where) {
  if (!isWritable(value)) throw bad(where, "the number is too large");
  return value;
}

export const maybe = (reader) => (value, where) => (value === null ? null : reader(value, where));

export const list = (reader) => (value, where) => {
  if (!Array.isArray(value)) throw wrong(value, "tuple", where);
  return value.map((item, i) => reader(item, `${where}[${i}]`));
};

/** A field that is left out if there is nothing to list. */
export const optional = (reader) => {
  const filled = (value, where) => {
    const found = reader(value, where);
    if (!found.length) throw bad(where, "it is there, but empty");
    return found;
  };
  return Object.assign(filled, { absent: [] });
};

export const pair = (reader) => (value, where) => {
  if (Array.isArray(value) && value.length !== 2)
    throw bad(where, `${value.length} values instead of 2`);
  return list(reader)(value, where);
};

export const dict = (reader) => (value, where) => {
  if (!isObject(value)) throw wrong(value, "dict", where);
  const found = Object.create(null);
  for (const [key, item] of Object.entries(value)) found[key] = reader(item, `${where}.${key}`);
  return found;
};

export const record = (fields) => (value, where) => {
  if (!isObject(value)) throw wrong(value, "an object", where);
  for (const name of Object.keys(value))
    if (!Object.hasOwn(fields, name)) throw bad(where, `unknown field ${quoted(name)}`);
  const found = {};
  for (const [name, reader] of Object.entries(fields)) {
    if (name in value) found[name] = reader(value[name], `${where}.${name}`);
    else if (reader.absent) found[name] = [...reader.absent];
    else throw bad(where, `field ${quoted(name)} is missing`);
  }
  return found;
};

/** Turn every `Real` in parsed JSON into a number. */
export function plain(value) {
  if (value instanceof Real) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  for (const name of Object.keys(value)) value[name] = plain(value[name]);
  return value;
}

export function isObject(value) {
  if (typeof value !== "object" || value === null) return false;
  return !Array.isArray(value) && !(value instanceof Real);
}

/** Tell whether all numbers are finite: 1e999 is read as infinity, which JSON does not have. */
function isWritable(value) {
  if (value instanceof Real) return Number.isFinite(value.value);
  if (Array.isArray(value)) return value.every(isWritable);
  return !isObject(value) || Object.values(value).every(isWritable);
}

function wrong(value, wanted, where) {
  return bad(where, `${typeName(value)} instead of ${wanted}`);
}

function bad(where, problem) {
  return new BundleError(`${printable(where)}: ${printable(problem)}`);
}

/** Name a type as the Python runtime does. */
function typeName(value) {
  if (value === null) return "NoneType";
  if (value instanceof Real) return "float";
  if (Array.isArray(value)) return "list";
  return { string: "str", boolean: "bool", number: "int", object: "dict" }[typeof value];
}
