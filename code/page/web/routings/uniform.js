// No routing: every vote counts the same. model/routings/uniform.py

export function couplings(uHat, { J, E }) {
  return [new Float32Array(uHat.length / E).fill(1 / J)];
}
