// Bytes from where an app has them.
import { BundleError, InputError } from "./errors.mjs";

/**
 * Read all bytes of a source. The result is a copy, which nobody else changes.
 *
 * @param {Uint8Array | ArrayBuffer | Response | URL | string} source
 */
export async function readBytes(source) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source.slice(0));
  if (ArrayBuffer.isView(source))
    return new Uint8Array(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
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

async function readResponse(response) {
  if (!response.ok)
    throw new BundleError(`cannot read ${response.url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}
