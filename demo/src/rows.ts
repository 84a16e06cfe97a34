import type { Agreement } from "./contest.ts";
import { find } from "./dom.ts";
import type { EngineName } from "./engines/engine.ts";

type State = "loading" | "ready" | "failed"; // "idle" in the page, before

/** The row of an engine in the table. */
export class Row {
  readonly #row: HTMLElement;
  readonly #isOurs: boolean;

  constructor(name: EngineName) {
    this.#isOurs = name === "native";
    this.#row = find(`[data-engine="${name}"]`);
  }

  /** Show the state in the place of the time. */
  showState(state: State): void {
    this.#row.dataset.state = state;
    this.#put(".time", state === "failed" ? "failed" : "…");
  }

  /** @param us of one sample; @param ours of Strop's engine */
  showTime(precision: string, us: number, ours: number): void {
    if (Number.isNaN(us)) return;
    this.#row.dataset.us = us.toFixed(2);
    this.#put(".precision", precision);
    this.#put(".time", `${us.toPrecision(us < 100 ? 2 : 3)} µs`);
    const ratio = us / ours;
    this.#put(".ratio", us === ours ? "" : `${ratio.toFixed(ratio < 10 ? 1 : 0)}×`);
  }

  /** Compare with Strop's engine; null: there is nothing to compare. */
  showAgreement(agreement: Agreement | null): void {
    if (!agreement) {
      delete this.#row.dataset.agrees;
      this.#put(".agrees", "");
      return;
    }
    const { agrees, difference } = agreement;
    this.#row.dataset.agrees = String(agrees);
    if (this.#isOurs) return; // it is what the others are compared with
    const most = Math.max(difference, 0.001).toFixed(3);
    this.#put(".agrees", agrees ? `yes ±${most}` : "no");
  }

  #put(part: string, text: string): void {
    const element = find(part, this.#row);
    if (element.textContent !== text) element.textContent = text;
  }
}
