// The routing, one iteration at a time: how strongly each primary capsule is coupled to a class.

import { make, written } from "./elements.js";
import { drawMap } from "./pictures.js";
import { length } from "./capsules.js";

export class Couplings {
  /**
   * @param {Object<string, HTMLElement>} parts steps, map, types, type (a select), words, scale
   * @param about positions [h, w], types T, classes J, classDim E, iterations r, classNames
   */
  constructor(parts, about) {
    this.parts = parts;
    this.about = about;
    this.iteration = about.iterations - 1;
    this.type = null; // all types together
    this.steps = Array.from({ length: about.iterations }, (_, n) => this.step(n));
    this.maps = Array.from({ length: about.types }, (_, t) => this.mapOfType(t));
    parts.type.append(make("option", { value: "" }, `all ${about.types} types, mean`));
    for (let t = 0; t < about.types; t++) {
      parts.type.append(make("option", { value: t }, `type ${t}`));
    }
    parts.type.addEventListener("change", () => {
      this.choose(parts.type.value === "" ? null : Number(parts.type.value));
    });
  }

  step(n) {
    const input = make("input", { type: "radio", name: "iteration", checked: n === this.iteration });
    const canvas = make("canvas", { "aria-hidden": "true" }), words = make("span");
    input.addEventListener("change", () => {
      this.iteration = n;
      this.draw();
    });
    this.parts.steps.append(make("label", {}, input, canvas, make("b", {}, `Iteration ${n + 1}`), words));
    return { canvas, words };
  }

  /** A small map. It can be clicked; the list of types does the same for the keyboard. */
  mapOfType(t) {
    const canvas = make("canvas", { title: `type ${t}` });
    canvas.addEventListener("click", () => this.choose(this.type === t ? null : t));
    this.parts.types.append(canvas);
    return canvas;
  }

  choose(type) {
    this.type = type;
    this.parts.type.value = type ?? "";
    this.draw();
  }

  /** history: c [I, J] and v [J, E] of each iteration; j: the class. Null before there are any. */
  update(history, j) {
    this.history = history;
    this.j = j;
    this.draw();
  }

  /** -> [h * w] the coupling of the capsules of one type, or the mean of all, to the class */
  of(c, type) {
    const { positions: [h, w], types, classes } = this.about;
    const chosen = type === null ? Array.from({ length: types }, (_, t) => t) : [type];
    return Float32Array.from({ length: h * w }, (_, place) => {
      const sum = chosen.reduce((all, t) => all + c[(place * types + t) * classes + this.j], 0);
      return sum / chosen.length;
    });
  }

  draw() {
    if (!this.history) return;
    const { parts, type, about, j } = this, [h, w] = about.positions;
    const maps = this.history.map(({ c }) => this.of(c, type));
    const most = Math.max(...maps.map((map) => Math.max(...map)));
    const name = about.classNames[j], map = maps[this.iteration];

    // every iteration small, the chosen one large
    this.steps.forEach(({ canvas, words }, n) => {
      const { v } = this.history[n];
      drawMap(canvas, maps[n], h, w, most);
      words.textContent = `length ${written(length(v, j * about.classDim, about.classDim))}`;
    });
    drawMap(parts.map, map, h, w, most);
    const mean = map.reduce((a, b) => a + b) / map.length, largest = Math.max(...map);
    const place = map.indexOf(largest);
    const words = `Coupling to ${name} in iteration ${this.iteration + 1}: mean ${written(mean, 3)}, ` +
      `largest ${written(largest, 3)} in row ${Math.floor(place / w) + 1}, column ${place % w + 1}.`;
    parts.words.textContent = words;
    parts.map.setAttribute("aria-label", words);
    parts.scale.textContent = written(most);

    // each type, all on the scale from 0 to 1
    this.maps.forEach((canvas, t) => {
      drawMap(canvas, this.of(this.history[this.iteration].c, t), h, w, 1);
      canvas.classList.toggle("chosen", t === type);
    });
  }
}
