// The model that a page holds: it checks the input, runs the core, and names the output.
import { InputError, oneOf, StropError } from "./errors.mjs";
import { admitAll, general, wanted } from "./inputs.mjs";
import { chooseOutput, labelsOf, nameRow } from "./naming.mjs";
import { chooseInput, isImage, prepare } from "./preparation.mjs";
import { replay } from "./replay.mjs";

export class Model {
  #bundle;
  #variant;
  #core;

  constructor(bundle, variant, core) {
    const { manifest } = bundle;
    this.#bundle = bundle;
    this.#variant = variant;
    this.#core = core;
    this.name = manifest.name;
    this.version = manifest.model_version;
    this.target = manifest.target;
    this.engine = "native";
    this.precision = variant.precision;
    this.rounding = variant.rounding;
    this.digest = bundle.digest;
    this.planDigest = variant.sha256;
    this.signedBy = bundle.signedBy;
    this.inputs = manifest.inputs;
    this.outputs = manifest.outputs;
    this.structure = manifest.structure;
    this.labels = labelsOf(manifest.outputs[0]);
  }

  predict(inputs, n) {
    const { arrays, rows } = admitAll(inputs, this.inputs, this.name);
    if (n !== undefined && n !== rows)
      throw new InputError(`${this.name}: got ${rows} samples, not n = ${n}`, "give n samples");
    return this.#shaped(this.run(arrays, rows));
  }

  prepare(picture, { input } = {}) {
    return prepare(picture, chooseInput(this.inputs, input, this.name).picture);
  }

  classify(sample, { output } = {}) {
    const place = chooseOutput(this.outputs, output, this.name);
    const given = isImage(sample) ? this.prepare(sample) : sample;
    const { arrays, rows } = admitAll(given, this.inputs, this.name);
    if (rows !== 1) throw new InputError(`classify takes one sample, got ${rows}`, "use predict");
    return nameRow(this.run(arrays, rows)[place], this.outputs[place], this.name);
  }

  async check() {
    return replay(this, this.#bundle, this.#variant);
  }

  async readVariant({ format, precision } = {}) {
    const { name, target, variants } = this.#bundle.manifest;
    const found = variants.find(
      (variant) => variant.format === format && [undefined, variant.precision].includes(precision),
    );
    if (!found)
      throw new InputError(
        `${name}-${target} has no variant of this format and precision`,
        `ask for ${oneOf(variants.map((variant) => `${variant.format} ${variant.precision}`))}`,
      );
    return (await this.#bundle.read(found)).slice(); // the app may write to it
  }

  close() {
    this.#core = null;
  }

  /** Run arrays that `admitAll` gave; return an array for each output. For the parts of this module. */
  run(arrays, rows = arrays[0].length / this.inputs[0].shape.slice(1).reduce((a, b) => a * b, 1)) {
    if (!this.#core) throw new StropError(`model ${this.name} is closed`, "load it again");
    const given = arrays.map((array, i) => this.#widened(array, i));
    const results = this.#core.run(rows, given);
    for (const [i, result] of results.entries())
      if (result instanceof Float32Array && result.some(Number.isNaN)) throw this.#overflow(arrays, i);
    return results;
  }

  /** Convert integers for a plan that takes floats. */
  #widened(array, i) {
    const { dtype } = this.#variant.inputs[i];
    return dtype === this.inputs[i].dtype ? array : Float32Array.from(array);
  }

  #overflow(arrays, place) {
    const largest = arrays.flatMap((array) => Array.from(array)).reduce(
      (most, value) => Math.max(most, Math.abs(value)), 0,
    );
    const name = this.outputs[place].name;
    const what = this.outputs.length > 1 ? `NaN for ${name}, with` : "NaN for";
    return new InputError(
      `${this.name} gives ${what} values of up to ${general(largest, 3)}: its arithmetic ` +
        "overflows, or its file holds NaN; it takes " + this.inputs.map(wanted).join(" and "),
      "give smaller values",
    );
  }

  #shaped(results) {
    if (this.structure === "one") return results[0];
    if (this.structure === "list") return results;
    return Object.fromEntries(this.outputs.map(({ name }, i) => [name, results[i]]));
  }
}
