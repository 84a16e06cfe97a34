// Pictures as model input, prepared as the manifest says, as in strop/model/images.py.
import { InputError, oneOf, quoted } from "./errors.mjs";
import { kindOf } from "./inputs.mjs";
import { STEPS, toMode } from "./steps.mjs";

const MAX_PIXELS = 2 ** 24;
const MAX_SIDE = 2 ** 14 + 2 ** 13; // pixels
const BYTES = ["Uint8ClampedArray", "Uint8Array"];

/** Tell whether an app means a picture, right or wrong; no sample has a number as its width. */
export function isImage(given) {
  return typeof given?.width === "number" && typeof given.height === "number";
}

/**
 * Choose the input that a picture is for.
 *
 * @param {object[]} specs the model's inputs
 * @param {string | undefined} asked its name; undefined: the only one
 * @param {string} model its name, for messages
 */
export function chooseInput(specs, asked, model) {
  const names = specs.map(({ name }) => name);
  if (asked !== undefined && !names.includes(asked))
    throw new InputError(
      `${model} has no input ${quoted(asked)}`, `ask for ${oneOf(names.map(quoted))}`,
    );
  if (asked === undefined && specs.length > 1)
    throw new InputError(
      `this is one picture, and the model takes ${specs.length} inputs: ${names.join(", ")}`,
      "prepare it for one: model.prepare(picture, { input })",
    );
  const spec = specs[asked === undefined ? 0 : names.indexOf(asked)];
  if (!spec.picture) throw new InputError("the model takes no pictures", "give it an array");
  return spec;
}

/**
 * Turn a picture into the input of one sample by the manifest's steps.
 *
 * @param {{ data: Uint8ClampedArray | Uint8Array, width: number, height: number }} image RGBA, four
 *   bytes a pixel, as `getImageData` gives them
 * @param {{ mode: string, steps: object[] }} picture of the manifest
 * @returns {Uint8Array | Float32Array} (height, width) for "L", (height, width, 3) for "RGB"
 */
export function prepare(image, { mode, steps }) {
  const isFlattened = steps[0].step === "flatten"; // before the mode; the other steps come after it
  const decoded = admit(image);
  let levels = isFlattened ? STEPS.flatten(decoded, steps[0].options) : decoded;
  levels = toMode(levels, mode);
  for (const { step, options } of steps.slice(Number(isFlattened)))
    levels = STEPS[step](levels, options);
  return levels.data;
}

function admit(image) {
  const { data, width, height, colorSpace = "srgb" } = image ?? {};
  if (!ArrayBuffer.isView(data) || !BYTES.includes(kindOf(data)))
    throw new InputError(
      `a picture is {data, width, height} with bytes of RGBA; its data are ${kindOf(data)}`,
      "give what getImageData returns, of the format rgba-unorm8",
    );
  for (const [name, size] of Object.entries({ width, height }))
    if (!Number.isInteger(size) || size < 1) {
      const found = typeof size === "number" ? size : kindOf(size);
      throw new InputError(`a picture's ${name} must be a positive integer, got ${found}`);
    }
  if (colorSpace !== "srgb")
    throw new InputError(
      `the picture has the colours of ${quoted(colorSpace)}; the steps take sRGB`,
      'read it with getImageData(x, y, width, height, { colorSpace: "srgb" })',
    );
  if (width * height > MAX_PIXELS || Math.max(width, height) > MAX_SIDE)
    throw new InputError(
      `the picture has ${width} x ${height} pixels; at most ${MAX_PIXELS}, and ${MAX_SIDE} a side`,
      "scale it down",
    );
  if (data.length !== 4 * width * height)
    throw new InputError(
      `${width} x ${height} pixels of RGBA have ${4 * width * height} bytes, got ${data.length}`,
      "give what getImageData returns",
    );
  return { data, width, height, channels: 4 };
}
