// A network without capsules: one layer after another, and a probability for each class.

import { couple } from "./capsules.js";
import { convolveSame, layer, maxPool, relu, sigmoid } from "./layers.js";
import { dense } from "./sums.js";

// step -> the function of x [H, W, C] that it is, and how large its result is
const KINDS = {
  convolution: (x, [H, W, C], { layer, kernel }) =>
    [convolveSame(x, [H, W, C], layer, kernel), [H, W, layer.bias.length]],
  max_pool: (x, [H, W, C]) => [maxPool(x, [H, W, C]), [Math.floor(H / 2), Math.floor(W / 2), C]],
  dense: (x, shape, { layer }) => [dense(x, layer), [1, 1, layer.bias.length]],
};

// The softmax of the scores is that of one capsule's routing logits.
const PROBABILITIES = { softmax: (scores) => couple(scores, scores.length), sigmoid };

export class Chain {
  /**
   * @param about image [H, W, C]; steps {kind, layer, kernel, relu}; probabilities
   * @param {Object<string, Float32Array>} arrays the weights by name
   */
  constructor(about, arrays) {
    this.image = about.image;
    this.steps = about.steps.map(({ layer: name, ...step }) =>
      name ? { ...step, layer: layer(arrays, name) } : step);
    this.probabilities = PROBABILITIES[about.probabilities];
  }

  /**
   * @param {Float32Array} image [H, W, C] in [0, 1]
   * @returns {{scores: Float32Array}} the probabilities [J]
   */
  predict(image) {
    let x = image, shape = this.image;
    for (const step of this.steps) {
      [x, shape] = KINDS[step.kind](x, shape, step);
      if (step.relu) relu(x);
    }
    return { scores: this.probabilities(x) };
  }
}
