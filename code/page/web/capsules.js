// The equations of the paper, for one image.
//
// I primary capsules of D dimensions, J class capsules of E dimensions.

import { dense } from "./sums.js";

const EPSILON = 1e-9; // inside every root, as in training

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

/** Equation 3: a softmax over the classes, b [I, J] -> c [I, J]; or over one more, of the logit 0. */
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

/** The logits of each primary capsule scaled to 0 to 1, or 1 where all are equal: routings/max_min.py. */
function normalise(b, J) {
  const c = new Float32Array(b.length);
  for (let start = 0; start < b.length; start += J) {
    const mine = b.subarray(start, start + J);
    const low = Math.min(...mine), high = Math.max(...mine);
    for (let j = 0; j < J; j++) c[start + j] = high > low ? (mine[j] - low) / (high - low + EPSILON) : 1;
  }
  return c;
}

/** The sum of the votes of all primary capsules: uHat [I, J, E] -> [J, E]. */
function sum(uHat, J, E) {
  const total = new Float64Array(J * E);
  for (let n = 0; n < uHat.length; n++) total[n % (J * E)] += uHat[n];
  return total;
}

/** The agreement uHat_j|i . v_j: uHat [I, J, E], v [J, E] -> [I, J]. */
function agree(uHat, v, E) {
  const agreement = new Float32Array(uHat.length / E), J = v.length / E;
  for (let n = 0; n < agreement.length; n++) {
    const j = n % J;
    for (let e = 0; e < E; e++) agreement[n] += uHat[n * E + e] * v[j * E + e];
  }
  return agreement;
}

/**
 * The routings of model/routings. Procedure 1 is "dynamic"; the others change its couplings.
 *
 * @param {{routing: string, iterations: number, noneOfTheAbove: boolean}} how
 * @param {Float32Array} uHat [I, J, E]
 * @param {Float32Array} prior the initial logits [I, J], or what attention adds to its couplings
 * @param {Float32Array} bias of the class capsules [J, E]
 * @returns {{c: Float32Array, v: Float32Array, agreement: Float32Array}[]} of each iteration: c
 *   [I, J], v [J, E], and the agreement uHat . v [I, J]
 */
export function route({ routing, iterations, noneOfTheAbove }, uHat, prior, bias, J, E) {
  const I = prior.length / J, isAttention = routing === "attention";
  const b = isAttention
    ? Float64Array.from(agree(uHat, sum(uHat, J, E), E), (a) => a / Math.sqrt(E))
    : Float64Array.from(prior);
  const history = [];
  while (history.length < iterations) {
    const c = routing === "max_min" ? normalise(b, J) : couple(b, J, noneOfTheAbove); // line 4
    if (isAttention) for (let n = 0; n < c.length; n++) c[n] += prior[n];
    const s = Float64Array.from(bias);                                   // line 5
    for (let i = 0; i < I; i++) {
      for (let j = 0; j < J; j++) {
        const weight = c[i * J + j], from = (i * J + j) * E;
        for (let e = 0; e < E; e++) s[j * E + e] += weight * uHat[from + e];
      }
    }
    const v = Float32Array.from(squash(s, E));                           // line 6
    const agreement = agree(uHat, v, E);
    history.push({ c, v, agreement });
    for (let n = 0; n < b.length; n++) b[n] += agreement[n];             // line 7
  }
  return history;
}
