// The golden samples of a bundle, replayed here, as strop/diagnostics/replay.py does.
import { InputError } from "./errors.mjs";
import { general } from "./inputs.mjs";

/**
 * Compare a model's answers with those proven at export.
 *
 * The samples run all in one call, and each in a call of its own; the larger error counts.
 *
 * @param {Model} model
 * @param {Bundle} bundle
 * @param {object} variant the one that is open
 */
export async function replay(model, bundle, variant) {
  const { golden, inputs: sources, outputs: specs } = bundle.manifest;
  const read = (refs, of) => Promise.all(refs.map((ref, i) => bundle.samples(ref, of[i])));
  const inputs = await read(golden.inputs, sources);
  const proven = await read(variant.golden, specs);
  const keras = await read(golden.keras, specs);
  const { samples } = golden;
  const result = { status: "BROKEN", detail: "", maxAbsError: null, tolerance: null, samples, passed: 0 };
  let answers;
  try {
    answers = [model.run(inputs), singles(model, inputs, samples)];
  } catch (error) {
    if (error instanceof InputError) return { ...result, detail: error.message };
    throw error;
  }
  let worst = { error: 0, allowed: variant.golden[0].tolerance[0], share: 0, named: "" };
  const failed = new Set(); // the places of samples
  for (const [i, spec] of specs.entries())
    for (const outputs of answers) {
      const named = specs.length > 1 ? `${spec.name} ` : "";
      const found = largest(outputs[i], proven[i], variant.golden[i].tolerance);
      if (found.share > worst.share) worst = { ...found, named };
      const size = proven[i].length / samples;
      found.beyond.forEach((place) => failed.add(Math.floor(place / size)));
    }
  const { error, allowed, share, named } = worst;
  const problem =
    `${named}differs by ${general(error, 3)} from the outputs proven at export, ` +
    `at most ${general(allowed, 3)} allowed`;
  return {
    status: share <= 1 ? "passed" : "FAILED",
    detail: share <= 1 ? "" : problem,
    maxAbsError: error,
    tolerance: allowed,
    samples,
    passed: samples - failed.size,
    kerasAgreement: agreement(answers[0][0], keras[0], specs[0]),
  };
}

function singles(model, inputs, samples) {
  const each = Array.from({ length: samples }, (_, row) =>
    model.run(inputs.map((array) => rowOf(array, row, samples))),
  );
  return each[0].map((_, i) => each.flatMap((outputs) => Array.from(outputs[i])));
}

function rowOf(array, row, samples) {
  const size = array.length / samples;
  return array.subarray(row * size, (row + 1) * size);
}

/** Find the largest error as a share of its tolerance, and the places beyond their tolerance. */
function largest(outputs, proven, tolerance) {
  let worst = { error: 0, allowed: tolerance[0], share: 0 };
  const beyond = [];
  proven.forEach((value, i) => {
    const allowed = tolerance[i % tolerance.length];
    const error = Math.abs(outputs[i] - value);
    // Where nothing at all is allowed, no difference is none of it, and any is too much.
    const share = Number.isFinite(error) ? (error ? error / allowed : 0) : Infinity;
    if (share > worst.share) worst = { error: share < Infinity ? error : error || Infinity, allowed, share };
    if (share > 1) beyond.push(i);
  });
  return { ...worst, beyond };
}

/** Return the share of samples that both name alike; null if the output names no class. */
function agreement(outputs, keras, { kind, threshold, shape }) {
  const size = kind === "class" ? shape[1] : 1;
  const decide = (array, row) => {
    const values = array.subarray(row * size, (row + 1) * size);
    return kind === "class" ? values.indexOf(Math.max(...values)) : values[0] > threshold;
  };
  if (kind !== "class" && kind !== "binary") return null;
  const rows = keras.length / size;
  let same = 0;
  for (let row = 0; row < rows; row++) same += decide(outputs, row) === decide(keras, row);
  return same / rows;
}
