// In a page: <script type="module" src="example.mjs"></script>. Under Node: node example.mjs
import { load } from "./strop.mjs";

const model = await load(new URL("../BUNDLE.strop", import.meta.url));
const { status, detail } = await model.check(); // the golden samples, as `strop check` runs them
console.log(model.name, model.precision, status, detail);

const kinds = { float32: Float32Array, uint8: Uint8Array, int8: Int8Array, int32: Int32Array };
const sample = {}; // by the name of each input: put your own numbers here
for (const { name, dtype, shape } of model.inputs)
  sample[name] = new kinds[dtype](shape.slice(1).reduce((a, b) => a * b, 1));
console.log(model.predict(sample));
