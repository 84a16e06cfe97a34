import { load, type Model } from "strop";

let opened: Promise<Model> | undefined;

/** Load and verify the whole bundle, once: it has the golden samples and the other engines' files. */
export function wholeBundle(): Promise<Model> {
  opened ??= load(fetch(BUILD.bundle)).catch((error: unknown) => {
    opened = undefined; // it may be there next time
    throw error;
  });
  return opened;
}
