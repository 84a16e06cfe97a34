// The errors of this module, with the kinds and fields that the Python runtime has.

const LONGEST = 2000; // characters of a problem or a mend: it may quote a whole file

/** Base of every error that this module throws on purpose. */
export class StropError extends Error {
  /**
   * @param {string} problem what was asked for, and what was found
   * @param {string} mend what to do about it; "" if nothing is known to help
   */
  constructor(problem, mend = "") {
    const parts = [problem, mend].map((text) => short(printable(text)));
    super(parts.filter(Boolean).join("; "));
    [this.problem, this.mend] = parts;
    this.name = new.target.name;
    this.kind = new.target.kind;
  }

  /** Return the same error with a place named before the problem. */
  within(place) {
    return new this.constructor(`${place}: ${this.problem}`, this.mend);
  }

  static kind = "error";
}

/** The bundle cannot be read or trusted. */
export class BundleError extends StropError {
  static kind = "bundle";
}

/** The engine does not run here, or has no variant in the bundle. */
export class EngineUnavailable extends StropError {
  static kind = "engine";
}

/** An argument is not one of the choices, or an array is not what the model takes. */
export class InputError extends StropError {
  static kind = "input";
}

/** The picture shows nothing that the steps can find. */
export class BlankPicture extends InputError {
  static kind = "blank";
}

const NAMED = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"]]);

/** Write other people's text on one line, with nothing in it that a terminal obeys. */
export function printable(text) {
  return text.replace(/(?! )[\p{C}\p{Z}]/gu, (character) => {
    const code = character.codePointAt(0);
    const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return NAMED.get(character) ?? `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  });
}

/** Quote a value in a message, as Python does. */
export function quoted(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "string") return String(value);
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  return quote + value.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`) + quote;
}

/** Join the choices of a mend. */
export function oneOf(names) {
  const distinct = [...new Set(names)];
  return distinct.length === 1 ? distinct[0] : `one of ${distinct.join(", ")}`;
}

function short(text) {
  const half = LONGEST / 2;
  return text.length <= LONGEST ? text : `${text.slice(0, half - 2)} .. ${text.slice(2 - half)}`;
}
