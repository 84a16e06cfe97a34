// Strop in a page or in Node: reads a bundle, verifies it, and runs a plan of it.
// strop.d.ts describes everything here.
import { parseBundle, parseParts } from "./src/bundle.mjs";
import { Core } from "./src/core.mjs";
import {
  BlankPicture, BundleError, EngineUnavailable, InputError, oneOf, quoted, StropError,
} from "./src/errors.mjs";
import { readBytes } from "./src/files.mjs";
import { enginesOf, PRECISIONS, ROUNDINGS } from "./src/manifest.mjs";
import { Model } from "./src/model.mjs";
import { ARRAYS } from "./src/npy.mjs";
import { readKeys } from "./src/signing.mjs";

export { BlankPicture, BundleError, EngineUnavailable, InputError, StropError };

export const VERSION = "0.1.0";
const ENGINE = "native";
const ROUNDING_AT = 12; // in a plan: the place in ROUNDINGS

export async function load(source, { precision, trustedKeys } = {}) {
  const keys = trustedKeys === undefined ? null : readKeys(trustedKeys);
  const data = await readBytes(await source);
  const bundle = await parseBundle(data, keys);
  return open(bundle, choose(bundle.manifest, precision));
}

export async function loadParts({ manifest, plan } = {}, { digest } = {}) {
  if (typeof digest !== "string" || !/^[0-9a-f]{64}$/.test(digest))
    throw new InputError(
      `\`digest\` must be the bundle's identity, 64 hexadecimal digits, got ${typeof digest}`,
      "give the `digest` that `strop info` prints",
    );
  const sources = await Promise.all([manifest, plan]);
  const bundle = await parseParts(...(await Promise.all(sources.map(readBytes))), digest);
  const variants = bundle.manifest.variants.filter(({ file }) => bundle.members.has(file));
  return open(bundle, proven({ ...bundle.manifest, variants })[0]);
}

/** Return the plans that are proven on this engine. */
function proven({ name, target, variants }) {
  const plans = variants.filter((variant) => variant.format === "plan");
  const found = plans.filter((variant) => enginesOf(variant).includes(ENGINE));
  if (!found.length)
    throw new EngineUnavailable(
      `${name}-${target} has no plan that is proven on ${ENGINE}`,
      "export it for a target that has plans: make export TARGET=web",
    );
  return found;
}

/** Choose the first plan of a precision that is proven on this engine. */
function choose(manifest, precision) {
  if (precision !== undefined && !PRECISIONS.includes(precision))
    throw new InputError(
      `there is no precision ${quoted(precision)}`, `ask for ${oneOf(PRECISIONS)}`,
    );
  const plans = proven(manifest);
  const found = plans.find((variant) => [undefined, variant.precision].includes(precision));
  if (!found)
    throw new InputError(
      `${manifest.name}-${manifest.target} has no ${precision} variant for ${ENGINE}`,
      `ask for ${oneOf(plans.map((variant) => variant.precision))}`,
    );
  return found;
}

async function open(bundle, variant) {
  checkFloor(variant);
  for (const input of bundle.manifest.inputs)
    if (!Object.hasOwn(ARRAYS, input.dtype))
      throw new EngineUnavailable(`strop.mjs takes no ${input.dtype} inputs, as ${input.name} is`);
  const plan = await bundle.read(variant);
  const core = await Core.open(plan, variant.file);
  checkPlan(plan, core, variant);
  return new Model(bundle, variant, core);
}

/** Refuse a file that needs a newer release. */
function checkFloor({ file, requires }) {
  const floor = requires.engines?.[ENGINE];
  if (floor === undefined) return;
  const needed = floor.split(".").map(Number);
  const own = VERSION.split(".").map(Number);
  const place = needed.findIndex((part, i) => part !== (own[i] ?? 0));
  if (place >= 0 && needed[place] > (own[place] ?? 0))
    throw new EngineUnavailable(
      `${file} needs ${ENGINE} ${floor} or newer; this strop.mjs has ${VERSION}`,
      "take the strop.mjs that came with the bundle",
    );
}

/** Compare what a plan takes and gives, and how it rounds, with the manifest. */
function checkPlan(plan, core, { file, inputs, outputs, rounding }) {
  const ofPlan = ({ name, dtype, dims }) => JSON.stringify([name, dtype, dims]);
  const listed = ({ name, dtype, shape }) => JSON.stringify([name, dtype, shape.slice(1)]);
  const found = [...core.inputs, null, ...core.outputs].map((border) => border && ofPlan(border));
  const wanted = [...inputs, null, ...outputs].map((tensor) => tensor && listed(tensor));
  const rounds = ROUNDINGS[plan[ROUNDING_AT]] === (rounding ?? ROUNDINGS[0]);
  if (String(found) !== String(wanted) || !rounds)
    throw new BundleError(`${file} is not the model that the manifest describes`, "export it again");
}
