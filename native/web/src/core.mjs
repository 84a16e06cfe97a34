// The C core as WebAssembly: one instance and one memory for each model.
//
// Memory from the end of the core's own: `needs` and a pointer; the prepared model; then the plan
// while it is read, and later the arrays of a run.
import { EngineUnavailable, StropError } from "./errors.mjs";
import { readBytes } from "./files.mjs";
import { ARRAYS } from "./npy.mjs";

const ALIGNMENT = 64; // STROP_ALIGNMENT of include/strop.h
const TILE_BYTES = 2 ** 22; // of the arrays of one tile, at most, unless one row has more
const PAGE_BYTES = 2 ** 16;
// strop_needs: model_bytes, run_bytes, row_bytes, inputs, outputs; 64 bits of work
const NEEDS_BYTES = 32;
const DTYPES = ["float32", "int8", "uint8", "int32"]; // strop_dtype

let compiled; // the promise of the module, which all models share

async function compile() {
  const bytes = await readBytes(new URL("../strop.wasm", import.meta.url));
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw new EngineUnavailable(
      `WebAssembly does not run strop.wasm here: ${error.message}`,
      "use a browser with SIMD: of 2023 or newer",
    );
  }
}

export class Core {
  /** Begin to load and compile the core, while a plan is on its way. */
  static begin() {
    compiled ??= compile();
    compiled.catch(() => {}); // `open` throws it
  }

  /** Check a plan, and prepare it. */
  static async open(plan, file) {
    Core.begin();
    try {
      const module = await compiled; // it fails if there is no WebAssembly
      return new Core(await WebAssembly.instantiate(module), plan, file);
    } catch (error) {
      if (error instanceof EngineUnavailable) compiled = undefined; // it may be there next time
      throw error;
    }
  }

  constructor({ exports: core }, plan, file) {
    this.core = core;
    core._initialize();
    const heap = aligned(core.__heap_base.value);
    const slot = heap + NEEDS_BYTES;
    const model = heap + ALIGNMENT;
    const refuse = (reason) => {
      if (reason)
        throw new EngineUnavailable(`engine 'native' does not open ${file}: ${this.text(reason)}`);
    };
    this.put(plan, model);
    refuse(core.strop_check(model, plan.length, heap));
    const [modelBytes, runBytes, rowBytes, inputs, outputs] = this.words(heap, 5);
    this.tileRows = core.strop_tile_rows(heap);
    const after = aligned(model + modelBytes);
    this.put(plan, after);
    const kernels = core.strop_best_kernels();
    refuse(core.strop_prepare(after, plan.length, kernels, model, modelBytes, slot));
    [this.model] = this.words(slot, 1);
    const border = (read) => (_, i) => this.border(read(this.model, i));
    this.inputs = Array.from({ length: inputs }, border(core.strop_input));
    this.outputs = Array.from({ length: outputs }, border(core.strop_output));
    this.layOut(after, runBytes, rowBytes);
  }

  /** Give each array of a run its place. */
  layOut(start, scratchRun, scratchRow) {
    const borders = [...this.inputs, ...this.outputs];
    const row = borders.reduce((sum, border) => sum + border.rowBytes, 0);
    this.tileRows = Math.max(1, Math.min(this.tileRows, Math.floor(TILE_BYTES / row)));
    this.pointers = start;
    let at = start + 4 * borders.length;
    for (const border of borders) {
      border.at = aligned(at);
      at = border.at + this.tileRows * border.rowBytes;
    }
    this.scratch = aligned(at);
    this.scratchBytes = scratchRun + this.tileRows * scratchRow;
    this.reserve(this.scratch + this.scratchBytes);
    this.bytes = new Uint8Array(this.core.memory.buffer);
    const table = new Uint32Array(this.core.memory.buffer, start, borders.length);
    table.set(borders.map((border) => border.at));
  }

  /**
   * Run all rows.
   *
   * @param {number} rows
   * @param {ArrayBufferView[]} inputs one for each input, of its dtype
   * @returns {ArrayBufferView[]} one for each output, of its dtype
   */
  run(rows, inputs) {
    const sources = inputs.map((array) => bytesOf(array));
    const results = this.outputs.map(({ dtype, values }) => new ARRAYS[dtype](rows * values));
    const targets = results.map(bytesOf);
    const outputs = this.pointers + 4 * this.inputs.length;
    for (let done = 0; done < rows; done += this.tileRows) {
      const count = Math.min(this.tileRows, rows - done);
      for (const [i, { at, rowBytes }] of this.inputs.entries())
        this.bytes.set(sources[i].subarray(done * rowBytes, (done + count) * rowBytes), at);
      const { model, pointers, scratch, scratchBytes } = this;
      const reason = this.core.strop_run(model, count, pointers, outputs, scratch, scratchBytes);
      if (reason) throw new StropError(`engine 'native' failed: ${this.text(reason)}`);
      for (const [i, { at, rowBytes }] of this.outputs.entries())
        targets[i].set(this.bytes.subarray(at, at + count * rowBytes), done * rowBytes);
    }
    return results;
  }

  /** Read a strop_border. */
  border(at) {
    const [name, nameBytes, dtype, rank, ...rest] = this.words(at, 13);
    return {
      name: new TextDecoder().decode(new Uint8Array(this.core.memory.buffer, name, nameBytes)),
      dtype: DTYPES[dtype],
      dims: rest.slice(0, rank),
      values: rest.slice(0, rank).reduce((product, size) => product * size, 1),
      rowBytes: rest.at(-1),
    };
  }

  words(at, count) {
    return new Uint32Array(this.core.memory.buffer, at, count);
  }

  text(at) {
    const bytes = new Uint8Array(this.core.memory.buffer, at);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  }

  put(bytes, at) {
    this.reserve(at + bytes.length);
    new Uint8Array(this.core.memory.buffer).set(bytes, at);
  }

  reserve(end) {
    const { memory } = this.core;
    const pages = Math.ceil((end - memory.buffer.byteLength) / PAGE_BYTES);
    try {
      if (pages > 0) memory.grow(pages);
    } catch {
      throw new StropError(`the model needs ${end} bytes of memory, which are not there`);
    }
  }
}

function bytesOf({ buffer, byteOffset, byteLength }) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function aligned(at) {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT;
}
