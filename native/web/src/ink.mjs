// The step `ink`, as strop/model/drawing.py carries it out.
import { BlankPicture } from "./errors.mjs";
import { countsOf, levelAt, stretched } from "./histogram.mjs";

const ROUNDS = 32; // of the search for a threshold

/** Take the paper and its shadows away, which leaves light ink on black paper. */
export function ink(levels, { reach, least }) {
  const { width, height, channels } = levels;
  const radius = Math.max(1, Math.floor((Math.max(width, height) * reach) / 100));
  const data = new Uint8Array(levels.data.length);
  for (let channel = 0; channel < channels; channel++) {
    const one = levels.data.filter((_, at) => at % channels === channel);
    const found = inkOf(one, width, height, radius, least);
    for (let at = 0; at < found.length; at++) data[at * channels + channel] = found[at];
  }
  return { ...levels, data };
}

function inkOf(levels, width, height, radius, least) {
  const side = 2 * radius + 1;
  const rows = summed(levels, width, height, width, 1, radius);
  const sums = summed(rows, height, width, 1, width, radius);
  let skew = 0;
  for (let at = 0; at < levels.length; at++)
    skew += (levels[at] - Math.floor(sums[at] / side ** 2)) ** 3;
  // The few pixels that differ much are dark.
  const light = skew < 0 ? inverted(levels) : levels;
  // The opening: it has nothing that is light and narrower than the square.
  const stride = width + 4 * radius;
  const darkest = lowest(framed(light, width, height, 2 * radius), stride, side);
  const paper = lowest(inverted(darkest), stride, side); // inverted
  const above = light.map((level, at) => {
    const x = at % width;
    return level - 255 + paper[((at - x) / width) * stride + x];
  });
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

/** Sum the levels of each line from `radius` before to `radius` behind each; the ends go on. */
function summed(levels, size, lines, lineStep, step, radius) {
  const sums = new Uint32Array(levels.length);
  for (let line = 0; line < lines; line++) {
    const at = (place) => line * lineStep + Math.min(Math.max(place, 0), size - 1) * step;
    let sum = 0;
    for (let place = -radius; place <= radius; place++) sum += levels[at(place)];
    for (let place = 0; place < size; place++) {
      sums[at(place)] = sum;
      sum += levels[at(place + radius + 1)] - levels[at(place - radius)];
    }
  }
  return sums;
}

function inverted(levels) {
  return levels.map((level) => 255 - level);
}

/** Put a picture into a frame that repeats its edge. */
function framed(levels, width, height, frame) {
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

/** Take the lowest level of each square that has its first pixel here; the stride stays. */
function lowest(levels, stride, side) {
  let made = levels;
  for (const step of [1, stride]) {
    let covered = 1;
    for (; 2 * covered <= side; covered *= 2) made = lower(made, covered * step);
    made = lower(made, (side - covered) * step);
  }
  return made;
}

/** Take the lower of each level and the one that comes so many places later. */
function lower(levels, later) {
  const made = levels.slice(0, levels.length - later);
  for (let at = 0; at < made.length; at++) {
    const other = levels[at + later];
    if (other < made[at]) made[at] = other;
  }
  return made;
}
