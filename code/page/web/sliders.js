// One slider for each dimension of a capsule, within the range that it takes on the test images.

import { make, written } from "./elements.js";

const STEPS = 400; // from one end of a slider to the other

export class Sliders {
  /**
   * @param about classDim E; ranges [J][E] = [least, 5th percentile, 95th percentile, largest];
   *   effects {per, classes: [J][E] words}, or null
   * @param {(e: number, value: number) => void} moved
   */
  constructor(list, about, moved) {
    this.about = about;
    this.rows = Array.from({ length: about.classDim }, (_, e) => this.row(list, e, moved));
  }

  row(list, e, moved) {
    const id = `dimension-${e}`;
    const input = make("input", { type: "range", id });
    const label = make("label", { htmlFor: id }, String(e));
    const reset = make("button", { type: "button", className: "reset", title: "reset",
      "aria-label": `Reset dimension ${e}` }, "↺");
    const value = make("output", { htmlFor: id });
    const usual = make("span", { className: "usual" });
    const origin = make("span", { className: "origin" });
    const track = make("span", { className: "range" }, usual, origin, input);
    const effect = make("span", { className: "effect", id: `${id}-effect` });
    input.setAttribute("aria-describedby", effect.id);
    list.append(make("li", {}, label, track, value, reset, effect));
    const row = { input, reset, value, usual, origin, effect };
    input.addEventListener("input", () => moved(e, Number(input.value)));
    reset.addEventListener("click", () => {
      moved(e, this.capsule[e]);
      input.focus();
    });
    return row;
  }

  /** -> what the dimension does most, in words */
  effect(j, e) {
    return this.about.effects.classes[j][e].replaceAll(/-(?=\d)/g, "−");
  }

  /**
   * @param {number} j the class
   * @param {Float32Array} capsule [E] as the network has it
   * @param {Float32Array} tweaked [E] as the sliders have it
   */
  update(j, capsule, tweaked) {
    this.capsule = capsule;
    const { ranges, effects } = this.about;
    this.rows.forEach(({ input, reset, value, usual, origin, effect }, e) => {
      const [least, low, high, largest] = ranges[j][e];
      const min = Math.min(least, capsule[e]), max = Math.max(largest, capsule[e]);
      const share = (x) => max > min ? (x - min) / (max - min) : 0;
      input.min = min;
      input.max = max;
      input.step = (max - min) / STEPS || 1;
      input.value = tweaked[e];
      input.setAttribute("aria-valuetext", written(tweaked[e]));
      value.textContent = written(tweaked[e]);
      reset.disabled = tweaked[e] === capsule[e];
      usual.style.setProperty("--from", share(low));
      usual.style.setProperty("--to", share(high));
      origin.style.setProperty("--from", share(capsule[e]));
      effect.textContent = effects ? this.effect(j, e) : "";
    });
  }
}
