// A class's map over the picture: warm where it speaks for the class, cool where against it.

const FINE = 12; // pixels drawn for each cell of the map
const CONTRAST = 1.6; // above 1, so that what adds little stays pale
const FOR = [235, 70, 20];
const AGAINST = [30, 110, 235];

/** Draws the map over what `place`, the picture's rectangle on the page, covers. */
export function drawHeat(canvas, explained, map, { width, height, left, top }) {
  const dense = window.devicePixelRatio || 1;
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px`, left: `${left}px`, top: `${top}px` });
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  const paper = canvas.getContext("2d");
  paper.scale(canvas.width / explained.width, canvas.height / explained.height); // in its pixels
  const { crop, grid } = explained;
  paper.save();
  paper.beginPath();
  paper.rect(crop.left, crop.top, crop.right - crop.left, crop.bottom - crop.top);
  paper.clip();
  paper.imageSmoothingQuality = "high";
  const across = (grid.right - grid.left) / map.values[0].length;
  const down = (grid.bottom - grid.top) / map.values.length;
  const spread = [grid.right - grid.left + 2 * across, grid.bottom - grid.top + 2 * down];
  paper.drawImage(colours(map.values), grid.left - across, grid.top - down, ...spread);
  paper.restore();
  outline(paper, explained, explained.width / width);
}

/** The crop in dashes, dark and light, so that it shows on any picture; `px` is a page's pixel. */
function outline(paper, { width, height, crop }, px) {
  if (crop.left <= px && crop.top <= px && crop.right >= width - px && crop.bottom >= height - px) return;
  const box = [crop.left + px, crop.top + px, crop.right - crop.left - 2 * px, crop.bottom - crop.top - 2 * px];
  paper.lineWidth = 2 * px;
  paper.setLineDash([6 * px, 6 * px]);
  paper.strokeStyle = "rgb(0 0 0 / 75%)";
  paper.strokeRect(...box);
  paper.lineDashOffset = 6 * px;
  paper.strokeStyle = "rgb(255 255 255 / 90%)";
  paper.strokeRect(...box);
}

/** The map and a cell more on each side, which the crop may reach into. */
function colours(values) {
  const [rows, columns] = [values.length, values[0].length];
  const most = Math.max(...values.flat().map(Math.abs)) || 1;
  const canvas = document.createElement("canvas");
  canvas.width = (columns + 2) * FINE;
  canvas.height = (rows + 2) * FINE;
  const paper = canvas.getContext("2d");
  const image = paper.createImageData(canvas.width, canvas.height);
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const value = between(values, (y + 0.5) / FINE - 1.5, (x + 0.5) / FINE - 1.5) / most;
      const alpha = Math.round(255 * Math.min(1, Math.abs(value)) ** CONTRAST);
      image.data.set([...(value > 0 ? FOR : AGAINST), alpha], 4 * (y * canvas.width + x));
    }
  }
  paper.putImageData(image, 0, 0);
  return canvas;
}

/** The value at a place between the cells, smoothly: a cubic through the nearest four each way. */
function between(values, row, column) {
  const at = (list, place, read) => {
    const first = Math.floor(place);
    const t = place - first;
    const [a, b, c, d] = [-1, 0, 1, 2].map((step) =>
      read(Math.min(Math.max(first + step, 0), list.length - 1)),
    );
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  };
  return at(values, row, (y) => at(values[0], column, (x) => values[y][x]));
}
