// What every network's page has: a drawing, and how sure the network is of each class.

import { Bars } from "./bars.js";
import { byId, disable, make, written } from "./elements.js";
import { Inside } from "./inside.js";
import { Pad } from "./pad.js";
import { drawImage } from "./pictures.js";

// What a score is called, and what is said of probabilities.
const SCORES = { capsules: "length", chain: "probability" };
const PROBABILITIES = {
  softmax: "How sure it is of each class. Together they are 1.",
  sigmoid: "How sure it is of each class, whatever else there is.",
};

export class Page {
  constructor(client, about, samples) {
    this.client = client;
    this.about = about;
    this.output = null;   // what the network says of the image
    this.image = null;
    this.describe();

    this.pad = new Pad(byId("pad"), about, (ended) => this.predict(ended));
    this.inside = about.kind === "capsules" ? new Inside(client, about) : null;
    const choose = this.inside && ((j) => this.choose(j));
    this.bars = new Bars(byId("bars"), about.classNames, choose);
    this.addSamples(samples);

    byId("undo").addEventListener("click", () => this.pad.undo());
    byId("clear").addEventListener("click", () => this.pad.show(null, []));
    byId("as-seen").addEventListener("change", (event) => {
      this.pad.asSeen = event.target.checked;
      this.pad.draw();
    });
    addEventListener("resize", () => this.pad.draw());
    this.pad.shown = { sample: this.samples[0], strokes: [] };
    this.pad.update(true);
  }

  /** Fills in the words of the page that depend on the network. */
  describe() {
    const { about } = this, [H, W] = about.image;
    document.title = `${byId("heading").textContent}: ${about.name}`;
    const parameters = about.parameters.toLocaleString("en");
    byId("name").textContent = `${about.name}, trained on ${about.trainedOn}: ${H} × ${W} pixels, ` +
      `${about.classes} classes, ${parameters} parameters`;
    byId("frame").textContent = about.frame.side === null
      ? "The network sees it centred by its mass."
      : `The network sees it ${about.frame.side} pixels large, centred by its mass.`;
    byId("source").textContent = about.source;
    if (about.kind === "chain") {
      byId("probabilities").textContent = PROBABILITIES[about.probabilities];
    }
  }

  addSamples(samples) {
    const size = this.about.image.reduce((a, b) => a * b);
    this.samples = this.about.samples.map((title, n) => {
      const sample = samples.subarray(n * size, (n + 1) * size);
      const canvas = make("canvas", { "aria-hidden": "true" });
      drawImage(canvas, sample, this.about.image, 255);
      const button = make("button", { type: "button", title, "aria-label": title }, canvas);
      button.addEventListener("click", () => this.pad.show(sample, []));
      byId("samples").append(button);
      return sample;
    });
  }

  // ---- drawing -> prediction ----

  /** ended: whether a stroke is, so that the answer is worth saying aloud */
  async predict(ended) {
    const { isEmpty } = this.pad;
    disable(byId("undo"), !this.pad.past.length, byId("pad"));
    disable(byId("clear"), isEmpty, byId("pad"));
    const image = this.pad.image();
    const output = await this.client.ask("predict", { image });
    if (!output) return;
    this.output = isEmpty ? null : output;
    this.image = image;
    byId("time").textContent = `${Math.round(output.milliseconds)} ms`;
    this.showPrediction(ended);
  }

  /** -> all classes, that of the largest score first */
  get order() {
    const { scores } = this.output;
    return [...scores.keys()].sort((a, b) => scores[b] - scores[a]);
  }

  /** -> the classes of the K largest scores */
  get likeliest() {
    return this.order.slice(0, this.about.labels);
  }

  choose(j) {
    this.inside.chosen = j;
    if (this.output) this.showPrediction(true);
  }

  showPrediction(ended) {
    if (!this.output) {
      this.bars.update(null, []);
      this.inside?.hide();
      byId("answer").textContent = "–";
      byId("next").textContent = "draw something";
      byId("spoken").textContent = "Nothing is drawn.";
      return;
    }
    const { about, likeliest, output: { scores } } = this, score = SCORES[about.kind];
    const words = (classes) => classes.map((j) => about.classNames[j]).join(" and ");
    const large = (classes) => classes.map((j) => written(scores[j])).join(" and ");
    const next = this.order.slice(about.labels, about.labels + 1);
    byId("answer").textContent = words(likeliest);
    const second = next.length ? `; next ${words(next)} with ${large(next)}` : "";
    byId("next").textContent = `${score} ${large(likeliest)}${second}`;
    if (ended) {
      byId("spoken").textContent =
        `The network sees ${words(likeliest)}, ${score} ${large(likeliest)}${second}.`;
    }
    this.inside?.show(this.output, this.image, likeliest);
    const shown = this.inside ? [this.inside.j] : [];
    this.bars.update(scores, [...new Set([...shown, ...likeliest])]);
  }
}
