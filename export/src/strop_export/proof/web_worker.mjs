// Runs or checks the plans of a bundle with the module for pages:
//   node web_worker.mjs MODULE run BUNDLE INPUT... OUTPUT...    files of plain numbers
//   node web_worker.mjs MODULE check BUNDLE PRECISION...         of plans in the bundle
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [, , folder, what, bundle, ...rest] = process.argv;
const { load, VERSION } = await import(pathToFileURL(`${folder}/strop.mjs`));
const ARRAYS = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int32: Int32Array,
};

async function run() {
  const model = await load(pathToFileURL(bundle));
  const inputs = {};
  for (const [i, { name, dtype }] of model.inputs.entries()) {
    const bytes = await readFile(rest[i]);
    const Kind = ARRAYS[dtype];
    inputs[name] = new Kind(bytes.buffer, bytes.byteOffset, bytes.length / Kind.BYTES_PER_ELEMENT);
  }
  const found = model.predict(inputs);
  const arrays = { one: () => [found], list: () => found, dict: () => Object.values(found) };
  for (const [i, array] of arrays[model.structure]().entries())
    await writeFile(rest[model.inputs.length + i], array);
  return { version: VERSION, node: process.versions.node };
}

async function check() {
  const results = [];
  for (const precision of rest) {
    const model = await load(pathToFileURL(bundle), { precision });
    results.push({ precision, ...(await model.check()) });
  }
  return { results };
}

try {
  console.log(JSON.stringify(await { run, check }[what]()));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
