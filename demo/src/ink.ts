/** A point of a stroke, in pixels of the canvas. `weight` scales the width of the line there. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
}
export type Stroke = Point[];

const WIDTH = 0.082; // of a line, as a share of the canvas

/** Black ink on a transparent canvas. */
export class Ink {
  readonly #context: CanvasRenderingContext2D;
  readonly #side: number;
  #strokes: Stroke[] = [];

  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("this browser cannot draw");
    this.#context = context;
    this.#side = canvas.width;
    context.lineCap = "round";
    context.lineJoin = "round";
  }

  get isEmpty(): boolean {
    return this.#strokes.length === 0;
  }

  /** Begin a stroke: a dot, as long as no point follows. */
  begin(point: Point): void {
    this.#strokes.push([]);
    this.extend(point);
  }

  /** Add a point to the last stroke, and draw what it adds. */
  extend(point: Point): void {
    const stroke = this.#strokes.at(-1);
    if (!stroke) return;
    stroke.push(point);
    this.#drawEnd(stroke, stroke.length);
  }

  /** Remove the last stroke. */
  undo(): void {
    this.#strokes.pop();
    this.#wipe();
    for (const stroke of this.#strokes)
      for (let count = 1; count <= stroke.length; count++) this.#drawEnd(stroke, count);
  }

  clear(): void {
    this.#strokes = [];
    this.#wipe();
  }

  /** Read the pixels, as the model takes them. */
  pixels(): ImageData {
    return this.#context.getImageData(0, 0, this.#side, this.#side);
  }

  /** Lay a picture over the whole canvas, in proportion. */
  show(picture: ImageBitmap): void {
    this.clear();
    const scale = this.#side / Math.max(picture.width, picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    const [x, y] = [(this.#side - width) / 2, (this.#side - height) / 2];
    this.#context.drawImage(picture, x, y, width, height);
  }

  #wipe(): void {
    this.#context.clearRect(0, 0, this.#side, this.#side);
  }

  /** Draw the line to the last of the first `count` points. */
  #drawEnd(stroke: Stroke, count: number): void {
    const to = stroke[count - 1];
    const from = stroke[count - 2] ?? to;
    if (!to || !from) return;
    this.#context.lineWidth = this.#side * WIDTH * to.weight;
    this.#context.beginPath();
    this.#context.moveTo(from.x, from.y);
    this.#context.lineTo(to.x, to.y);
    this.#context.stroke();
  }
}
