// The page: it starts the worker, and shows what the network says of the drawing.

import { Bars } from "./bars.js";
import { Client } from "./client.js";
import { Couplings } from "./couplings.js";
import { byId, make, written } from "./elements.js";
import { Pad } from "./pad.js";
import { PAIR, drawImage, drawPair } from "./pictures.js";
import { Sliders } from "./sliders.js";

const REMEDY = "Write it again with python code/explore.py, or copy it again.";

/** Shows one line above the page. */
function fail(reason) {
  byId("message").hidden = false;
  byId("message").textContent = reason;
}

class Page {
  constructor(client, about, samples) {
    this.client = client;
    this.about = about;
    this.output = null;   // what the network says of the image
    this.image = null;
    this.chosen = null;   // the class whose capsule is shown; null: the longest
    this.tweaked = null;  // that capsule as the sliders have it
    this.describe();

    this.pad = new Pad(byId("pad"), about, (ended) => this.predict(ended));
    this.bars = new Bars(byId("bars"), about.classNames, (j) => this.choose(j));
    this.sliders = new Sliders(byId("sliders"), about, (e, value) => this.tweak(e, value));
    const parts = ["steps", "map", "types", "type", "kind", "words", "scale"];
    const couplings = Object.fromEntries(parts.map((part) => [part, byId(`coupling-${part}`)]));
    this.couplings = new Couplings(couplings, about);
    this.addSamples(samples);

    byId("undo").addEventListener("click", () => this.pad.undo());
    byId("clear").addEventListener("click", () => this.pad.show(null, []));
    byId("as-seen").addEventListener("change", (event) => {
      this.pad.asSeen = event.target.checked;
      this.pad.draw();
    });
    byId("reset").addEventListener("click", () => {
      this.tweaked = this.capsule.slice();
      this.showCapsule();
    });
    addEventListener("resize", () => this.pad.draw());
    this.pad.shown = { sample: this.samples[0], strokes: [] };
    this.pad.update(true);
  }

  /** Fills in the words of the page that depend on the network. */
  describe() {
    const { about } = this, [H, W] = about.image;
    document.title = `CapsNet: ${about.name}`;
    const parameters = about.parameters.toLocaleString("en");
    byId("name").textContent = `${about.name}, trained on ${about.trainedOn}: ${H} × ${W} pixels, ` +
      `${about.classes} classes, ${parameters} parameters`;
    byId("frame").textContent = about.frame.side === null
      ? "The network sees it centred by its mass."
      : `The network sees it ${about.frame.side} pixels large, centred by its mass.`;
    byId("ranges").textContent = about.rangesFrom;
    const { effects } = about;
    byId("effects").textContent = effects
      ? `Below each: what +${effects.per} does most, measured by cap_tweak on test images.`
      : "What each does was not measured: python code/eval.py --mode cap_tweak does that.";
    const [h, w] = about.positions, sees = about.kernel + (about.kernel - 1) * about.strides[0];
    byId("places").textContent = `${h} × ${w} places with ${about.types} types of primary capsules ` +
      `at each. A place sees ${sees} × ${sees} pixels.`;
    byId("pair").hidden = about.labels < 2;
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
    byId("undo").disabled = !this.pad.past.length;
    byId("clear").disabled = this.pad.isEmpty;
    const image = this.pad.image();
    const output = await this.client.ask("predict", { image });
    if (!output) return;
    this.output = this.pad.isEmpty ? null : output;
    this.image = image;
    byId("time").textContent = `${Math.round(output.milliseconds)} ms`;
    this.showPrediction(ended);
  }

  /** -> all classes, the longest capsule first */
  get order() {
    const { lengths } = this.output;
    return [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a]);
  }

  /** -> the classes of the K longest capsules */
  get longest() {
    return this.order.slice(0, this.about.labels);
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

  choose(j) {
    this.chosen = j;
    if (this.output) this.showPrediction(true);
  }

  showPrediction(ended) {
    byId("inside").hidden = !this.output;
    if (!this.output) {
      this.bars.update(null, []);
      byId("answer").textContent = "–";
      byId("next").textContent = "draw something";
      byId("spoken").textContent = "Nothing is drawn.";
      return;
    }
    const { lengths, history } = this.output, { classNames } = this.about;
    const words = (classes) => classes.map((j) => classNames[j]).join(" and ");
    const long = (classes) => classes.map((j) => written(lengths[j])).join(" and ");
    const next = this.order.slice(this.about.labels, this.about.labels + 1);
    byId("answer").textContent = words(this.longest);
    const second = next.length ? `; next ${words(next)} with ${long(next)}` : "";
    byId("next").textContent = `length ${long(this.longest)}${second}`;
    if (ended) {
      byId("spoken").textContent =
        `The network sees ${words(this.longest)}, length ${long(this.longest)}${second}.`;
    }
    this.bars.update(lengths, [...new Set([this.j, ...this.longest])]);
    this.capsule = this.capsuleOf(this.j);
    this.tweaked = this.capsule.slice();
    drawImage(byId("seen"), this.image, this.about.image);
    this.couplings.update(history, this.j);
    this.showCapsule();
  }

  // ---- capsule -> picture ----

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
    byId("reset").disabled = !changed;
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

async function start() {
  const payload = byId("payload");
  if (!payload) throw new Error("it ends too early");
  const client = new Client(byId("worker").textContent);
  const { bytes, crc32 } = payload.dataset;
  const question = { base64: payload.textContent, size: Number(bytes), crc: Number(crc32) };
  payload.remove();
  const { about, samples } = await client.ask("load", question);
  byId("message").hidden = true;
  byId("main").hidden = false;
  window.explorer = new Page(client, about, samples); // for the console
}

for (const kind of ["error", "unhandledrejection"]) {
  addEventListener(kind, ({ message, reason }) =>
    fail(`This page has stopped: ${message ?? reason?.message}`));
}
document.addEventListener("DOMContentLoaded", () => {
  start().catch((error) => fail(`This file is damaged: ${error.message}. ${REMEDY}`));
});
