import { Ink, type Point } from "./ink.ts";

/** The canvas that one draws on: finger, pen or mouse. keyboard.ts draws on it too. */
export class Pad {
  readonly canvas: HTMLCanvasElement;
  readonly #ink: Ink;
  readonly #changed: () => void;
  #photo: ImageData | null = null;
  #example = false;
  #pointer: number | null = null;

  /** @param changed is called after every change of the picture */
  constructor(canvas: HTMLCanvasElement, changed: () => void) {
    this.canvas = canvas;
    this.#ink = new Ink(canvas);
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"] as const)
      canvas.addEventListener(kind, (event) => this.#up(event));
  }

  /** Whether the present picture is the recorded example. */
  get showsExample(): boolean {
    return this.#example;
  }

  /** The pointer is down: a stroke is being drawn. */
  get isDrawing(): boolean {
    return this.#pointer !== null;
  }

  /** The picture for the model; null if nothing was drawn. */
  picture(): ImageData | null {
    if (this.#photo) return this.#photo;
    return this.#ink.isEmpty ? null : this.#ink.pixels();
  }

  /** Begin a stroke of the user: an example or a photo makes way. */
  begin(point: Point): void {
    if (this.#example || this.#photo) this.#reset();
    this.#ink.begin(point);
    this.#changed();
  }

  extend(point: Point): void {
    this.#ink.extend(point);
    this.#changed();
  }

  end(): void {
    this.#ink.end();
    this.#changed();
  }

  /** Draw some strokes of the recorded example, in place of the present picture. */
  showExample(strokes: readonly (readonly Point[])[]): void {
    this.#reset();
    this.#example = true;
    for (const stroke of strokes) this.#ink.add(stroke);
    this.#changed();
  }

  /** Show a photo; the model gets `pixels`, of the photo alone. */
  showPhoto(photo: ImageBitmap, pixels: ImageData): void {
    this.#reset();
    this.#ink.show(photo);
    this.#photo = pixels;
    this.canvas.classList.add("photo");
    this.#changed();
  }

  undo(): void {
    if (this.#photo || this.#example) this.#reset();
    else this.#ink.undo();
    this.#changed();
  }

  clear(): void {
    this.#reset();
    this.#changed();
  }

  #reset(): void {
    this.#ink.clear();
    this.#photo = null;
    this.#example = false;
    this.canvas.classList.remove("photo");
  }

  #down(event: PointerEvent): void {
    if (this.#pointer !== null || event.button !== 0) return;
    this.#pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.begin(this.#place(event));
  }

  #move(event: PointerEvent): void {
    if (event.pointerId !== this.#pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length ? all : [event]) this.#ink.extend(this.#place(one));
    this.#changed();
  }

  #up(event: PointerEvent): void {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.end();
  }

  #place(event: PointerEvent): Point {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    // A mouse and most fingers say 0.5 or 0.
    const presses = event.pointerType === "pen" && event.pressure > 0;
    return {
      x: (event.clientX - box.left) * scale,
      y: (event.clientY - box.top) * scale,
      weight: presses ? 0.6 + 0.8 * event.pressure : 1,
    };
  }
}
