// Arrays become pictures on a canvas, one pixel for each number; style.css enlarges them.

// Orange and blue: people with any colour blindness tell them apart, and together they are white.
export const PAIR = [[255, 140, 0], [0, 115, 255]];

/** Sets the size of the canvas in pixels, and colours each: colour(n) -> [red, green, blue] */
function paint(canvas, height, width, colour) {
  canvas.width = width;
  canvas.height = height;
  const picture = new ImageData(width, height);
  for (let n = 0; n < height * width; n++) picture.data.set([...colour(n), 255], 4 * n);
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/**
 * @param image [H, W, C] from 0 to `white`. Three channels are red, green and blue; otherwise their
 *   mean is grey.
 */
export function drawImage(canvas, image, [H, W, C], white = 1) {
  paint(canvas, H, W, (n) => {
    const channels = Array.from(image.slice(n * C, n * C + C), (value) => (value / white) * 255);
    if (C === 3) return channels;
    const grey = channels.reduce((a, b) => a + b) / C;
    return [grey, grey, grey];
  });
}

/** Two images [H, W, C] over each other, in the colours of PAIR. */
export function drawPair(canvas, images, [H, W, C]) {
  const grey = (image, n) => image.slice(n * C, n * C + C).reduce((a, b) => a + b) / C;
  paint(canvas, H, W, (n) => {
    const [a, b] = images.map((image) => grey(image, n));
    return [0, 1, 2].map((channel) => a * PAIR[0][channel] + b * PAIR[1][channel]);
  });
}

// Black is zero. Above it is red, orange and pale yellow; below it is blue.
const ABOVE = [[0, 0, 0], [110, 16, 60], [214, 62, 50], [250, 150, 20], [255, 252, 180]];
const BELOW = [[0, 0, 0], [16, 40, 120], [30, 100, 210], [80, 180, 250], [200, 240, 255]];

/** -> the colour of a value from -1 to 1 */
function heat(value) {
  const colours = value < 0 ? BELOW : ABOVE;
  const place = Math.min(1, Math.abs(value)) * (colours.length - 1);
  const n = Math.min(colours.length - 2, Math.floor(place)), rest = place - n;
  return colours[n].map((low, channel) => low + rest * (colours[n + 1][channel] - low));
}

/** A map [height, width] of values from -most to most. */
export function drawMap(canvas, values, height, width, most) {
  paint(canvas, height, width, (n) => heat(most ? values[n] / most : 0));
}
