// The network: an image becomes capsules, and a capsule an image.
//
// In place of routing.js, page/assemble.py puts the file of routings/ for the network.

import { agree, capsulesOf, length, squash, votes } from "./capsules.js";
import { layer, relu, sigmoid } from "./layers.js";
import { couplings } from "./routing.js";
import { convolve, dense } from "./sums.js";

export class CapsNet {
  /**
   * @param about image [H, W, C], classes J, kernel, strides, primaryDim D, classDim E, settings
   * @param {Object<string, Float32Array>} arrays the weights by name
   */
  constructor(about, arrays) {
    this.about = about;
    this.conv1 = layer(arrays, "conv1");
    this.primary = layer(arrays, "primary");
    this.hidden = [layer(arrays, "hidden1"), layer(arrays, "hidden2")];
    this.pixels = layer(arrays, "pixels");
    this.digits = layer(arrays, "digits");
    Object.assign(this.digits, { settings: about.settings, J: about.classes, E: about.classDim });
  }

  /**
   * @param {Float32Array} image [H, W, C] in [0, 1]
   * @returns {{scores: Float32Array, history: object[]}} scores [J], the lengths; c [I, J],
   *   v [J, E] and agreement [I, J] of each iteration. The last v are the capsules.
   */
  predict(image) {
    const { image: [H, W, C], classes, kernel, strides, primaryDim, classDim } = this.about;
    const convolved = convolve(image, [H, W, C], this.conv1, kernel, strides[0]);
    const features = relu(convolved);                                    // [h, w, channels]
    const h = Math.floor((H - kernel) / strides[0]) + 1;
    const w = Math.floor((W - kernel) / strides[0]) + 1;
    const channels = this.conv1.bias.length;
    const s = convolve(features, [h, w, channels], this.primary, kernel, strides[1]);
    const history = this.route(squash(s, primaryDim));
    const { v } = history[history.length - 1];
    const scores = new Float32Array(classes);
    for (let j = 0; j < classes; j++) scores[j] = length(v, j * classDim, classDim);
    return { scores, history };
  }

  /** The routing: u [I, D] -> the history of `predict` */
  route(u) {
    const { digits } = this, uHat = votes(u, digits.W, this.about.primaryDim);  // [I, J, E]
    return couplings(uHat, digits).map((c) => {
      const v = capsulesOf(c, uHat, digits);
      return { c, v, agreement: agree(uHat, v, digits.E) };
    });
  }

  /**
   * The decoder, with every other capsule set to zero.
   *
   * @param {ArrayLike<number>} capsule [E]
   * @param {number} j its class
   * @returns {Float32Array} an image [H, W, C] in [0, 1]
   */
  decode(capsule, j) {
    let x = new Float32Array(this.about.classes * this.about.classDim);
    x.set(capsule, j * this.about.classDim);
    for (const hidden of this.hidden) x = relu(dense(x, hidden));
    return sigmoid(dense(x, this.pixels));
  }
}
