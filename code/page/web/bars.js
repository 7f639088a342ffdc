// The lengths of the class capsules as bars. One of them, or the longest, is chosen.

import { make, written } from "./elements.js";

export class Bars {
  /** @param {(j: number | null) => void} choose is called with a class, or null for the longest */
  constructor(list, names, choose) {
    const row = (value, label, ...rest) => {
      const input = make("input", { type: "radio", name: "capsule", value, checked: value === "" });
      input.addEventListener("change", () => choose(value === "" ? null : Number(value)));
      const name = make("span", { className: "name" }, label);
      const whole = make("label", { className: "bar" }, input, name, ...rest);
      list.append(make("li", {}, whole));
      return whole;
    };
    row("", "The longest", make("span", { className: "hint" }, "follows the drawing"));
    this.rows = names.map((name, j) => {
      const fill = make("span", { className: "fill" });
      const track = make("span", { className: "track", "aria-hidden": "true" }, fill);
      const number = make("span", { className: "number" });
      return { whole: row(String(j), name, track, number), fill, number };
    });
  }

  /** lengths [J], null before there are any; `shown`: the classes whose capsules are shown */
  update(lengths, shown) {
    this.rows.forEach(({ whole, fill, number }, j) => {
      fill.style.width = `${100 * (lengths ? Math.min(1, lengths[j]) : 0)}%`;
      number.textContent = lengths ? written(lengths[j]) : "–";
      whole.classList.toggle("shown", shown.includes(j));
    });
  }
}
