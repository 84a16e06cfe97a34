import { load, type Model } from "strop";
import { fetchFile } from "./files.ts";

let opened: Promise<Model> | undefined;

/** Load and verify the whole bundle, once: it has the golden samples and the other engines' files. */
export function wholeBundle(): Promise<Model> {
  // Not from the browser's own cache, which would give a damaged file again.
  opened ??= load(fetchFile(BUILD.bundle, { cache: "no-store" })).catch((error: unknown) => {
    opened = undefined; // it may be whole next time
    throw error;
  });
  return opened;
}
