/** Run tasks one after the other: engines that reuse their buffers take no two samples at once. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(task: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(task);
    this.#last = mine.catch(() => {}); // whoever awaits `mine` learns of it
    return mine;
  }
}
