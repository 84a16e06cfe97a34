// Bytes from where an app has them.
import { BundleError, InputError } from "./errors.mjs";

/**
 * Read all bytes of a source. The result is a copy, which nobody else changes.
 *
 * @param {Uint8Array | ArrayBuffer | Response | URL | string} source
 */
export async function readBytes(source) {
  if (source instanceof ArrayBuffer) return copied(source);
  if (ArrayBuffer.isView(source)) return copied(source.buffer, source.byteOffset, source.byteLength);
  if (source instanceof Response) return readResponse(source);
  if (!(source instanceof URL) && typeof source !== "string")
    throw new InputError("`source` must be bytes, a Response or a URL", "give fetch(url)'s answer");
  try {
    const url = new URL(source, globalThis.location?.href);
    if (url.protocol !== "file:") return await readResponse(await fetch(url));
    const { readFile } = await import("node:fs/promises"); // fetch does not read files in Node
    return new Uint8Array(await readFile(url));
  } catch (error) {
    if (error instanceof BundleError) throw error;
    throw new BundleError(`cannot read ${source}: ${error.message}`);
  }
}

function copied(buffer, ...place) {
  try {
    return new Uint8Array(new Uint8Array(buffer, ...place));
  } catch (error) {
    throw new InputError(`\`source\` has no bytes: ${error.message}`, "give bytes that are there");
  }
}

async function readResponse(response) {
  const name = response.url || "the response";
  if (!response.ok)
    throw new BundleError(`cannot read ${name}: ${response.status} ${response.statusText}`);
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new BundleError(`cannot read ${name}: ${error.message}`, "load it again");
  }
}
