// The histogram of a picture, and what is computed from it.

/** Count the levels 0 to 255. */
export function countsOf(data) {
  const counts = new Uint32Array(256);
  for (let at = 0; at < data.length; at++) counts[data[at]]++;
  return counts;
}

/** Return the level at a place in the sorted levels. */
export function levelAt(counts, place) {
  let level = 0;
  for (let upto = counts[0]; upto <= place; upto += counts[level]) level++;
  return level;
}

/** Change levels so that `bottom` becomes 0 and `top` 255. */
export function stretched(data, bottom, top) {
  const span = top - bottom;
  const table = Uint8ClampedArray.from({ length: 256 }, (_, level) =>
    Math.floor(((level - bottom) * 510 + span) / (2 * span)),
  );
  return data.map((level) => table[level]);
}
