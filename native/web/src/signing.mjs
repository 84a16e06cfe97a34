// signature.json: Ed25519 over the manifest, which vouches for every other member.
import { fromHex, hex, subtle } from "./digest.mjs";
import { BundleError, InputError, quoted } from "./errors.mjs";
import { integer, isPrintable, readRecord, record, text } from "./records.mjs";

const SCHEMA = 1;
const MAX_BYTES = 1024;
const CONTEXT = "strop bundle, signature schema 1: manifest.json\n";
const FIELDS = record({ algorithm: text, public_key: text, schema: integer, signature: text });
const LINE = /^ed25519:([0-9a-f]{64})(?:[ \t]+(.*))?$/s;

// Anybody can sign for a key of small order. A height that is not below the field's size is a second
// way to write another key.
const FIELD = 2n ** 255n - 19n;
const EIGHTH = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
const SMALL_ORDER = [0n, 1n, FIELD - 1n, EIGHTH, FIELD - EIGHTH];

/**
 * Read trusted keys, as `strop keygen` writes them: "ed25519:9d61.. release".
 *
 * @param {string[]} lines
 * @returns {Set<string>} the hexadecimal digits of each key
 */
export function readKeys(lines) {
  if (!Array.isArray(lines) || !lines.length || !lines.every((line) => typeof line === "string"))
    throw new InputError("`trustedKeys` must be a list of keys as text", "give one or more");
  return new Set(lines.map(readKey));
}

function readKey(line) {
  const [, digits, comment = ""] = LINE.exec(line.trim()) ?? [];
  if (!digits || !isPrintable(comment)) // not shown: it may be a private one
    throw new BundleError(
      "not a public key", "write ed25519: and 64 hexadecimal digits, as strop keygen does",
    );
  const height = BigInt(`0x${hex(fromHex(digits).reverse())}`) % 2n ** 255n;
  if (height >= FIELD || SMALL_ORDER.includes(height))
    throw new BundleError(`weak key: anybody could sign for ed25519:${digits}`, "remove it");
  return digits;
}

/**
 * Verify the signature of a manifest.
 *
 * @param {Uint8Array} manifest the bytes of manifest.json
 * @param {Uint8Array | undefined} content those of signature.json
 * @param {Set<string>} keys of which one must have signed
 * @returns {Promise<string>} the trusted key that signed it
 */
export async function requireSignature(manifest, content, keys) {
  if (!content)
    throw new BundleError(
      "not signed, and it must be signed with one of the trusted keys given", "use strop sign",
    );
  const { public_key: key, signature } = readSignature(content);
  if (!keys.has(key))
    throw new BundleError(
      `signed by ed25519:${key}, which is not among the trusted keys given`,
      "get the bundle from a maker you trust",
    );
  const message = new Uint8Array(CONTEXT.length + manifest.length);
  message.set(new TextEncoder().encode(CONTEXT));
  message.set(manifest, CONTEXT.length);
  if (!(await verify(fromHex(key), fromHex(signature), message)))
    throw new BundleError(
      `tampered with: ed25519:${key} did not sign this manifest`, "get the bundle again",
    );
  return `ed25519:${key}`;
}

function readSignature(content) {
  const found = readRecord(FIELDS, content, "signature.json", {
    schema: SCHEMA,
    maxBytes: MAX_BYTES,
    mend: "take the strop.mjs that came with the bundle",
  });
  if (found.algorithm !== "ed25519")
    throw new BundleError(`signature.json: algorithm is ${quoted(found.algorithm)}, not ed25519`);
  for (const [name, digits] of [["public_key", 64], ["signature", 128]])
    if (!/^[0-9a-f]*$/.test(found[name]) || found[name].length !== digits)
      throw new BundleError(`signature.json: ${name} is not ${digits} hexadecimal digits`);
  const written = new TextEncoder().encode(`${JSON.stringify(found, null, 2)}\n`);
  if (written.length !== content.length || !written.every((byte, i) => byte === content[i]))
    throw new BundleError("signature.json is not written as Strop writes it", "sign again");
  return found;
}

async function verify(key, signature, message) {
  const algorithm = { name: "Ed25519" };
  try {
    const functions = await subtle();
    const imported = await functions.importKey("raw", key, algorithm, false, ["verify"]);
    return await functions.verify(algorithm, imported, signature, message);
  } catch (error) {
    throw new BundleError(
      `its signature cannot be verified: WebCrypto has no Ed25519 here (${error.message})`,
      "use a newer browser",
    );
  }
}
