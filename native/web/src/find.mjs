// The step `find`, as strop/model/drawing.py carries it out.
import { BlankPicture } from "./errors.mjs";

const FAINT = 16; // a part with less than this share of the mass of the main part is a speck
const EDGE = 8; // a part at the picture's edge, as a shadow is, counts for this share of its mass
const NEAR = 3; // a part is near within this share of the main part's longer side

/** Cut out the box around the drawing: the heaviest part above this level, and those near it. */
export function find(levels, { above }) {
  const { data, width, height, channels } = levels;
  const stride = width + 2; // a frame of 0, so that each pixel has eight around it
  const largest = new Uint8Array(stride * (height + 2));
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < channels; channel++, at++) {
        const place = (y + 1) * stride + x + 1;
        if (data[at] > largest[place]) largest[place] = data[at];
      }
  const around = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => dy * stride + dx));
  const parts = partsOf(largest, stride, around, above);
  if (!parts.length) throw new BlankPicture("the picture is blank", "give one that shows something");
  const main = parts.reduce((one, other) => (other.weight > one.weight ? other : one));
  const kept = new Uint8Array(largest.length);
  for (const part of parts)
    if (part.weight * FAINT >= main.weight && isNear(part, main))
      // The faint edges of kept parts belong to them.
      for (const place of part.places) for (const step of around) kept[place + step] = 1;
  const inked = [];
  for (let place = 0; place < kept.length; place++)
    if (kept[place] && largest[place]) inked.push(place);
  const box = boxOf(inked, stride);
  const size = { width: box.right - box.left, height: box.bottom - box.top, channels };
  const made = new Uint8Array(size.width * size.height * channels);
  for (let y = box.top, to = 0; y < box.bottom; y++)
    for (let x = box.left; x < box.right; x++)
      for (let channel = 0; channel < channels; channel++, to++)
        if (kept[y * stride + x]) made[to] = data[((y - 1) * width + x - 1) * channels + channel];
  return { data: made, ...size };
}

/** Return the parts of pixels above this level that touch, in rows, columns and diagonals. */
function partsOf(framed, stride, around, above) {
  const bottom = framed.length / stride - 1;
  const unseen = framed.map((level) => Number(level > above));
  const parts = [];
  for (let first = 0; first < framed.length; first++) {
    if (!unseen[first]) continue;
    unseen[first] = 0;
    const places = [first];
    for (const place of places) // which grows
      for (const step of around)
        if (unseen[place + step]) {
          unseen[place + step] = 0;
          places.push(place + step);
        }
    const box = boxOf(places, stride);
    const mass = places.reduce((sum, place) => sum + framed[place], 0);
    const isAtEdge =
      box.top === 1 || box.left === 1 || box.right === stride - 1 || box.bottom === bottom;
    parts.push({ ...box, places, weight: isAtEdge ? Math.floor(mass / EDGE) : mass });
  }
  return parts;
}

/** Return the smallest box around places. */
function boxOf(places, stride) {
  const box = { top: Infinity, left: Infinity, bottom: 0, right: 0 };
  for (const place of places) {
    const x = place % stride;
    const y = (place - x) / stride;
    box.top = Math.min(box.top, y);
    box.left = Math.min(box.left, x);
    box.bottom = Math.max(box.bottom, y + 1);
    box.right = Math.max(box.right, x + 1);
  }
  return box;
}

function isNear(part, main) {
  const margin = Math.floor(Math.max(main.bottom - main.top, main.right - main.left) / NEAR);
  return (
    part.top < main.bottom + margin &&
    main.top < part.bottom + margin &&
    part.left < main.right + margin &&
    main.left < part.right + margin
  );
}
