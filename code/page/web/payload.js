// What the page carries: a header of JSON, then arrays of float16 and of bytes. All is in base64.

/** CRC-32, as of zip and PNG files. */
export function crc32(bytes) {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let value = n;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    table[n] = value;
  }
  let crc = -1;
  for (let n = 0; n < bytes.length; n++) crc = table[(crc ^ bytes[n]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The bits of float16 numbers, a Uint16Array -> Float32Array. */
export function fromFloat16(bits) {
  const numbers = new Float32Array(bits.length);
  for (let n = 0; n < bits.length; n++) numbers[n] = FLOAT16[bits[n]];
  return numbers;
}

const FLOAT16 = Float32Array.from({ length: 65536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
});

/**
 * @param {string} base64
 * @param {number} size how many bytes it has to hold
 * @param {number} crc their CRC-32
 * @returns {{about: object, arrays: Object<string, Float32Array | Uint8Array>}}
 * @throws {Error} if it holds anything else
 */
export function unpack(base64, size, crc) {
  const bytes = fromBase64(base64);
  if (bytes.length !== size) {
    throw new Error(`expected ${size} bytes, received ${bytes.length}`);
  }
  if (crc32(bytes) !== crc) throw new Error("its bytes are not those that were written");

  const start = 4 + new DataView(bytes.buffer).getUint32(0, true);
  const header = new TextDecoder().decode(bytes.subarray(4, start));
  const { arrays: places, ...about } = JSON.parse(header);
  const arrays = {};
  for (const [name, { type, from, to }] of Object.entries(places)) {
    const part = bytes.buffer.slice(start + from, start + to);
    arrays[name] = type === "float16" ? fromFloat16(new Uint16Array(part)) : new Uint8Array(part);
  }
  return { about, arrays };
}

function fromBase64(base64) {
  let binary;
  try {
    binary = atob(base64);
  } catch {
    throw new Error("its text is cut off or changed");
  }
  const bytes = new Uint8Array(binary.length);
  for (let n = 0; n < binary.length; n++) bytes[n] = binary.charCodeAt(n);
  return bytes;
}
