// The rules of the picture steps in a manifest, as in strop/bundle/pictures.py.
import { Real } from "./json.mjs";

const MAX_STEPS = 32;
const MAX_SIDE = 2 ** 12; // pixels
const MAX_AREA = 2 ** 22; // pixels
const MAX_DRAWING = 2 ** 9; // pixels per side of a picture for `ink` and `find`
const MAX_FACTOR = 1e30;

const within = (low, high) => (value) => typeof value === "number" && low <= value && value <= high;
const real = (low, high) => (value) => within(low, high)(value instanceof Real ? value.value : value);
const level = within(0, 255);
const size = { width: within(1, MAX_SIDE), height: within(1, MAX_SIDE) };

// The options of each step, all of which it has, and what their values are.
const STEPS = new Map(Object.entries({
  flatten: { level: (value) => value === "contrast" || level(value) },
  invert: { when: (value) => value === "light-border" },
  shrink: { side: within(1, MAX_SIDE) },
  stretch: { low: real(0, 100), high: real(0, 100) },
  ink: { reach: within(1, 50), least: level },
  find: { above: level },
  fit: { ...size, fill: (value) => value === "border" || level(value) },
  centre: { ...size, fill: level },
  resize: size,
  crop: size,
  normalise: { scale: real(-MAX_FACTOR, MAX_FACTOR), offset: real(-MAX_FACTOR, MAX_FACTOR) },
}));

/** Tell whether steps are known, sound, in an order that works, and end in what the input takes. */
export function isPicture({ mode, steps }, input) {
  if (!["L", "RGB"].includes(mode) || !steps.length || steps.length > MAX_STEPS) return false;
  const names = steps.map(({ step }) => step);
  // Transparency first, floats last.
  if (names.slice(1).includes("flatten") || names.slice(0, -1).includes("normalise")) return false;
  let area = null; // [height, width] where they are known
  let side = MAX_DRAWING + 1; // no side is longer than this
  for (const { step, options } of steps) {
    if (!isStep(step, options)) return false;
    if ((step === "ink" || step === "find") && side > MAX_DRAWING) return false;
    if ("width" in options) {
      area = [options.height, options.width];
      side = Math.max(...area);
    } else if (step === "shrink" || step === "find") {
      area = null;
      side = Math.min(side, options.side ?? side);
    }
  }
  if (area === null) return false;
  const shapes = mode === "L" ? [area, [...area, 1]] : [[...area, 3]];
  const dtype = names.at(-1) === "normalise" ? "float32" : "uint8";
  const sample = String(input.shape.slice(1));
  return shapes.some((shape) => String(shape) === sample) && input.dtype === dtype;
}

function isStep(name, options) {
  const rules = STEPS.get(name);
  const given = Object.keys(options);
  if (!rules || given.length !== Object.keys(rules).length) return false;
  if (!given.every((option) => Object.hasOwn(rules, option) && rules[option](options[option])))
    return false;
  const value = (option) => options[option].value ?? options[option];
  if (name === "stretch") return value("low") < value("high");
  return !("width" in options) || options.width * options.height <= MAX_AREA;
}
