// A bundle in memory, whole or in parts: every byte is verified before it is used.
import { MANIFEST, unpack } from "./archive.mjs";
import { sha256Hex } from "./digest.mjs";
import { BundleError } from "./errors.mjs";
import { filesOf } from "./manifest.mjs";
import { readArray } from "./npy.mjs";
import { parse } from "./schema.mjs";
import { requireSignature } from "./signing.mjs";

const SIGNATURE = "signature.json"; // the one member that the manifest does not list

export class Bundle {
  constructor(manifest, digest, members, signedBy) {
    this.manifest = manifest;
    this.digest = digest; // its identity: the SHA-256 of manifest.json
    this.members = members;
    this.signedBy = signedBy; // the trusted key, or null if no key is trusted
  }

  /** Return the bytes of a member, if they have the SHA-256 in the manifest. */
  async read({ file, sha256 }) {
    const content = this.members.get(file);
    if (!content)
      throw new BundleError(
        `${this.manifest.name}-${this.manifest.target} was opened by its parts, without ${file}`,
        "load the whole bundle",
      );
    if ((await sha256Hex(content)) !== sha256)
      throw new BundleError(
        `bundle ${this.manifest.name}-${this.manifest.target} refused: ${file} is not the file ` +
          "the manifest lists: hash differs",
        "export it again",
      );
    return content;
  }

  /** Read an array of golden samples. */
  async samples(ref, { dtype, shape }) {
    const whole = [this.manifest.golden.samples, ...shape.slice(1)];
    return readArray(await this.read(ref), ref.file, dtype, whole);
  }
}

/**
 * Verify a bundle held in memory.
 *
 * @param {Uint8Array} data the whole bundle, which nobody changes from now on
 * @param {Set<string> | null} keys of which one must have signed it; null: no signature is looked at
 */
export async function parseBundle(data, keys) {
  const members = await unpack(data);
  const written = members.get(MANIFEST);
  // Before anything that the manifest says counts.
  const signedBy = keys && (await requireSignature(written, members.get(SIGNATURE), keys));
  const manifest = parse(written);
  const files = filesOf(manifest);
  const expected = new Set([MANIFEST, ...files.map(({ file }) => file)]);
  for (const name of [...expected].sort())
    if (!members.has(name)) throw new BundleError(`${name} is listed in the manifest and not there`);
  for (const name of members.keys())
    if (!expected.has(name) && name !== SIGNATURE)
      throw new BundleError(`${name} is there and not listed in the manifest`);
  for (const { file, bytes } of files)
    if (members.get(file).length !== bytes)
      throw new BundleError(`${file} is not the file the manifest lists: size differs`);
  return new Bundle(manifest, await sha256Hex(written), members, signedBy);
}

/**
 * Verify the manifest and one plan of a bundle.
 *
 * @param {Uint8Array} written manifest.json
 * @param {Uint8Array} plan
 * @param {string} digest the identity of the bundle that is meant
 * @returns {Promise<Bundle>} it has no other members, and nobody has signed it
 */
export async function parseParts(written, plan, digest) {
  const found = await sha256Hex(written);
  if (found !== digest)
    throw new BundleError(
      `the manifest's SHA-256 is ${found} instead of ${digest}`, "give the parts of that bundle",
    );
  const manifest = parse(written);
  const sha256 = await sha256Hex(plan);
  const here = manifest.variants.filter(
    (ref) => ref.format === "plan" && ref.sha256 === sha256 && ref.bytes === plan.length,
  );
  if (!here.length)
    throw new BundleError(
      `${manifest.name}-${manifest.target} has no plan of ${plan.length} bytes with the SHA-256 ${sha256}`,
      "give the plan that export wrote with the manifest",
    );
  return new Bundle(manifest, digest, new Map(here.map(({ file }) => [file, plan])), null);
}
