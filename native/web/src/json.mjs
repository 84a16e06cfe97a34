// Strict JSON: with nothing in it that two readers could take differently.
import { BundleError } from "./errors.mjs";

const MAX_DEPTH = 32; // objects and lists inside each other
const MAX_DIGITS = 4300; // of an integer, as in Python
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS = { true: true, false: false, null: null };

/** A number that was written with a fraction or an exponent. Integers are plain numbers. */
export class Real {
  constructor(value) {
    this.value = value;
  }
}

/**
 * Parse strict JSON. Objects have no prototype.
 *
 * @param {Uint8Array} data in UTF-8
 * @param {string} what what the data are, for messages: "the manifest"
 */
export function decode(data, what) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new BundleError(`${what} is not JSON: it is not UTF-8`);
  }
  return new Parser(text, what).parse();
}

class Parser {
  constructor(text, what) {
    this.text = text;
    this.what = what;
    this.at = 0;
  }

  parse() {
    this.skipSpace();
    const value = this.value(0);
    this.skipSpace();
    if (this.at < this.text.length)
      throw this.refuse(`there is text after its end, at character ${this.at}`);
    return value;
  }

  value(depth) {
    const first = this.text[this.at];
    if (first === '"') return this.string();
    if (first === "{" || first === "[") {
      if (depth === MAX_DEPTH)
        throw new BundleError(`${this.what} is nested more than ${MAX_DEPTH} levels deep`);
      return first === "{" ? this.object(depth + 1) : this.list(depth + 1);
    }
    for (const [word, value] of Object.entries(WORDS))
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    return this.number();
  }

  number() {
    NUMBER.lastIndex = this.at;
    const found = NUMBER.exec(this.text);
    if (!found) throw this.refuse(`no value at character ${this.at}`);
    this.at = NUMBER.lastIndex;
    if (found[1] || found[2]) return new Real(Number(found[0]));
    if (found[0].length > MAX_DIGITS) throw this.refuse("an integer has too many digits");
    return Number(found[0]);
  }

  string() {
    let end = this.at;
    do {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) throw this.refuse(`a text at character ${this.at} does not end`);
    } while (this.isEscaped(end));
    try {
      const value = JSON.parse(this.text.slice(this.at, end + 1));
      this.at = end + 1;
      return value;
    } catch {
      throw this.refuse(`a bad text at character ${this.at}`);
    }
  }

  isEscaped(at) {
    let start = at;
    while (this.text[start - 1] === "\\") start--;
    return (at - start) % 2 === 1;
  }

  object(depth) {
    const value = Object.create(null);
    this.items("}", () => {
      if (this.text[this.at] !== '"') throw this.refuse(`no key at character ${this.at}`);
      const key = this.string();
      if (key in value) throw this.refuse("a key is twice in an object");
      this.skipSpace();
      this.expect(":");
      this.skipSpace();
      value[key] = this.value(depth);
    });
    return value;
  }

  list(depth) {
    const value = [];
    this.items("]", () => value.push(this.value(depth)));
    return value;
  }

  /** Read what is between brackets, with commas between the items. */
  items(end, readItem) {
    this.at++;
    this.skipSpace();
    while (this.text[this.at] !== end) {
      readItem();
      this.skipSpace();
      if (this.text[this.at] === end) break;
      this.expect(",");
      this.skipSpace();
      if (this.text[this.at] === end) throw this.refuse(`a comma before character ${this.at}`);
    }
    this.at++;
  }

  expect(character) {
    if (this.text[this.at] !== character)
      throw this.refuse(`no ${character} at character ${this.at}`);
    this.at++;
  }

  skipSpace() {
    SPACE.lastIndex = this.at;
    SPACE.test(this.text);
    this.at = SPACE.lastIndex;
  }

  refuse(problem) {
    return new BundleError(`${this.what} is not JSON: ${problem}`);
  }
}
