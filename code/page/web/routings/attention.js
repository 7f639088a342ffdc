// Self-attention routing: model/routings/attention.py.

import { agree, couple } from "../capsules.js";

export function couplings(uHat, { prior, J, E }) {
  const total = new Float64Array(J * E);                                 // of all votes
  for (let n = 0; n < uHat.length; n++) total[n % total.length] += uHat[n];
  const attention = agree(uHat, total, E).map((a) => a / Math.sqrt(E));  // [I, J]
  return [couple(attention, J).map((c, n) => c + prior[n])];
}
