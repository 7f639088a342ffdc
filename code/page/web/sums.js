// Weighted sums of rows of a matrix: all products of the network are of this form.

/**
 * Adds values[n] * row[n] to `out`, for n below `count`.
 *
 * Eight rows are added in one pass, so that `out` is read and written an eighth as often.
 *
 * @param {Float64Array} out [width]
 * @param {Float32Array} matrix rows of `width` numbers
 * @param {Int32Array} starts where each row begins in `matrix`
 * @param {Float64Array} values the factor of each row
 */
function addRows(out, matrix, width, starts, values, count) {
  let n = 0;
  for (; n + 8 <= count; n += 8) {
    const a = values[n], b = values[n + 1], c = values[n + 2], d = values[n + 3];
    const e = values[n + 4], f = values[n + 5], g = values[n + 6], h = values[n + 7];
    const p = starts[n], q = starts[n + 1], r = starts[n + 2], s = starts[n + 3];
    const t = starts[n + 4], u = starts[n + 5], v = starts[n + 6], w = starts[n + 7];
    for (let o = 0; o < width; o++) {
      out[o] += a * matrix[p + o] + b * matrix[q + o] + c * matrix[r + o] + d * matrix[s + o] +
        (e * matrix[t + o] + f * matrix[u + o] + g * matrix[v + o] + h * matrix[w + o]);
    }
  }
  for (; n < count; n++) {
    const value = values[n], start = starts[n];
    for (let o = 0; o < width; o++) out[o] += value * matrix[start + o];
  }
}

/**
 * A convolution without padding. Numbers of the image that are zero cost nothing: after a ReLU
 * nine of ten are.
 *
 * @param {Float32Array} image [H, W, C]
 * @param {{weights: Float32Array, bias: Float32Array}} layer weights [k * k * C, O], bias [O]
 * @returns {Float32Array} [h, w, O] with h = floor((H - k) / stride) + 1
 */
export function convolve(image, [H, W, C], layer, k, stride) {
  const h = Math.floor((H - k) / stride) + 1, w = Math.floor((W - k) / stride) + 1;
  const { weights, bias } = layer, O = bias.length;
  const out = new Float32Array(h * w * O), sum = new Float64Array(O);
  const starts = new Int32Array(k * k * C), values = new Float64Array(k * k * C);
  for (let i = 0; i < h; i++) {
    for (let j = 0; j < w; j++) {
      // what of the patch under this position is not zero
      let count = 0;
      for (let a = 0; a < k; a++) {
        const from = ((i * stride + a) * W + j * stride) * C;
        for (let b = 0; b < k * C; b++) {
          const value = image[from + b];
          if (value !== 0) {
            values[count] = value;
            starts[count++] = (a * k * C + b) * O;
          }
        }
      }
      sum.set(bias);
      addRows(sum, weights, O, starts, values, count);
      out.set(sum, (i * w + j) * O);
    }
  }
  return out;
}

/**
 * A dense layer, which is a convolution of one pixel.
 *
 * @param {Float32Array} x [n]
 * @returns {Float32Array} [O]
 */
export function dense(x, layer) {
  return convolve(x, [1, 1, x.length], layer, 1, 1);
}
