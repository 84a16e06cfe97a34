// The outer layer of a bundle: a ZIP that can be written in exactly one way.
// docs/bundle-format.md describes it; strop/bundle/archive.py is the same in Python.
import { sha256Hex } from "./digest.mjs";
import { BundleError, quoted } from "./errors.mjs";

export const MANIFEST = "manifest.json";
export const MAX_ARCHIVE_BYTES = 512 * 2 ** 20;
const MAX_NAME_BYTES = 255;
const MAX_MEMBERS = 1024;

const LOCAL_BYTES = 30;
const DIGEST_BYTES = 64;
const VERSION = 20;
const MADE_BY_UNIX = (3 << 8) | VERSION;
const DATE = (1 << 5) | 1; // 1980-01-01
const MODE = (0o100644 << 16) >>> 0;

/**
 * Read a bundle's members, or refuse it.
 *
 * @param {Uint8Array} data the whole bundle, which nobody changes from now on
 * @returns {Promise<Map<string, Uint8Array>>} a view of the content of each member, by its name
 */
export async function unpack(data) {
  if (data.length > MAX_ARCHIVE_BYTES)
    throw new BundleError(`more than ${MAX_ARCHIVE_BYTES} bytes, the limit for a bundle`);
  const end = Math.max(0, data.length - DIGEST_BYTES);
  const body = data.subarray(0, end);
  if ((await sha256Hex(body)) !== ascii(data.subarray(end)))
    throw new BundleError(
      "damaged or not a bundle: its bytes do not match the SHA-256 at its end",
      "copy it again",
    );
  const members = readMembers(body);
  // Contents are views of the bytes they would be compared with: in this order, after headers of
  // these lengths, they are where they belong.
  let same = [...members.keys()].every((name, i, names) => i === 0 || inOrder(names[i - 1], name));
  let offset = 0;
  for (const piece of pieces(members)) {
    same &&= piece.buffer === body.buffer || equal(piece, body, offset);
    offset += piece.length;
  }
  if (!same || offset !== body.length)
    throw new BundleError("tampered with: not the ZIP that Strop writes", "export it again");
  return members;
}

/** Walk the local headers. A false header is believed here; `pieces` shows that it is false. */
function readMembers(body) {
  const members = new Map();
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let offset = 0;
  while (offset + 4 <= body.length && view.getUint32(offset, true) === 0x04034b50) {
    if (members.size > MAX_MEMBERS) break; // half a gigabyte of headers would fill the memory
    if (offset + LOCAL_BYTES > body.length)
      throw new BundleError("not a bundle: unreadable ZIP (a header is cut off)");
    const size = view.getUint32(offset + 22, true);
    const start = offset + LOCAL_BYTES + view.getUint16(offset + 26, true);
    const name = ascii(body.subarray(offset + LOCAL_BYTES, start));
    if (/[^\0-\x7f]/.test(name))
      throw new BundleError("not a bundle: unreadable ZIP (a name is not ASCII)");
    if (members.has(name))
      throw new BundleError(`tampered with: ${quoted(name)} is there twice`, "export it again");
    members.set(name, body.subarray(start, start + size));
    offset = start + size;
  }
  return members;
}

/** Yield the archive in pieces, up to its comment, which is the digest of all this. */
function* pieces(members) {
  if (!members.has(MANIFEST))
    throw new BundleError(`a bundle needs a ${MANIFEST}; these members have none`);
  if (members.size > MAX_MEMBERS)
    throw new BundleError(`a bundle holds at most ${MAX_MEMBERS} members, not ${members.size}`);
  const directory = [];
  let offset = 0;
  for (const [name, content] of members) {
    checkName(name);
    const common = [VERSION, 0, 0, 0, DATE];
    const sizes = [crc32(content), content.length, content.length];
    const local = layout("IHHHHHIIIHH", [0x04034b50, ...common, ...sizes, name.length, 0], name);
    yield local;
    yield content;
    const entry = [0x02014b50, MADE_BY_UNIX, ...common, ...sizes, name.length, 0, 0, 0, 0];
    directory.push(layout("IHHHHHHIIIHHHHHII", [...entry, MODE, offset], name));
    offset += local.length + content.length;
  }
  yield* directory;
  const bytes = directory.reduce((sum, entry) => sum + entry.length, 0);
  const counts = [members.size, members.size];
  yield layout("IHHHHIIH", [0x06054b50, 0, 0, ...counts, bytes, offset, DIGEST_BYTES], "");
}

/** Write little-endian numbers of 2 (H) and 4 (I) bytes, then a name. */
function layout(format, values, name) {
  const size = [...format].reduce((sum, kind) => sum + (kind === "I" ? 4 : 2), 0);
  const bytes = new Uint8Array(size + name.length);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const [i, kind] of [...format].entries()) {
    if (kind === "I") view.setUint32(offset, values[i], true);
    else view.setUint16(offset, values[i], true);
    offset += kind === "I" ? 4 : 2;
  }
  for (let i = 0; i < name.length; i++) bytes[size + i] = name.charCodeAt(i);
  return bytes;
}

function checkName(name) {
  const plain = /^[ -~]+$/.test(name) && !/[\\:]/.test(name) && name.length <= MAX_NAME_BYTES;
  if (!plain || name.split("/").some((part) => ["", ".", ".."].includes(part)))
    throw new BundleError(`a member's name is ${quoted(name)}`, "use a plain relative path in ASCII");
}

function inOrder(first, second) {
  return second !== MANIFEST && (first === MANIFEST || first < second);
}

function equal(piece, body, offset) {
  return piece.every((byte, i) => byte === body[offset + i]);
}

/** Turn bytes into text, one character each. */
function ascii(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
}
