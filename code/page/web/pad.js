// The field to draw on: by mouse, pen, touch or keyboard, with undo.

import { drawImage } from "./pictures.js";
import { PEN, framed, rasterise } from "./strokes.js";

const within = (value, most) => Math.min(most, Math.max(0, value));
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param about image [H, W, C], frame
   * @param {(ended: boolean) => void} changed is called at each change, with false within a stroke
   */
  constructor(canvas, about, changed) {
    this.canvas = canvas;
    this.about = about;
    this.changed = changed;
    this.shown = { sample: null, strokes: [] };
    this.past = [];
    this.asSeen = false;     // show the network's pixels, not the lines
    this.pointer = null;     // the pointer that draws
    this.cursor = null;      // [x, y] of the keyboard's pen
    this.penIsDown = false;
    this.pixels = document.createElement("canvas");
    this.listen();
  }

  // ---- what is drawn ----

  /** -> the image that the network sees, Float32Array [H, W, C] in [0, 1] */
  image() {
    const [H, W, C] = this.about.image, { sample, strokes } = this.shown;
    if (sample) return Float32Array.from(sample, (value) => value / 255);
    const ink = rasterise(framed(strokes, this.about.frame, H, W), H, W);
    return Float32Array.from({ length: H * W * C }, (_, n) => ink[Math.floor(n / C)]);
  }

  get isEmpty() {
    return !this.shown.sample && !this.shown.strokes.length;
  }

  get isDrawing() {
    return this.pointer !== null || this.penIsDown;
  }

  /** Shows something else. What is shown now can be had back. */
  show(sample, strokes) {
    this.past.push(this.shown);
    this.shown = { sample, strokes };
    this.lift();
    this.update(true);
  }

  undo() {
    if (!this.past.length) return;
    this.shown = this.past.pop();
    this.lift();
    this.update(true);
  }

  /** The next point belongs to no stroke. */
  lift() {
    this.pointer = null;
    this.penIsDown = false;
  }

  /** A stroke begins. A sample makes room for it. */
  begin(point) {
    this.past.push(this.shown);
    this.shown = { sample: null, strokes: [...this.shown.strokes, [point]] };
    this.update(false);
  }

  extend(points) {
    this.shown.strokes.at(-1).push(...points);
    this.update(false);
  }

  update(ended) {
    this.draw();
    this.changed(ended);
  }

  // ---- pointer and keyboard ----

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (this.pointer !== null || event.button > 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.pointer = event.pointerId;
      this.penIsDown = false;
      this.cursor = null;
      this.begin(this.point(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.pointer) return;
      const events = event.getCoalescedEvents?.() ?? [];
      this.extend((events.length ? events : [event]).map((each) => this.point(each)));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => {
        if (event.pointerId !== this.pointer) return;
        this.lift();
        this.update(true);
      });
    }
    canvas.addEventListener("keydown", (event) => this.press(event));
    canvas.addEventListener("blur", () => {
      const wasDrawing = this.isDrawing;
      this.cursor = null;
      this.lift();
      if (wasDrawing) this.update(true);
      else this.draw();
    });
  }

  /** The arrows move the pen, with Shift a little; the space bar puts it down and lifts it. */
  press(event) {
    const [H, W] = this.about.image;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key !== " " && !KEYS[event.key]) return;
    event.preventDefault();
    if (this.pointer !== null) return; // a mouse or a finger is drawing
    this.cursor ??= [W / 2, H / 2];
    if (event.key === " ") {
      if (event.repeat) return;
      this.penIsDown = !this.penIsDown;
      if (this.penIsDown) this.begin(this.cursor);
      else this.update(true);
      return;
    }
    const step = event.shiftKey ? 0.25 : 1, [dx, dy] = KEYS[event.key];
    const [x, y] = this.cursor;
    this.cursor = [within(x + step * dx, W), within(y + step * dy, H)];
    if (this.penIsDown) this.extend([this.cursor]);
    else this.draw();
  }

  /** -> where on the image an event is, [x, y]; beside it, the nearest place on it */
  point(event) {
    const [H, W] = this.about.image, box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    return [within(x * W, W), within(y * H, H)];
  }

  // ---- the picture ----

  draw() {
    const [H, W, C] = this.about.image, { canvas, shown } = this;
    const scale = Math.ceil(Math.max(8, canvas.clientWidth * devicePixelRatio / W));
    canvas.width = W * scale;
    canvas.height = H * scale;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.fillStyle = "black";
    context.fillRect(0, 0, W, H);

    // A sample and what the network sees: pixels. A drawing: its lines, where the pen draws them.
    // The network sees them framed, so the picture may jump when a stroke begins or ends.
    if (shown.sample || (this.asSeen && !this.isDrawing)) {
      drawImage(this.pixels, this.image(), [H, W, C]);
      context.imageSmoothingEnabled = false;
      context.drawImage(this.pixels, 0, 0, W, H);
    } else {
      context.strokeStyle = "white";
      context.lineCap = context.lineJoin = "round";
      context.lineWidth = PEN;
      for (const stroke of shown.strokes) {
        context.beginPath();
        context.moveTo(...stroke[0]);
        for (const point of stroke) context.lineTo(...point);
        context.stroke();
      }
    }
    if (this.asSeen) this.drawGrid(context, scale);
    if (this.cursor) this.drawCursor(context);
  }

  drawGrid(context, scale) {
    const [H, W] = this.about.image;
    context.strokeStyle = "rgb(255 255 255 / 0.14)";
    context.lineWidth = 1 / scale;
    context.beginPath();
    for (let x = 1; x < W; x++) {
      context.moveTo(x, 0);
      context.lineTo(x, H);
    }
    for (let y = 1; y < H; y++) {
      context.moveTo(0, y);
      context.lineTo(W, y);
    }
    context.stroke();
  }

  drawCursor(context) {
    const [x, y] = this.cursor;
    context.strokeStyle = this.penIsDown ? "#ff9d2e" : "#4da3ff";
    context.lineWidth = 0.35;
    context.beginPath();
    context.arc(x, y, PEN * 0.75, 0, 2 * Math.PI);
    context.moveTo(x - 2.6, y);
    context.lineTo(x + 2.6, y);
    context.moveTo(x, y - 2.6);
    context.lineTo(x, y + 2.6);
    context.stroke();
  }
}
