import { bestOf } from "./contest.ts";
import { find } from "./dom.ts";

const SIDE = 28;

/** The picture that the model sees, its answer, and a bar for each label. */
export class View {
  readonly #answer = find("#answer");
  readonly #certainty = find("#certainty");
  readonly #seen = find<HTMLCanvasElement>("#seen").getContext("2d");
  readonly #bars = new Map<string, HTMLElement>();
  readonly #labels: readonly string[];

  constructor(labels: readonly string[]) {
    this.#labels = labels;
    for (const bar of document.querySelectorAll<HTMLElement>("#bars [data-label]"))
      this.#bars.set(bar.dataset.label ?? "", bar);
  }

  /** Show that there is nothing to name, and why. */
  showBlank(why: string): void {
    this.#seen?.clearRect(0, 0, SIDE, SIDE);
    for (const bar of this.#bars.values()) setBar(bar, 0, false);
    put(this.#answer, "");
    put(this.#certainty, why);
  }

  /** @param pixels uint8, 28 x 28 */
  showSeen(pixels: Uint8Array): void {
    const rgba = new Uint8ClampedArray(4 * pixels.length);
    for (const [i, level] of pixels.entries()) rgba.set([level, level, level, 255], 4 * i);
    this.#seen?.putImageData(new ImageData(rgba, SIDE, SIDE), 0, 0);
  }

  /** @param probabilities in the order of the labels */
  showResult(probabilities: Float32Array): void {
    const best = bestOf(probabilities);
    this.#labels.forEach((label, i) => {
      const bar = this.#bars.get(label);
      if (bar) setBar(bar, probabilities[i] ?? 0, i === best);
    });
    put(this.#answer, this.#labels[best] ?? "");
    put(this.#certainty, `${percent(probabilities[best] ?? 0)} certain`);
  }
}

function setBar(bar: HTMLElement, probability: number, isBest: boolean): void {
  bar.style.setProperty("--share", String(probability));
  bar.setAttribute("aria-valuenow", probability.toFixed(6)); // 1e-9 is no value to browsers
  bar.setAttribute("aria-valuetext", percent(probability));
  bar.classList.toggle("best", isBest);
  put(find(".percent", bar), percent(probability));
}

/** Set a text if it differs: a screen reader reads each change of a live region. */
function put(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0.0005 && share < 0.9995 ? 1 : 0)}%`;
}
