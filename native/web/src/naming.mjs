// Names for one sample's output, by the kind of the output, as strop/model/naming.py gives them.
import { InputError, oneOf, quoted, StropError } from "./errors.mjs";

const NAMED = ["class", "binary", "multilabel"]; // the kinds of output that `classify` can name
const LARGEST = 1e300; // infinity less itself is not a number

/** Return an output's labels; without any, the numbers of its classes. */
export function labelsOf({ labels, shape, kind }) {
  if (labels.length) return labels;
  const last = shape.length > 1 ? shape.at(-1) : 1;
  const classes = last === 1 && (kind === "binary" || kind === "segmentation") ? 2 : last;
  return Array.from({ length: classes }, (_, i) => String(i));
}

/** Choose the output that names something; return its place. */
export function chooseOutput(outputs, asked, model) {
  const names = outputs.map(({ name }) => name);
  if (asked !== undefined && !names.includes(asked))
    throw new InputError(
      `${model} has no output ${quoted(asked)}`, `ask for ${oneOf(names.map(quoted))}`,
    );
  const able = outputs.filter(({ kind }) => NAMED.includes(kind)).map(({ name }) => name);
  if (asked === undefined && able.length > 1)
    throw new InputError(
      `${model} has ${able.length} outputs with classes or labels: ${able.join(", ")}`,
      `say which, output: ${oneOf(able.map(quoted))}`,
    );
  if (asked === undefined && !able.length && outputs.length > 1) {
    const kinds = outputs.map(({ name, kind }) => `${name} (${kind})`).join(", ");
    throw new InputError(`no output of ${model} has classes or labels: ${kinds}`, "use predict");
  }
  const place = names.indexOf(asked ?? (able.length ? able : names)[0]);
  const { name, kind, shape } = outputs[place];
  if (!NAMED.includes(kind))
    throw new InputError(
      `${model}: output ${quoted(name)} is a ${kind} of shape (${shape.slice(1).join(", ")}), ` +
        "without classes or labels",
      "use predict",
    );
  return place;
}

/**
 * Name the class or labels of one sample's output.
 *
 * @param {Float32Array} row
 * @param {object} spec the output
 * @param {string} model its name, for messages
 */
export function nameRow(row, spec, model) {
  if (row.some(Number.isNaN))
    throw new StropError(`${model} gives NaN for ${spec.name}`, "check the file: model.check()");
  const labels = labelsOf(spec);
  if (spec.kind === "class") {
    const probabilities = spec.logits ? softmax(row) : row;
    const classIndex = row.indexOf(Math.max(...row));
    const probability = probabilities[classIndex];
    return { label: labels[classIndex], probability, classIndex, probabilities };
  }
  const shares = spec.logits ? row.map((value) => 1 / (1 + Math.exp(-value))) : row;
  const above = Array.from(row, (value) => value > spec.threshold);
  if (spec.kind === "multilabel")
    return { labels: labels.filter((_, i) => above[i]), probabilities: shares };
  const [share] = shares;
  const classIndex = Number(above[0]);
  const probability = classIndex ? share : 1 - share;
  const probabilities = Float32Array.of(1 - share, share);
  return { label: labels[classIndex], probability, classIndex, probabilities };
}

/** Turn logits into probabilities, in float64 meanwhile. */
function softmax(row) {
  const values = Array.from(row, (value) => Math.min(Math.max(value, -LARGEST), LARGEST));
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return Float32Array.from(powers, (power) => power / sum);
}
