// Drawn lines become an image, framed as the images of the network's dataset are.
//
// A stroke is a list of points [x, y] in pixels of the image; (0, 0) is its upper left corner.

const RADIUS = 1.15; // pixels, half the width of the pen
const EDGE = 1.2;    // pixels, how wide the grey border between ink and background is
const ZOOM = 4;      // the most that a small drawing is enlarged

export const PEN = 2 * RADIUS;

/** The distance of (x, y) from the line between two points. */
function distance(x, y, [ax, ay], [bx, by]) {
  const dx = bx - ax, dy = by - ay, squared = dx * dx + dy * dy;
  const along = squared ? ((x - ax) * dx + (y - ay) * dy) / squared : 0;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}

/** -> the ink of the strokes, Float32Array [height, width] in [0, 1] */
export function rasterise(strokes, height, width) {
  const ink = new Float32Array(height * width), reach = RADIUS + EDGE;
  for (const stroke of strokes) {
    for (let n = 0; n < stroke.length; n++) {
      const a = stroke[Math.max(0, n - 1)], b = stroke[n];
      const top = Math.max(0, Math.floor(Math.min(a[1], b[1]) - reach));
      const bottom = Math.min(height - 1, Math.ceil(Math.max(a[1], b[1]) + reach));
      const left = Math.max(0, Math.floor(Math.min(a[0], b[0]) - reach));
      const right = Math.min(width - 1, Math.ceil(Math.max(a[0], b[0]) + reach));
      for (let row = top; row <= bottom; row++) {
        for (let column = left; column <= right; column++) {
          const inside = (RADIUS - distance(column + 0.5, row + 0.5, a, b)) / EDGE + 0.5;
          const at = row * width + column;
          ink[at] = Math.max(ink[at], Math.min(1, Math.max(0, inside)));
        }
      }
    }
  }
  return ink;
}

/** -> [x, y] of the centre of mass, or null where there is no ink */
function centreOfMass(ink, width) {
  let sum = 0, x = 0, y = 0;
  ink.forEach((value, n) => {
    sum += value;
    x += value * (n % width + 0.5);
    y += value * (Math.floor(n / width) + 0.5);
  });
  return sum ? [x / sum, y / sum] : null;
}

/** -> the strokes, each point (x, y) moved to ((x - from) * zoom + to) */
function moved(strokes, zoom, from, to) {
  return strokes.map((stroke) =>
    stroke.map(([x, y]) => [(x - from[0]) * zoom + to[0], (y - from[1]) * zoom + to[1]]));
}

/**
 * Frames a drawing as MNIST was made: its longer side becomes `side`, or less where the image has
 * no room for that. The pen stays as wide as it is, and the centre of mass comes to `centre`, or as
 * near as the drawing can come without leaving the image.
 *
 * @param {{side: number | null, centre: number[]}} how side in pixels, null keeps the size; [x, y]
 */
export function framed(strokes, { side, centre }, height, width) {
  const points = strokes.flat();
  if (!points.length) return strokes;

  // size: in the middle of the image, so that nothing is cut off where the mass is measured
  const ends = [Math.min, Math.max].map((end) =>
    points.reduce((a, b) => [end(a[0], b[0]), end(a[1], b[1])]));
  const [low, high] = ends;
  const extents = [high[0] - low[0], high[1] - low[1]];
  const fitting = [width, height].map((room, axis) => (room - PEN) / extents[axis]);
  const zoom = side === null ? 1
    : Math.min(ZOOM, Math.max(1, side - PEN) / Math.max(...extents), ...fitting);
  const from = [0, 1].map((axis) => (low[axis] + high[axis]) / 2), middle = [width / 2, height / 2];
  const sized = moved(strokes, zoom, from, middle);

  // place: by the mass, as far as the drawing stays in the image
  const mass = centreOfMass(rasterise(sized, height, width), width);
  if (!mass) return sized;
  const place = [width, height].map((room, axis) => {
    const most = Math.max(0, (room - PEN - zoom * extents[axis]) / 2);
    const shift = centre[axis] - mass[axis];
    return middle[axis] + Math.min(most, Math.max(-most, shift));
  });
  return moved(sized, 1, middle, place);
}
