import type { Point } from "./ink.ts";
import type { Pad } from "./pad.ts";

const DURATION_MS = 900;

// A 3, in percent of the pad's side.
const RECORDED = [
  [
    [31, 25],
    [34, 22],
    [38, 19],
    [43, 17],
    [49, 16],
    [55, 17],
    [60, 19],
    [64, 23],
    [66, 28],
    [65, 33],
    [62, 38],
    [58, 42],
    [52, 45],
    [46, 47],
    [51, 47],
    [57, 48],
    [62, 51],
    [66, 55],
    [69, 60],
    [69, 66],
    [67, 72],
    [63, 77],
    [57, 81],
    [50, 83],
    [43, 83],
    [37, 81],
    [32, 77],
    [29, 73],
  ],
] as const;

/** Show the recorded digit. */
export function showExample(pad: Pad): void {
  pad.showExample(strokesOn(pad));
}

/**
 * Draw the recorded digit again, as one would, unless motion is unwelcome. Anything that the user
 * does ends it.
 */
export function playExample(pad: Pad): void {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const strokes = strokesOn(pad);
  const total = strokes.reduce((sum, stroke) => sum + stroke.length, 0);
  const start = performance.now();
  const draw = (now: number) => {
    if (!pad.showsExample) return;
    const share = Math.min(1, Math.max(0, now - start) / DURATION_MS);
    let left = Math.max(1, Math.round(share * total));
    pad.showExample(
      strokes.map((stroke) => {
        const part = stroke.slice(0, left);
        left -= part.length;
        return part;
      }),
    );
    if (share < 1) requestAnimationFrame(draw);
  };
  requestAnimationFrame(draw);
}

function strokesOn(pad: Pad): Point[][] {
  const side = pad.canvas.width / 100;
  return RECORDED.map((stroke) =>
    stroke.map(([x, y]) => ({ x: x * side, y: y * side, weight: 1 })),
  );
}
