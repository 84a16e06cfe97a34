// Scaling of pictures by a triangle filter, exact in integers, as strop/model/scaling.py does it.

/** Return the largest [width, height] in the picture's proportions that fits into this one. */
export function fitting({ width: wide, height: tall }, width, height) {
  if (width * tall <= height * wide)
    return [width, Math.max(1, Math.floor((2 * tall * width + wide) / (2 * wide)))];
  return [Math.max(1, Math.floor((2 * wide * height + tall) / (2 * tall))), height];
}

/** Scale a picture: each row to the new width, then each column to the new height. */
export function scaled(levels, width, height) {
  const { channels } = levels;
  const data = new Uint8Array(width * height * channels);
  const lines = Array.from({ length: height }, (_, y) => weightsOf(levels.height, height, y));
  // One new column at a time, so that the memory does not grow with the picture.
  const column = new Uint8Array(levels.height);
  for (let x = 0; x < width; x++) {
    const across = weightsOf(levels.width, width, x);
    for (let channel = 0; channel < channels; channel++) {
      for (let y = 0; y < levels.height; y++)
        column[y] = averaged(levels.data, y * levels.width * channels + channel, channels, across);
      for (let y = 0; y < height; y++)
        data[(y * width + x) * channels + channel] = averaged(column, 0, 1, lines[y]);
    }
  }
  return { data, width, height, channels };
}

/** Average the levels of a line. All sums are below 2 ** 53, and the quotient has the right floor. */
function averaged(data, start, step, { first, weights, total }) {
  let sum = 0;
  for (let i = 0, at = start + first * step; i < weights.length; i++, at += step)
    sum += weights[i] * data[at];
  return Math.floor((2 * sum + total) / (2 * total));
}

/** Return the first level of `whole` that counts for a new one, and the weights from there on. */
function weightsOf(whole, size, place) {
  const reach = 2 * Math.max(size, whole);
  const middle = (2 * place + 1) * whole;
  const first = Math.max(0, Math.floor((middle - reach) / (2 * size)));
  const end = Math.min(whole, Math.floor((middle + reach) / (2 * size)) + 1);
  const weights = Float64Array.from({ length: end - first }, (_, i) =>
    Math.max(0, reach - Math.abs((2 * (first + i) + 1) * size - middle)),
  );
  return { first, weights, total: weights.reduce((sum, weight) => sum + weight, 0) };
}
