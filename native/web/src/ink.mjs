// The step `ink`, as strop/model/drawing.py carries it out.
import { BlankPicture } from "./errors.mjs";
import { countsOf, levelAt, stretched } from "./histogram.mjs";

const ROUNDS = 32; // of the search for a threshold

/** Take the paper and its shadows away, which leaves light ink on black paper. */
export function ink(levels, { reach, least }) {
  const { width, height, channels } = levels;
  const radius = Math.max(1, Math.floor((Math.max(width, height) * reach) / 100));
  const data = new Uint8Array(levels.data.length);
  const one = new Uint8Array(width * height);
  for (let channel = 0; channel < channels; channel++) {
    for (let at = 0; at < one.length; at++) one[at] = levels.data[at * channels + channel];
    const found = inkOf(one, width, height, radius, least);
    for (let at = 0; at < one.length; at++) data[at * channels + channel] = found[at];
  }
  return { ...levels, data };
}

function inkOf(levels, width, height, radius, least) {
  const side = 2 * radius + 1; // of the square around each pixel
  const stride = width + 4 * radius;
  const framed = inFrame(levels, width, height, 2 * radius);
  const sums = summed(summed(framed, 1, side), stride, side);
  let skew = 0;
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++) {
      const mean = Math.floor(sums[(y + radius) * stride + x + radius] / (side * side));
      skew += (levels[at] - mean) * (levels[at] - mean) * (levels[at] - mean);
    }
  const isDark = skew < 0; // the few pixels that differ much are dark
  const light = isDark ? inverted(framed) : framed;
  // The opening: it has nothing that is light and narrower than the square.
  const darkest = lowest(lowest(light, 1, side), stride, side);
  const paper = lowest(lowest(inverted(darkest), 1, side), stride, side); // inverted
  const above = new Uint8Array(levels.length);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++)
      above[at] = (isDark ? 255 - levels[at] : levels[at]) - (255 - paper[y * stride + x]);
  return withoutPaper(above, least);
}

/** Stretch the levels from twice the paper's median to the ink's, which become 0 and 255. */
function withoutPaper(above, least) {
  const counts = countsOf(above);
  let [number, sum] = [0, 0];
  const upto = Array.from(counts, (count) => (number += count));
  const sums = Array.from(counts, (count, level) => (sum += count * level));
  let threshold = Math.floor(levelAt(counts, number - 1) / 2);
  for (let round = 0; round < ROUNDS; round++) {
    const low = Math.floor(sums[threshold] / upto[threshold]);
    const high = Math.floor((sum - sums[threshold]) / (number - upto[threshold]));
    const next = Math.floor((low + high) / 2);
    if (Number.isNaN(next) || next === threshold) break; // NaN: nothing is above it
    threshold = next;
  }
  const under = upto[threshold];
  const bottom = 2 * levelAt(counts, Math.floor(under / 2));
  const top = under < number ? levelAt(counts, Math.floor((under + number) / 2)) : 0;
  if (top - bottom < Math.max(1, least))
    throw new BlankPicture("the picture is blank", "give one with more contrast of ink and paper");
  return stretched(above, bottom, top);
}

/** Put a picture into a frame that repeats its edge. */
function inFrame(levels, width, height, frame) {
  const stride = width + 2 * frame;
  const made = new Uint8Array(stride * (height + 2 * frame));
  for (let y = 0; y < height; y++) {
    const start = (y + frame) * stride;
    made.set(levels.subarray(y * width, (y + 1) * width), start + frame);
    made.fill(levels[y * width], start, start + frame);
    made.fill(levels[(y + 1) * width - 1], start + frame + width, start + stride);
  }
  for (let y = 0; y < frame; y++) {
    made.copyWithin(y * stride, frame * stride, (frame + 1) * stride);
    made.copyWithin((frame + height + y) * stride, (frame + height - 1) * stride, (frame + height) * stride);
  }
  return made;
}

// Both take `side` levels from each level on, `step` places apart. Along rows and then down columns, this
// gives squares. The result ends where fewer levels are left; the stride of rows stays.

function summed(levels, step, side) {
  const last = (side - 1) * step;
  const made = new Uint32Array(levels.length - last);
  for (let at = 0; at < made.length; at++)
    if (at >= step) made[at] = made[at - step] + levels[at + last] - levels[at - step];
    else for (let i = at; i <= at + last; i += step) made[at] += levels[i];
  return made;
}

function lowest(levels, step, side) {
  // In blocks of `side` levels: the lowest from the block's start, and the lowest to its end. Any `side`
  // levels are the end of one block and the start of the next.
  const [upto, from] = [levels.slice(), levels.slice()];
  for (let start = 0; start < levels.length; start += side * step) {
    const end = Math.min(start + side * step, levels.length);
    for (let at = start + step; at < end; at++) upto[at] = Math.min(upto[at], upto[at - step]);
    for (let at = end - step - 1; at >= start; at--) from[at] = Math.min(from[at], from[at + step]);
  }
  const last = (side - 1) * step;
  const made = new Uint8Array(levels.length - last);
  for (let at = 0; at < made.length; at++) made[at] = Math.min(from[at], upto[at + last]);
  return made;
}

function inverted(levels) {
  const made = new Uint8Array(levels.length);
  for (let at = 0; at < made.length; at++) made[at] = 255 - levels[at];
  return made;
}
