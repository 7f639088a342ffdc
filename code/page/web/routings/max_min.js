// Procedure 1 with max-min normalisation in place of the softmax: model/routings/max_min.py.

import { EPSILON, iterate } from "../capsules.js";

export function couplings(uHat, layer) {
  return iterate(uHat, layer, layer.settings.MAX_MIN_ITERS, (b) => normalise(b, layer.J));
}

/** The logits of each primary capsule scaled to 0 to 1, or 1 where all are equal. */
function normalise(b, J) {
  const c = new Float32Array(b.length);
  for (let start = 0; start < b.length; start += J) {
    const mine = b.subarray(start, start + J);
    const low = Math.min(...mine), high = Math.max(...mine);
    const scaled = (x) => (high > low ? (x - low) / (high - low + EPSILON) : 1);
    c.set(mine.map(scaled), start);
  }
  return c;
}
