// The steps from a picture to an input, as strop/model/picture_steps.py carries them out.
// docs/bundle-format.md has the arithmetic; all of it is in integers, except `normalise`.
//
// Levels are {data, width, height, channels}: the Uint8Array goes row by row, channels together.
import { find } from "./find.mjs";
import { countsOf, levelAt, stretched } from "./histogram.mjs";
import { ink } from "./ink.mjs";
import { fitting, scaled } from "./scaling.mjs";

/** Lay transparent pixels over paper of this level, or of one that contrasts with the ink. */
function flatten(levels, { level }) {
  if (isOpaque(levels)) return levels;
  const paper = level === "contrast" ? (isLight(levels) ? 0 : 255) : level;
  const { data, width, height } = levels;
  const made = new Uint8Array(width * height * 3).fill(paper);
  for (let from = 0, to = 0; to < made.length; from += 4, to += 3) {
    const alpha = data[from + 3];
    if (!alpha) continue;
    const rest = (255 - alpha) * paper + 127;
    made[to] = ((alpha * data[from] + rest) / 255) | 0;
    made[to + 1] = ((alpha * data[from + 1] + rest) / 255) | 0;
    made[to + 2] = ((alpha * data[from + 2] + rest) / 255) | 0;
  }
  return { data: made, width, height, channels: 3 };
}

/** Bring 3 or 4 channels to those of a mode, "L" or "RGB"; transparency is ignored. */
export function toMode({ data, width, height, channels }, mode) {
  const size = mode === "L" ? 1 : 3;
  const made = new Uint8Array(width * height * size);
  for (let from = 0, to = 0; to < made.length; from += channels, to += size)
    if (size === 1) made[to] = grey(data, from);
    else for (let channel = 0; channel < 3; channel++) made[to + channel] = data[from + channel];
  return { data: made, width, height, channels: size };
}

/** Invert a picture whose border is light. */
function invert(levels) {
  const sum = border(levels).reduce((a, b) => a + b, 0);
  if (sum <= 127 * levels.channels) return levels;
  return { ...levels, data: levels.data.map((level) => 255 - level) };
}

/** Scale a picture with a longer side than this down to it, in proportion. */
function shrink(levels, { side }) {
  if (Math.max(levels.width, levels.height) <= side) return levels;
  return scaled(levels, ...fitting(levels, side, side));
}

/** Stretch the levels so that these percentiles become 0 and 255. */
function stretch(levels, { low, high }) {
  const counts = countsOf(levels.data);
  const last = levels.data.length - 1;
  const bottom = levelAt(counts, Math.floor((last * low) / 100));
  const top = levelAt(counts, Math.ceil((last * high) / 100));
  return bottom === top ? levels : { ...levels, data: stretched(levels.data, bottom, top) };
}

/** Scale as large as fits, in proportion, and put it in the middle of its border or a level. */
function fit(levels, { width, height, fill }) {
  if (levels.width === width && levels.height === height) return levels;
  const colour = fill === "border" ? paperOf(levels) : filled(levels, fill);
  return inTheMiddle(scaled(levels, ...fitting(levels, width, height)), width, height, colour);
}

/** Put the centre of mass in the middle of a canvas of this level, which has no mass. */
function centre(levels, { width, height, fill }) {
  const across = new Float64Array(levels.width);
  const down = new Float64Array(levels.height);
  for (let y = 0, at = 0; y < levels.height; y++)
    for (let x = 0; x < levels.width; x++)
      for (let channel = 0; channel < levels.channels; channel++, at++) {
        const mass = Math.abs(levels.data[at] - fill);
        across[x] += mass;
        down[y] += mass;
      }
  const colour = filled(levels, fill);
  if (!across.some(Boolean)) return inTheMiddle(levels, width, height, colour);
  const x = Math.floor(width / 2) - centreOf(across);
  const y = Math.floor(height / 2) - centreOf(down);
  return pasted(levels, width, height, x, y, colour);
}

/** Scale to this size, whatever the proportions. */
function resize(levels, { width, height }) {
  return scaled(levels, width, height);
}

/** Cut out the middle; pad a smaller picture with the level of its border. */
function crop(levels, { width, height }) {
  return inTheMiddle(levels, width, height, paperOf(levels));
}

/** Turn levels into float32: scale x level + offset, each rounded. */
function normalise(levels, { scale, offset }) {
  const [factor, more] = [scale, offset].map(Math.fround);
  const table = Float32Array.from({ length: 256 }, (_, level) => Math.fround(factor * level) + more);
  return { ...levels, data: Float32Array.from(levels.data, (level) => table[level]) };
}

export const STEPS = {
  flatten, invert, shrink, stretch, ink, find, fit, centre, resize, crop, normalise,
};

function grey(data, at) {
  return (19595 * data[at] + 38470 * data[at + 1] + 7471 * data[at + 2] + 32768) >> 16;
}

function isOpaque({ data }) {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

/** Tell whether the opaque pixels are light: by their mean, weighted by alpha. */
function isLight({ data }) {
  let light = 0;
  let weight = 0;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    if (!alpha) continue;
    light += grey(data, at) * alpha;
    weight += alpha;
  }
  return light > 127 * weight;
}

/** Return the median of the outermost pixels for each channel, with a fraction of 0 or 1/2. */
function border({ data, width, height, channels }) {
  return Array.from({ length: channels }, (_, channel) => {
    const counts = new Uint32Array(256);
    const count = (x, y) => counts[data[(y * width + x) * channels + channel]]++;
    for (const y of [0, height - 1]) for (let x = 0; x < width; x++) count(x, y);
    for (const x of [0, width - 1]) for (let y = 0; y < height; y++) count(x, y);
    const half = width + height; // of an even number
    return (levelAt(counts, half - 1) + levelAt(counts, half)) / 2;
  });
}

function paperOf(levels) {
  return border(levels).map(Math.floor);
}

function filled({ channels }, level) {
  return new Array(channels).fill(level);
}

/** Return the place nearest to the centre of mass of a line, the larger of two. */
function centreOf(mass) {
  const whole = mass.reduce((sum, value) => sum + value, 0);
  const moment = mass.reduce((sum, value, place) => sum + value * place, 0);
  return Math.floor((2 * moment + whole) / (2 * whole));
}

function inTheMiddle(levels, width, height, colour) {
  const x = Math.floor((width - levels.width) / 2);
  const y = Math.floor((height - levels.height) / 2);
  return pasted(levels, width, height, x, y, colour);
}

/** Put a picture on a canvas of this colour; the part outside the canvas is cut off. */
function pasted(levels, width, height, x, y, colour) {
  const { channels } = levels;
  const data = new Uint8Array(width * height * channels);
  for (let at = 0; at < data.length; at++) data[at] = colour[at % channels];
  const [left, right] = [Math.max(0, x), Math.min(width, x + levels.width)];
  for (let to = Math.max(0, y); to < Math.min(height, y + levels.height) && left < right; to++) {
    const row = ((to - y) * levels.width - x) * channels;
    const inside = levels.data.subarray(row + left * channels, row + right * channels);
    data.set(inside, (to * width + left) * channels);
  }
  return { data, width, height, channels };
}
