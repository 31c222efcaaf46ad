// An image as the model sees it, on a canvas, and a heat map over it.

import { h } from "./dom.js";
import { t } from "./text.js";

const SIDE = 320; // pixels of the longer side
const FOR = [217, 83, 25];
const AGAINST = [0, 98, 178];
const STRENGTH = 0.8;

/** A canvas with the file, brought to the model's shape as the service does it; null where the browser cannot read it. */
export async function picture(file, { target_size: [height, width], resize }) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return null;
  }
  const scale = SIDE / Math.max(height, width);
  const canvas = h("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = Math.max(bitmap.width, bitmap.height) > 64;
  pen.imageSmoothingQuality = "high";
  pen.fillStyle = resize === "pad" ? "#000" : "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(bitmap, ...placed(bitmap, canvas, resize));
  bitmap.close();
  return canvas;
}

/** Lay a map (rows of numbers) over a copy of the canvas: orange speaks for the class, blue against it. */
export function overlaid(canvas, map, opacity = STRENGTH) {
  const rows = map.length, columns = map[0].length;
  const most = Math.max(1e-12, ...map.map((row) => Math.max(...row.map(Math.abs))));
  const small = h("canvas", { width: columns, height: rows });
  const pixels = new ImageData(columns, rows);
  map.flat().forEach((value, at) => {
    pixels.data.set([...(value > 0 ? FOR : AGAINST), 255 * opacity * Math.abs(value) / most], 4 * at);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const made = h("canvas", { width: canvas.width, height: canvas.height });
  const pen = made.getContext("2d");
  pen.filter = "grayscale(1)";
  pen.drawImage(canvas, 0, 0);
  pen.filter = "none";
  pen.imageSmoothingEnabled = columns > 16;
  pen.drawImage(small, 0, 0, made.width, made.height);
  return made;
}

/** Where the map is strongest, in words: the third of the image that has the largest sum. */
export function strongest(map) {
  const rows = map.length, columns = map[0].length;
  const sums = new Map();
  map.forEach((row, y) => row.forEach((value, x) => {
    const place = `${Math.floor(3 * y / rows)}${Math.floor(3 * x / columns)}`;
    sums.set(place, (sums.get(place) ?? 0) + Math.max(value, 0));
  }));
  const [place] = [...sums].reduce((best, one) => (one[1] > best[1] ? one : best));
  return t(`place.${place}`);
}

function placed(bitmap, canvas, resize) {
  const across = canvas.width / bitmap.width, down = canvas.height / bitmap.height;
  if (resize === "stretch") return [0, 0, canvas.width, canvas.height];
  const scale = resize === "crop" ? Math.max(across, down) : Math.min(across, down);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  return [(canvas.width - width) / 2, (canvas.height - height) / 2, width, height];
}
