import type { Pad } from "./pad.ts";

const STEP = 16; // pixels of the canvas a key press
const MOVES: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Draw with keys: arrows move a pen, Space sets it down and lifts it, Escape and Delete clear. */
export function drawWithKeys(pad: Pad, pen: HTMLElement): void {
  const { canvas } = pad;
  const held = new Set<string>();
  let [x, y] = [canvas.width / 2, canvas.height / 4];
  let down = false;

  const show = () => {
    pen.style.left = `${(100 * x) / canvas.width}%`;
    pen.style.top = `${(100 * y) / canvas.height}%`;
    pen.dataset.down = String(down);
  };
  const lift = () => {
    if (down) pad.end();
    down = false;
    held.clear();
    show();
  };
  const move = () => {
    for (const key of held) {
      const [dx, dy] = MOVES[key] ?? [0, 0];
      x = Math.min(Math.max(x + dx * STEP, 0), canvas.width);
      y = Math.min(Math.max(y + dy * STEP, 0), canvas.height);
    }
    if (down) pad.extend({ x, y, weight: 1 });
  };

  canvas.addEventListener("keydown", (event) => {
    const undoes = event.key === "z" && (event.ctrlKey || event.metaKey);
    if (undoes) {
      lift();
      pad.undo();
    } else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key in MOVES) {
      held.add(event.key); // two at a time go across
      move();
    } else if (event.key === " ") {
      if (event.repeat) return event.preventDefault();
      if (down) pad.end();
      else pad.begin({ x, y, weight: 1 });
      down = !down;
    } else if (["Escape", "Delete", "Backspace"].includes(event.key)) {
      lift();
      pad.clear();
    } else return;
    event.preventDefault();
    pen.hidden = false;
    show();
  });
  canvas.addEventListener("keyup", (event) => held.delete(event.key));
  canvas.addEventListener("blur", () => {
    lift();
    pen.hidden = true;
  });
  canvas.addEventListener("pointerdown", () => {
    lift();
    pen.hidden = true;
  });
  canvas.addEventListener("focus", () => {
    pen.hidden = !canvas.matches(":focus-visible");
    show();
  });
}
