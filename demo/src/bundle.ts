import { load, type Model } from "strop";
import { forget } from "./offline.ts";

let opened: Promise<Model> | undefined;

/** Load and verify the whole bundle, once: it has the golden samples and the other engines' files. */
export function wholeBundle(): Promise<Model> {
  // Not in the browser's own cache, where nobody could drop it if it is damaged.
  opened ??= load(fetch(BUILD.bundle, { cache: "no-store" })).catch(async (error: unknown) => {
    opened = undefined; // it may be whole next time
    await forget(BUILD.bundle);
    throw error;
  });
  return opened;
}
