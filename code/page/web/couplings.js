// The routing, one iteration at a time: which primary capsules speak for a class, and how strongly.

import { length } from "./capsules.js";
import { make, written } from "./elements.js";
import { drawMap } from "./pictures.js";

const NOISE = 1e-6; // differences up to this one are rounding

// What can be shown. `of` is for one primary capsule; black is at `even`, a function of J.
const KINDS = {
  coupling: {
    title: "coupling coefficients",
    words: "Coupling coefficients: black is an even share, red is more, blue is less",
    of: (iteration, at) => iteration.c[at],
    even: (J) => 1 / J,
    together: "mean",
  },
  votes: {
    title: "votes along the capsule",
    words: "Coupling × vote along the class capsule: red speaks for the class, blue against it",
    of: (iteration, at, size) => iteration.c[at] * iteration.agreement[at] / size,
    even: () => 0,
    together: "sum",
  },
};

export class Couplings {
  /**
   * @param {Object<string, HTMLElement>} parts steps, map, scale, types, words, and the selects
   *   type and kind
   * @param about positions [h, w], types T, classes J, classDim E
   */
  constructor(parts, about) {
    this.parts = parts;
    this.about = about;
    this.kind = "coupling";
    this.type = null; // all types together
    this.maps = Array.from({ length: about.types }, (_, t) => this.mapOfType(t));
    for (const [value, { title }] of Object.entries(KINDS)) {
      parts.kind.append(make("option", { value }, title));
    }
    parts.kind.addEventListener("change", () => {
      this.kind = parts.kind.value;
      this.draw();
    });
    parts.type.append(make("option", { value: "" }, `all ${about.types} types`));
    for (let t = 0; t < about.types; t++) {
      parts.type.append(make("option", { value: t }, `type ${t}`));
    }
    parts.type.addEventListener("change", () => {
      this.choose(parts.type.value === "" ? null : Number(parts.type.value));
    });
  }

  step(n) {
    const checked = n === this.iteration;
    const input = make("input", { type: "radio", name: "iteration", checked });
    const canvas = make("canvas", { "aria-hidden": "true" }), words = make("span");
    input.addEventListener("change", () => {
      this.iteration = n;
      this.draw();
    });
    const title = make("b", {}, `Iteration ${n + 1}`);
    this.parts.steps.append(make("label", {}, input, canvas, title, words));
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

  /** history: c [I, J], v [J, E] and agreement [I, J] of each iteration; j: the class */
  update(history, j) {
    this.history = history;
    this.j = j;
    this.iteration ??= history.length - 1;
    this.steps ??= history.map((_, n) => this.step(n));
    this.draw();
  }

  /** The length of the class capsule in an iteration. */
  lengthIn(iteration) {
    const { classDim } = this.about;
    return length(iteration.v, this.j * classDim, classDim);
  }

  /** -> [h * w] of an iteration: a value at each place, of one type or of all together */
  values(iteration, type) {
    const { positions: [h, w], types, classes } = this.about;
    const { of, together } = KINDS[this.kind], size = this.lengthIn(iteration);
    const chosen = type === null ? Array.from({ length: types }, (_, t) => t) : [type];
    const divisor = together === "mean" ? chosen.length : 1;
    return Float64Array.from({ length: h * w }, (_, place) => {
      const each = chosen.map((t) => of(iteration, (place * types + t) * classes + this.j, size));
      return each.reduce((a, b) => a + b) / divisor;
    });
  }

  draw() {
    if (!this.history) return;
    const { parts, type, about, history } = this, [h, w] = about.positions;
    const kind = KINDS[this.kind], even = kind.even(about.classes);
    const drawScaled = (canvas, values, most) =>
      drawMap(canvas, values.map((value) => value - even), h, w, most);
    const farthest = (maps) => {
      const most = Math.max(...maps.map((map) =>
        map.reduce((most, value) => Math.max(most, Math.abs(value - even)), 0)));
      return most > NOISE ? most : 0;
    };

    // One scale over all iterations: of all types together, and of each type, also where one type
    // is chosen.
    const maps = history.map((iteration) => this.values(iteration, type));
    const ofTypes = history.map((iteration) => this.maps.map((_, t) => this.values(iteration, t)));
    const mostOfTypes = farthest(ofTypes.flat());
    const most = type === null ? farthest(maps) : mostOfTypes;

    // every iteration small, the chosen one large
    this.steps.forEach(({ canvas, words }, n) => {
      drawScaled(canvas, maps[n], most);
      words.textContent = `length ${written(this.lengthIn(history[n]))}`;
    });
    const chosen = maps[this.iteration];
    drawScaled(parts.map, chosen, most);
    const ends = [even - most, even, even + most];
    parts.scale.querySelectorAll("span").forEach((span, n) => {
      span.textContent = written(ends[n], 3);
    });

    // each type
    this.maps.forEach((canvas, t) => {
      drawScaled(canvas, ofTypes[this.iteration][t], mostOfTypes);
      canvas.classList.toggle("chosen", t === type);
    });

    // in words
    const subject = type === null ? `the ${kind.together} of ${about.types} types` : `type ${type}`;
    const largest = Math.max(...chosen), place = chosen.indexOf(largest);
    const value = written(largest, 3);
    const found = largest - Math.min(...chosen) > NOISE
      ? `the largest value is ${value}, in row ${Math.floor(place / w) + 1}, column ${place % w + 1}`
      : `every value is ${value}`;
    const words = `${kind.words}. Iteration ${this.iteration + 1}, ${subject}: ${found}.`;
    parts.words.textContent = words;
    parts.map.setAttribute("aria-label", words);
  }
}
