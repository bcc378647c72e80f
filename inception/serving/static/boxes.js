// Objects in their boxes over the picture, and the same objects as a list.

import { bar, percent, shapeOf } from "/static/parts.js";

const COLOURS = ["#ffd43b", "#74c0fc", "#69db7c", "#ff9d7a", "#e2a6f5", "#4fdfe8", "#ffa8c5", "#c0eb75"];
const GAP = 2; // pixels between a box and its label

const colourOf = (object) => COLOURS[object.index % COLOURS.length];

/** Those of an entry's objects that are sure enough. */
export const sureOf = (entry, least) => (entry.found?.objects ?? []).filter(({ score }) => score >= least);

/** What was found, in a few words: `kangaroo 98 %`, or `2 × kangaroo, dog`. */
export function inShort(objects) {
  if (!objects.length) return ["nothing found", ""];
  if (objects.length === 1) return [objects[0].label, percent(objects[0].score)];
  const counts = new Map();
  for (const { label } of objects) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [[...counts].map(([label, count]) => (count > 1 ? `${count} × ${label}` : label)).join(", "), ""];
}

/** Boxes with labels over what `place`, the picture's rectangle on the page, covers. */
export function drawBoxes(layer, found, objects, chosen, { width, height, left, top }) {
  Object.assign(layer.style, { width: `${width}px`, height: `${height}px`, left: `${left}px`, top: `${top}px` });
  const [across, down] = [width / found.width, height / found.height];
  const boxes = objects.map((object) => {
    const [x1, y1, x2, y2] = object.box_xyxy;
    const box = { left: x1 * across, top: y1 * down, right: x2 * across, bottom: y2 * down };
    const outline = shapeOf("div", chosen === undefined || object === chosen ? "box" : "box faint");
    const label = shapeOf("span", "", `${object.label} ${Math.round(100 * object.score)} %`);
    label.className = outline.className.replace("box", "box-label");
    const size = { left: box.left, top: box.top, width: box.right - box.left, height: box.bottom - box.top };
    for (const [name, value] of Object.entries(size)) outline.style[name] = `${value}px`;
    for (const part of [outline, label]) part.style.setProperty("--colour", colourOf(object));
    return { box, outline, label };
  });
  layer.replaceChildren(...boxes.map(({ outline }) => outline).reverse(), ...boxes.map(({ label }) => label).reverse());
  const taken = [];
  for (const { box, label } of boxes) {
    if (label.matches(".faint")) label.remove();
    else put(label, box, taken, width, height);
  }
}

/** Puts a label above its box, or where else it stays in the picture and off the others, or nowhere: the list has it. */
function put(label, box, taken, width, height) {
  const size = label.getBoundingClientRect();
  const rows = [box.top - size.height - GAP, box.top + GAP, box.bottom - size.height - GAP, box.bottom + GAP];
  const columns = [box.left, box.right - size.width].map((x) => Math.max(0, Math.min(x, width - size.width)));
  const places = columns.flatMap((x) => rows.map((y) => ({ x, y, size })));
  const inside = places.filter(({ y }) => y >= 0 && y + size.height <= height);
  const free = inside.find((place) => !taken.some((other) => meets(other, place)));
  if (!free) return label.remove();
  taken.push(free);
  Object.assign(label.style, { left: `${free.x}px`, top: `${free.y}px` });
}

const meets = (a, b) =>
  a.x < b.x + b.size.width && b.x < a.x + a.size.width && a.y < b.y + b.size.height && b.y < a.y + a.size.height;

/** The objects, the surest first; a button each, which picks it out on the picture. */
export function showObjects(list, entry, objects, choose) {
  if (!entry.found) return list.replaceChildren(shapeOf("li", "waiting"));
  const focused = [...list.querySelectorAll("button")].indexOf(document.activeElement);
  const items = objects.map((object) => {
    const item = document.createElement("li");
    const made = bar("button", object.label, object.score);
    made.classList.add("object");
    made.style.setProperty("--colour", colourOf(object));
    made.type = "button";
    made.setAttribute("aria-pressed", object === entry.chosen);
    made.addEventListener("click", () => choose(object));
    item.append(made);
    return item;
  });
  const none = entry.found.objects.length ? "Nothing that is so sure." : "Nothing was found.";
  list.replaceChildren(...(items.length ? items : [shapeOf("li", "none muted", none)]));
  if (focused >= 0) list.querySelectorAll("button")[focused]?.focus();
}
