// Build the page from a web export: node demo/build.mjs EXPORT/NAME-web.strop OUT
//
// EXPORT/NAME-web/ is the module that export wrote beside the bundle. Names of files have a part of
// their SHA-256, so a host may let browsers keep them for ever; index.html and sw.js have fixed names.
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = import.meta.dirname;
const LIMIT = 150_000; // bytes, compressed, of all that is loaded before one can draw
const PACKAGES = join(HERE, "node_modules");
const ONNX = join(PACKAGES, "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm");
const LITERT = join(PACKAGES, "@litertjs/core/wasm");
const LITERT_FILES = /^litert_wasm_(compat_)?internal\.(js|wasm)$/; // one thread

// A file that a module finds by `new URL("...wasm", import.meta.url)` gets a name of the build.
const filesByUrl = {
  name: "files-by-url",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]core\.mjs$/ }, ({ path }) => {
      const found = /new URL\(("[^"]+\.wasm"), import\.meta\.url\)/;
      const source = readFileSync(path, "utf8");
      if (!found.test(source)) throw new Error(`${path} does not load a .wasm file by its URL`);
      const changed = source.replace(found, "new URL(wasmFile, import.meta.url)");
      return {
        contents: `import wasmFile from ${found.exec(source)[1]};\n${changed}`,
        loader: "js",
      };
    });
  },
};

const [bundleFile, page] = process.argv.slice(2).map((path) => resolve(path));
if (!page) fail("usage: node demo/build.mjs EXPORT/NAME-web.strop OUT");
const module = bundleFile.slice(0, -extname(bundleFile).length);
for (const path of [bundleFile, module])
  if (!existsSync(path)) fail(`there is no ${path}; export for the web: make export TARGET=web`);
if (existsSync(page) && readdirSync(page).length && !existsSync(join(page, "sw.js")))
  fail(`${page} holds other files than the page; remove them, or name an empty folder`);
const out = `${page}.new`; // becomes the page when all is built
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const data = readFileSync(bundleFile);
const { parseBundle } = await import(pathToFileURL(join(module, "src/bundle.mjs")));
const bundle = await parseBundle(new Uint8Array(data), null);
const ofPlan = bundle.manifest.variants.find(
  ({ format, precision }) => format === "plan" && precision === "int8",
);
const plan = await bundle.read(ofPlan);
const stem = basename(module);
const assets = {
  manifest: add("manifest.json", bundle.members.get("manifest.json")),
  plan: add(`${stem}.int8.plan`, plan),
  bundle: add(`${stem}.strop`, data),
  onnx: add("onnxruntime.wasm", readFileSync(ONNX)),
  litert: addLitert(),
};
const style = add("style.css", (await bundled({ entryPoints: ["src/style.css"] })).text);
const early = add(
  "early.js",
  (await bundled({ entryPoints: ["src/early.ts"], format: "iife" })).text,
);
const icon = add("icon.svg", readFileSync(join(HERE, "src/icon.svg")));
const webmanifest = add("app.webmanifest", appManifest());
const { main, needed, extra } = await buildMain();
const core = needed.find((file) => file.endsWith(".wasm"));

const first = [early, style, ...needed, assets.manifest, assets.plan, icon, webmanifest];
writePage();
await writeWorker();
report();
rmSync(page, { recursive: true, force: true });
renameSync(out, page);

/** End with a line that says why. */
function fail(problem) {
  console.error(`demo: ${problem}`);
  process.exit(2);
}

function sha256(content) {
  return createHash("sha256").update(content).digest("hex");
}

/** Write a file whose name has a part of its SHA-256; return the name. */
function add(name, content) {
  const named = `${basename(name, extname(name))}-${sha256(content).slice(0, 10)}${extname(name)}`;
  writeFileSync(join(out, named), content);
  return named;
}

/** Copy the files of LiteRT.js, which look for each other by name, into a folder of their release. */
function addLitert() {
  const { version } = JSON.parse(readFileSync(join(LITERT, "../package.json"), "utf8"));
  const folder = `litert-${version}`;
  for (const file of readdirSync(LITERT).filter((name) => LITERT_FILES.test(name)))
    cpSync(join(LITERT, file), join(out, folder, file));
  return `${folder}/`;
}

function appManifest() {
  return JSON.stringify({
    name: "Strop: draw a digit",
    short_name: "Strop",
    start_url: "./",
    display: "standalone",
    background_color: "#f4f2ed",
    theme_color: "#a8481a",
    icons: [{ src: icon, sizes: "any", type: "image/svg+xml" }],
  });
}

/** Bundle one file, in memory. */
async function bundled(options) {
  const common = {
    bundle: true,
    minify: true,
    write: false,
    absWorkingDir: HERE,
    target: "es2022",
  };
  const { outputFiles } = await build({ ...common, legalComments: "none", ...options });
  return outputFiles[0];
}

