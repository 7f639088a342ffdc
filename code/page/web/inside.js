// What only a network with capsules has: one of them decoded, its dimensions, the routing to it.

import { Couplings } from "./couplings.js";
import { byId, disable, written } from "./elements.js";
import { PAIR, drawImage, drawPair } from "./pictures.js";
import { Sliders } from "./sliders.js";

export class Inside {
  constructor(client, about) {
    this.client = client;
    this.about = about;
    this.chosen = null;   // the class whose capsule is shown; null: the longest
    this.capsule = null;  // that capsule as the network has it, [E]
    this.tweaked = null;  // and as the sliders have it
    this.describe();

    this.sliders = new Sliders(byId("sliders"), about, (e, value) => this.tweak(e, value));
    const parts = ["steps", "map", "types", "type", "kind", "words", "scale"];
    const couplings = Object.fromEntries(parts.map((part) => [part, byId(`coupling-${part}`)]));
    this.couplings = new Couplings(couplings, about);
    byId("reset").addEventListener("click", () => {
      this.tweaked = this.capsule.slice();
      this.showCapsule();
    });
  }

  /** Fills in the words that depend on the network. */
  describe() {
    const { about } = this, { effects } = about;
    byId("effects").textContent = effects
      ? `Below each: what +${effects.per} does most, measured by cap_tweak on test images.`
      : "What each does was not measured: python code/eval.py --mode cap_tweak does that.";
    const [h, w] = about.positions, sees = about.kernel + (about.kernel - 1) * about.strides[0];
    byId("places").textContent = `${h} × ${w} places with ${about.types} types of primary capsules ` +
      `at each. A place sees ${sees} × ${sees} pixels.`;
    byId("pair").hidden = about.labels < 2;
  }

  hide() {
    byId("inside").hidden = true;
  }

  /** output: the worker's; image: what it is of; longest: the classes of the K longest capsules */
  show(output, image, longest) {
    byId("inside").hidden = false;
    this.output = output;
    this.longest = longest;
    this.capsule = this.capsuleOf(this.j);
    this.tweaked = this.capsule.slice();
    drawImage(byId("seen"), image, this.about.image);
    this.couplings.update(output.history, this.j);
    this.showCapsule();
  }

  /** The class whose capsule is shown. */
  get j() {
    return this.chosen ?? this.longest[0];
  }

  /** -> the capsule of class j as the network has it, [E] */
  capsuleOf(j) {
    const { history } = this.output, { classDim } = this.about;
    return history[history.length - 1].v.slice(j * classDim, (j + 1) * classDim);
  }

  tweak(e, value) {
    this.tweaked[e] = value;
    this.showCapsule();
  }

  async showCapsule() {
    const { j, tweaked, longest, about } = this;
    const changed = tweaked.some((value, e) => value !== this.capsule[e]);
    for (const element of document.querySelectorAll(".class-name")) {
      element.textContent = about.classNames[j];
    }
    this.sliders.update(j, this.capsule, tweaked);
    disable(byId("reset"), !changed, byId("dimension-0"));
    const moved = `, length ${written(Math.hypot(...tweaked))} by the sliders`;
    byId("changed").textContent = changed ? moved : "";

    // the shown capsule, and for two labels the two longest
    const pair = about.labels < 2 ? [] : longest.slice(0, 2);
    const shown = (i) => ({ j: i, capsule: i === j ? tweaked : this.capsuleOf(i) });
    const capsules = [j, ...pair].map(shown);
    const answer = await this.client.ask("decode", { capsules });
    if (!answer) return;
    const [image, ...two] = answer.images;
    drawImage(byId("decoded"), image, about.image);
    if (two.length) {
      drawPair(byId("apart"), two, about.image);
      pair.forEach((i, n) => {
        byId(`pair-${n}`).textContent = about.classNames[i];
        byId(`pair-${n}`).style.setProperty("--colour", `rgb(${PAIR[n]})`);
      });
    }
  }
}
