// Layers that any network may have.

import { convolve } from "./sums.js";

/** -> a layer of the arrays called NAME.weights, NAME.bias and so on */
export function layer(arrays, name) {
  const mine = Object.entries(arrays).filter(([key]) => key.startsWith(`${name}.`));
  return Object.fromEntries(mine.map(([key, array]) => [key.slice(name.length + 1), array]));
}

/** Changes x to max(x, 0) and returns it. */
export function relu(x) {
  for (let n = 0; n < x.length; n++) if (x[n] < 0) x[n] = 0;
  return x;
}

/** -> 1 / (1 + exp(-x)) of each number */
export function sigmoid(x) {
  return x.map((value) => 1 / (1 + Math.exp(-value)));
}

/**
 * A convolution of stride 1 with zeros around the image, so that the result is as large. An even
 * kernel has one zero more below and to the right.
 *
 * @param {Float32Array} image [H, W, C]
 * @param layer weights [k * k * C, O], bias [O]
 * @returns {Float32Array} [H, W, O]
 */
export function convolveSame(image, [H, W, C], layer, k) {
  const before = Math.floor((k - 1) / 2), height = H + k - 1, width = W + k - 1;
  const padded = new Float32Array(height * width * C);
  for (let i = 0; i < H; i++) {
    const row = image.subarray(i * W * C, (i + 1) * W * C);
    padded.set(row, ((i + before) * width + before) * C);
  }
  return convolve(padded, [height, width, C], layer, k, 1);
}

/**
 * The largest of every 2 x 2 positions. A last row or column that is alone is left out.
 *
 * @param {Float32Array} image [H, W, C]
 * @returns {Float32Array} [floor(H / 2), floor(W / 2), C]
 */
export function maxPool(image, [H, W, C]) {
  const h = Math.floor(H / 2), w = Math.floor(W / 2), out = new Float32Array(h * w * C);
  for (let i = 0; i < h; i++) {
    for (let j = 0; j < w; j++) {
      const above = (2 * i * W + 2 * j) * C, below = above + W * C, to = (i * w + j) * C;
      for (let c = 0; c < C; c++) {
        out[to + c] = Math.max(image[above + c], image[above + C + c],
          image[below + c], image[below + C + c]);
      }
    }
  }
  return out;
}
