// Does jobs with the module in a folder: node worker.mjs MODULE JOBS.json ANSWERS.json
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [, , folder, from, to] = process.argv;
const module = pathToFileURL(`${folder}/`);
const { load, loadParts } = await import(new URL("strop.mjs", module));
const { parseBundle } = await import(new URL("src/bundle.mjs", module));
const { prepare } = await import(new URL("src/preparation.mjs", module));

const told = ({ name, kind, problem, mend, message }) => ({ name, kind, problem, mend, message });

async function attempt(work) {
  try {
    return encode(await work());
  } catch (error) {
    return { error: told(error) };
  }
}

// Each bundle in a file of many is behind its length, 4 bytes.
async function verdicts({ file }) {
  const bytes = new Uint8Array(await readFile(file));
  const view = new DataView(bytes.buffer);
  const answers = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + view.getUint32(at, true);
    answers.push(await attempt(async () => (await parseBundle(bytes.slice(at + 4, end), null)).digest));
    at = end;
  }
  return answers;
}

const prepared = ({ image, picture }) => attempt(() => prepare(decode(image), picture));

// `parts` are the manifest and a plan, instead of a bundle.
async function use({ bundle, parts, options, calls }) {
  const opening = parts ? loadParts(decode(parts), options) : load(pathToFileURL(bundle), options);
  const model = await opening;
  const answers = [];
  for (const [what, ...values] of calls)
    answers.push(
      await attempt(() =>
        typeof model[what] === "function" ? model[what](...values.map(decode)) : model[what],
      ),
    );
  return answers;
}

// Typed arrays travel as {array, base64}.
function encode(value) {
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { array: value.constructor.name, base64: bytes.toString("base64") };
  }
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, encode(item)]));
}

function decode(value) {
  if (value?.array) {
    const buffer = Buffer.from(value.base64, "base64");
    if (value.array === "Buffer") return buffer;
    if (value.array === "number") return Number(value.base64); // one that JSON does not have
    const bytes = new Uint8Array(buffer);
    return new globalThis[value.array](bytes.buffer);
  }
  if (Array.isArray(value)) return value.map(decode);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, decode(item)]));
}

const jobs = JSON.parse(await readFile(from, "utf8"));
const answers = [];
const work = (job) => (job.picture ? prepared : job.file ? verdicts : use)(job);
for (const job of jobs) answers.push(await attempt(() => work(job)));
await writeFile(to, JSON.stringify(answers));
