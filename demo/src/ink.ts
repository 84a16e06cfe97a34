/** A point of a stroke, in pixels of the canvas. `weight` scales the width of the line there. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
}

const WIDTH = 0.082; // of a line, as a share of the canvas

/** Black ink on a transparent canvas. */
export class Ink {
  readonly #context: CanvasRenderingContext2D;
  readonly #side: number;
  #strokes: Point[][] = [];
  #open: Point[] | null = null; // the stroke that is being drawn

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
    this.#open = [point];
    this.#strokes.push(this.#open);
    this.#draw(point, (path) => path.lineTo(point.x, point.y), point);
  }

  /** Add a point to the open stroke. The line curves to the middle of the last two points. */
  extend(point: Point): void {
    const stroke = this.#open;
    const last = stroke?.at(-1);
    if (!stroke || !last) return;
    const before = stroke.at(-2);
    const from = before ? middle(before, last) : last;
    const to = middle(last, point);
    this.#draw(from, (path) => path.quadraticCurveTo(last.x, last.y, to.x, to.y), point);
    stroke.push(point);
  }

  /** End the open stroke: draw the line up to its last point. */
  end(): void {
    const [before, last] = this.#open?.slice(-2) ?? [];
    this.#open = null;
    if (before && last)
      this.#draw(middle(before, last), (path) => path.lineTo(last.x, last.y), last);
  }

  /** Draw a whole stroke. */
  add([first, ...rest]: readonly Point[]): void {
    if (!first) return;
    this.begin(first);
    for (const point of rest) this.extend(point);
    this.end();
  }

  /** Remove the last stroke. If it is open, it ends. */
  undo(): void {
    const kept = this.#strokes.slice(0, -1);
    this.clear();
    for (const stroke of kept) this.add(stroke);
  }

  clear(): void {
    this.#strokes = [];
    this.#open = null;
    this.#context.clearRect(0, 0, this.#side, this.#side);
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

  #draw(from: Point, line: (path: CanvasPath) => void, { weight }: Point): void {
    this.#context.lineWidth = this.#side * WIDTH * weight;
    this.#context.beginPath();
    this.#context.moveTo(from.x, from.y);
    line(this.#context);
    this.#context.stroke();
  }
}

function middle(a: Point, b: Point): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, weight: b.weight };
}
