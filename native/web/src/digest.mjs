// WebCrypto, in pages and in Node.
import { StropError } from "./errors.mjs";

/** Return WebCrypto's functions. */
export async function subtle() {
  if (globalThis.crypto?.subtle) return globalThis.crypto.subtle;
  if (globalThis.process?.versions?.node) return (await import("node:crypto")).webcrypto.subtle;
  throw new StropError("this page has no WebCrypto", "serve it by https, or from localhost");
}

/** Return the SHA-256 of bytes as 64 lower-case hexadecimal digits. */
export async function sha256Hex(bytes) {
  return hex(new Uint8Array(await (await subtle()).digest("SHA-256", bytes)));
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(digits) {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
