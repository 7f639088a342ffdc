// How sure the network is of each class, as bars. One of them, or the longest, may be chosen.

import { make, written } from "./elements.js";

export class Bars {
  /**
   * @param {((j: number | null) => void) | null} choose is called with a class, or null for the
   *   longest. Without it nothing can be chosen.
   */
  constructor(list, names, choose) {
    const radio = (value) => {
      const input = make("input", { type: "radio", name: "capsule", value, checked: value === "" });
      input.addEventListener("change", () => choose(value === "" ? null : Number(value)));
      return input;
    };
    const row = (value, label, ...rest) => {
      const name = make("span", { className: "name" }, label);
      const whole = choose
        ? make("label", { className: "bar" }, radio(value), name, ...rest)
        : make("div", { className: "bar" }, name, ...rest);
      list.append(make("li", {}, whole));
      return whole;
    };
    if (choose) {
      const hint = make("span", { className: "hint" }, "follows the drawing");
      row("", make("span", {}, "The longest ", hint));
    }
    this.rows = names.map((name, j) => {
      const fill = make("span", { className: "fill" });
      const track = make("span", { className: "track", "aria-hidden": "true" }, fill);
      const number = make("span", { className: "number" });
      return { whole: row(String(j), name, track, number), fill, number };
    });
  }

  /** scores [J] in [0, 1], null before there are any; `shown`: the classes to mark */
  update(scores, shown) {
    this.rows.forEach(({ whole, fill, number }, j) => {
      fill.style.width = `${100 * (scores ? Math.min(1, scores[j]) : 0)}%`;
      number.textContent = scores ? written(scores[j]) : "–";
      whole.classList.toggle("shown", shown.includes(j));
    });
  }
}
