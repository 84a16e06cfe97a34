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

/** Return a function that runs a sample, of bytes. */
async function open({ file, format, dtype, shape }) {
  if (format === "plan") {
    const model = await load(pathToFileURL(file));
    return async (sample) => model.predict(sample);
  }
  const session = await ort.InferenceSession.create(new Uint8Array(await readFile(file)));
  const [input] = session.inputNames;
  const [output] = session.outputNames;
  return async (sample) => {
    const feeds = { [input]: new ort.Tensor(dtype, KINDS[dtype].from(sample), shape) };
    return (await session.run(feeds))[output].data;
  };
}

/** Return the mean time of `calls` calls, in microseconds. */
async function time(run, samples, calls) {
  const start = performance.now();
  for (let i = 0; i < calls; i++) await run(samples[i % samples.length]);
  return ((performance.now() - start) * 1000) / calls;
}

const results = [];
for (const { name, samples: file, values, subjects } of job.networks) {
  const bytes = new Uint8Array(await readFile(file));
  const samples = Array.from({ length: bytes.length / values }, (_, i) =>
    bytes.subarray(i * values, (i + 1) * values),
  );
  const opened = [];
  for (const subject of subjects) {
    const run = await open(subject);
    let fastest = Infinity; // the compilers of JavaScript and WebAssembly optimize meanwhile
    for (const end = process.cpuUsage().user + job.warm_us; process.cpuUsage().user < end; )
      fastest = Math.min(fastest, await time(run, samples, 5));
    const calls = Math.ceil(job.turn_us / fastest);
    opened.push({ ...subject, run, calls, times_us: [] });
  }
  for (let round = 0; round < job.rounds; round++)
    for (const subject of opened)
      subject.times_us.push(await time(subject.run, samples, subject.calls));
  for (const { subject, precision, run, times_us } of opened) {
    const answers = [];
    for (const sample of samples) answers.push([...(await run(sample))]);
    results.push({ network: name, subject, precision, times_us, answers });
  }
}
const { version } = JSON.parse(await readFile(`${job.packages}/node_modules/onnxruntime-web/package.json`));
console.log(JSON.stringify({ strop: VERSION, "onnxruntime-web": version, node: process.versions.node, results }));