/** Bundle the page's script; return the files that it needs at once, and those that it loads later. */
async function buildMain() {
  const { metafile } = await build({
    absWorkingDir: HERE,
    entryPoints: ["src/main.ts"],
    outdir: out,
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    loader: { ".wasm": "file" },
    alias: { strop: join(module, "strop.mjs") },
    external: ["node:*"],
    define: { BUILD: JSON.stringify({ digest: bundle.digest, ...assets }) },
    legalComments: "linked",
    plugins: [filesByUrl],
    metafile: true,
  });
  const outputs = new Map(
    Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output]),
  );
  const main = [...outputs.keys()].find((name) => /^main-.*\.js$/.test(name));
  const needed = new Set([main]);
  for (const name of needed)
    for (const { path, kind } of outputs.get(name)?.imports ?? [])
      if (["import-statement", "file-loader"].includes(kind)) needed.add(basename(path));
  const extra = [...outputs.keys()].filter((name) => !needed.has(name));
  return { main, needed: [...needed], extra };
}

function writePage() {
  const bar = (label) =>
    `      <div role="meter" data-label="${label}" aria-label="${label}" aria-valuemin="0" ` +
    'aria-valuemax="1" aria-valuenow="0"><span class="label">' +
    `${label}</span><span class="track"><span class="fill"></span></span>` +
    '<span class="percent"></span></div>';
  const fetched = [core, assets.manifest, assets.plan];
  const preload = [
    ...needed
      .filter((name) => name.endsWith(".js") && name !== main)
      .map((name) => `<link rel="modulepreload" href="${name}">`),
    ...fetched.map((name) => `<link rel="preload" href="${name}" as="fetch" crossorigin>`),
  ];
  const values = {
    main,
    style,
    early,
    icon,
    webmanifest,
    preload: preload.join("\n"),
    bars: Array.from({ length: 10 }, (_, digit) => bar(digit)).join("\n"),
    "bytes:native": amount([...needed, assets.plan, assets.manifest]),
    "bytes:onnx": amount([...scriptsOf("onnx"), assets.onnx], ["onnx"]),
    "bytes:litert": amount([...scriptsOf("litert"), ...litertFiles()], ["tflite"]),
    "bytes:bundle": `${Math.round(data.length / 1000)} kB`,
  };
  const page = readFileSync(join(HERE, "index.html"), "utf8").replaceAll(
    /\{\{(.+?)\}\}/g,
    (_, name) => values[name],
  );
  writeFileSync(join(out, "index.html"), page);
}

/** List the scripts of an engine. */
function scriptsOf(engine) {
  return extra.filter((name) => name.startsWith(`${engine}-`) && name.endsWith(".js"));
}

/** List the files of LiteRT.js that a browser of today loads. */
function litertFiles() {
  return ["js", "wasm"].map((end) => `${assets.litert}litert_wasm_internal.${end}`);
}

/** Write how much is downloaded, compressed: files, and the int8 model of a format. */
function amount(files, formats = []) {
  const models = formats.map((wanted) =>
    bundle.manifest.variants.find((one) => one.format === wanted && one.precision === "int8"),
  );
  const bytes =
    files.reduce((sum, name) => sum + compressed(readFileSync(join(out, name))), 0) +
    models.reduce((sum, { file }) => sum + compressed(bundle.members.get(file)), 0);
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function compressed(content) {
  return gzipSync(content, { level: 9 }).length;
}

async function writeWorker() {
  const litert = readdirSync(join(out, assets.litert)).map((name) => assets.litert + name);
  const scripts = extra.filter((name) => name.endsWith(".js"));
  const digests = (names) =>
    Object.fromEntries(names.map((name) => [name, sha256(readFileSync(join(out, name)))]));
  const page = { "./": sha256(readFileSync(join(out, "index.html"))), ...digests(first) };
  const later = digests([assets.bundle, assets.onnx, ...litert, ...scripts]);
  const version = (files) => sha256(JSON.stringify(files)).slice(0, 10);
  const offline = {
    version: version(page),
    extraVersion: version(later),
    files: page,
    extra: later,
  };
  const { text: script } = await bundled({
    entryPoints: ["worker/sw.ts"],
    format: "iife",
    define: { OFFLINE: JSON.stringify(offline) },
  });
  writeFileSync(join(out, "sw.js"), script);
}

/** Print what is loaded before one can draw; fail above the limit. */
function report() {
  const sizes = ["index.html", ...first].map((name) => {
    const content = readFileSync(join(out, name));
    return { name, bytes: content.length, compressed: compressed(content) };
  });
  const total = sizes.reduce((sum, one) => sum + one.compressed, 0);
  const write = (bytes) => bytes.toLocaleString("en").padStart(9);
  console.log("loaded before one can draw      bytes  compressed");
  for (const { name, bytes, compressed } of sizes)
    console.log(`${name.padEnd(28)}${write(bytes)}   ${write(compressed)}`);
  console.log(
    `${"in all".padEnd(28)}${" ".repeat(9)}   ${write(total)}, at most ${write(LIMIT).trim()}`,
  );
  if (total > LIMIT) {
    console.error(`the page loads ${total} bytes, compressed; at most ${LIMIT} are allowed`);
    process.exit(1);
  }
}
