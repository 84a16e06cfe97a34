// Arrays of a bundle: .npy files of version 1.0, as NumPy writes them.
import { BundleError } from "./errors.mjs";

export const ARRAYS = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int32: Int32Array,
};
const DTYPES = { "<f4": "float32", "|u1": "uint8", "|i1": "int8", "<i4": "int32" };
const HEADER =
  /^\{'descr': '([^']*)', 'fortran_order': False, 'shape': \(((?:\d+,)?|\d+(?:, \d+)+)\), \} *\n$/;

/**
 * Read an array of a known dtype and shape, or refuse it.
 *
 * @param {Uint8Array} data the file
 * @param {string} file its name, for messages
 * @param {string} dtype
 * @param {number[]} shape
 */
export function readArray(data, file, dtype, shape) {
  const start = 10 + (data[8] | (data[9] << 8));
  const magic = String.fromCharCode(...data.subarray(0, 8));
  const found = HEADER.exec(String.fromCharCode(...data.subarray(10, start)));
  if (magic !== "\x93NUMPY\x01\x00" || !found)
    throw new BundleError(`${file} in the bundle is not an array`, "export again");
  const is = `${DTYPES[found[1]]} (${found[2]})`;
  const wanted = `${dtype} (${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  if (is !== wanted) throw new BundleError(`${file} is ${is} instead of ${wanted}`, "export again");
  const bytes = data.slice(start); // aligned
  const Kind = ARRAYS[dtype];
  const values = shape.reduce((product, size) => product * size, 1);
  if (bytes.length !== values * Kind.BYTES_PER_ELEMENT)
    throw new BundleError(`${file} in the bundle is not an array: its size differs`, "export again");
  return new Kind(bytes.buffer, bytes.byteOffset, values);
}
