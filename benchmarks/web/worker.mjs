// Times subjects in turns: node worker.mjs JOB.json, which Python writes; the result is on stdout.
//
// A call takes one sample of bytes and returns the answer, each by the package's own interface with
// its checks. One thread each.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";
import { pathToFileURL } from "node:url";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));
const { load, VERSION } = await import(new URL("strop.mjs", pathToFileURL(`${job.module}/`)));
const found = createRequire(pathToFileURL(`${job.packages}/`)).resolve("onnxruntime-web");
const ort = await import(pathToFileURL(found.replace(/\.js$/, ".mjs")));
ort.env.wasm.numThreads = 1;

const KINDS = { uint8: Uint8Array, float32: Float32Array };

// The names of subjects in results, and what opens a bundle's file of a precision: a function that
// runs a sample, of bytes.
const SUBJECTS = {
  strop: async (bundle, precision) => {
    const model = await load(bundle, { precision });
    return async (sample) => model.predict(sample);
  },
  peer: async (bundle, precision) => {
    const model = await load(bundle);
    const file = await model.readVariant({ format: "onnx", precision });
    const shape = [1, ...model.inputs[0].shape.slice(1)];
    model.close();
    const session = await ort.InferenceSession.create(file);
    const [{ name, type }] = session.inputMetadata;
    const [output] = session.outputNames;
    return async (sample) => {
      const feeds = { [name]: new ort.Tensor(type, KINDS[type].from(sample), shape) };
      return (await session.run(feeds))[output].data;
    };
  },
};

/** Return the mean time of `calls` calls, in microseconds. */
async function time(run, samples, calls) {
  const start = performance.now();
  for (let i = 0; i < calls; i++) await run(samples[i % samples.length]);
  return ((performance.now() - start) * 1000) / calls;
}

const results = [];
for (const { name, bundle, samples: file } of job.networks) {
  const bytes = new Uint8Array(await readFile(file));
  const size = bytes.length / job.samples;
  const samples = Array.from({ length: job.samples }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const opened = [];
  const pairs = job.precisions.flatMap((precision) =>
    Object.keys(SUBJECTS).map((subject) => ({ subject, precision })),
  );
  for (const { subject, precision } of pairs) {
    const run = await SUBJECTS[subject](pathToFileURL(bundle), precision);
    let fastest = Infinity; // the compilers of JavaScript and WebAssembly optimize meanwhile
    for (const end = process.cpuUsage().user + job.warm_us; process.cpuUsage().user < end; )
      fastest = Math.min(fastest, await time(run, samples, 5));
    const calls = Math.ceil(job.turn_us / fastest);
    opened.push({ subject, precision, run, calls, times_us: [] });
  }
  for (let round = 0; round < job.rounds; round++)
    for (const { run, calls, times_us } of opened) times_us.push(await time(run, samples, calls));
  for (const { subject, precision, run, times_us } of opened) {
    const answers = [];
    for (const sample of samples) answers.push([...(await run(sample))]);
    results.push({ network: name, subject, precision, times_us, answers });
  }
}
const { version } = JSON.parse(await readFile(`${job.packages}/node_modules/onnxruntime-web/package.json`));
console.log(JSON.stringify({ strop: VERSION, "onnxruntime-web": version, node: process.versions.node, results }));
