// The equations of the paper, for one image.
//
// I primary capsules of D dimensions, J class capsules of E dimensions.

import { dense } from "./sums.js";

export const EPSILON = 1e-9; // inside every root, as in training

/** The Euclidean length of the capsule in capsules[start .. start + size - 1]. */
export function length(capsules, start, size) {
  let sum = EPSILON;
  for (let d = start; d < start + size; d++) sum += capsules[d] * capsules[d];
  return Math.sqrt(sum);
}

/** Equation 1, of each capsule of `size` dimensions. It changes `s` and returns it. */
export function squash(s, size) {
  for (let start = 0; start < s.length; start += size) {
    let squared = 0;
    for (let d = start; d < start + size; d++) squared += s[d] * s[d];
    const factor = squared / Math.sqrt(squared + EPSILON) / (1 + squared);
    for (let d = start; d < start + size; d++) s[d] *= factor;
  }
  return s;
}

/** Equation 2, right: u [I, D], W [I, D, J, E] -> u_hat [I, J, E]. */
export function votes(u, W, D) {
  const I = u.length / D, width = W.length / u.length; // J * E
  const uHat = new Float32Array(I * width), bias = new Float32Array(width);
  for (let i = 0; i < I; i++) {
    const weights = W.subarray(i * D * width, (i + 1) * D * width);
    uHat.set(dense(u.subarray(i * D, (i + 1) * D), { weights, bias }), i * width);
  }
  return uHat;
}

/** Equation 3: a softmax over the classes, or over one more of the logit 0: b [I, J] -> c [I, J] */
export function couple(b, J, noneOfTheAbove = false) {
  const c = new Float32Array(b.length);
  for (let start = 0; start < b.length; start += J) {
    let most = noneOfTheAbove ? 0 : -Infinity;
    for (let j = start; j < start + J; j++) most = Math.max(most, b[j]);
    let sum = noneOfTheAbove ? Math.exp(-most) : 0;
    for (let j = start; j < start + J; j++) {
      c[j] = Math.exp(b[j] - most);
      sum += c[j];
    }
    for (let j = start; j < start + J; j++) c[j] /= sum;
  }
  return c;
}

/** The agreement uHat_j|i . v_j: uHat [I, J, E], v [J, E] -> [I, J]. */
export function agree(uHat, v, E) {
  const agreement = new Float32Array(uHat.length / E), J = v.length / E;
  for (let n = 0; n < agreement.length; n++) {
    const j = n % J;
    for (let e = 0; e < E; e++) agreement[n] += uHat[n * E + e] * v[j * E + e];
  }
  return agreement;
}

/** The class capsules by equations 2, left, and 1: c [I, J], uHat [I, J, E] -> v [J, E]. */
export function capsulesOf(c, uHat, { bias, J, E }) {
  const s = Float64Array.from(bias);                                     // [J, E]
  for (let n = 0; n < c.length; n++) {
    const to = n % J * E;
    for (let e = 0; e < E; e++) s[to + e] += c[n] * uHat[n * E + e];
  }
  return Float32Array.from(squash(s, E));
}

/**
 * Procedure 1 from the layer's prior, or from zeros. -> the couplings [I, J] of each iteration
 *
 * toCouplings: its line 4, of logits b [I, J] -> c [I, J]
 */
export function iterate(uHat, layer, iterations, toCouplings) {
  const b = Float64Array.from(layer.prior ?? new Float32Array(uHat.length / layer.E));
  const found = [toCouplings(b)];
  while (found.length < iterations) {
    const v = capsulesOf(found[found.length - 1], uHat, layer);          // lines 5 and 6
    agree(uHat, v, layer.E).forEach((a, n) => { b[n] += a; });           // line 7
    found.push(toCouplings(b));
  }
  return found;
}
