// Parts of the page made from the server's answers.

/** An element of a class, with a text. */
export function shapeOf(kind, name = "", text = "") {
  const element = document.createElement(kind);
  if (name) element.className = name;
  element.textContent = text;
  return element;
}

export const percent = (share) => `${(100 * share).toFixed(share > 0.9995 || share < 0.0005 ? 0 : 1)} %`;

/** A name, a share and a bar as long as it. */
export function bar(kind, label, share) {
  const made = shapeOf(kind, "answer");
  const track = shapeOf("span", "track");
  const fill = shapeOf("span", "fill");
  fill.style.width = percent(share).replace(" ", "");
  track.append(fill);
  made.append(shapeOf("span", "label", label), shapeOf("span", "percent", percent(share)), track);
  return made;
}

/** The likeliest classes as bars; each is a button where it has a map to show. */
export function showAnswers(list, entry, canChoose, choose) {
  if (!entry.predicted) return list.replaceChildren(shapeOf("li", "waiting"));
  const focused = [...list.querySelectorAll("button")].indexOf(document.activeElement);
  list.replaceChildren(
    ...entry.predicted.top.map((answer) => {
      const made = bar(canChoose ? "button" : "div", answer.label, answer.probability);
      if (canChoose) {
        made.type = "button";
        made.setAttribute("aria-pressed", answer.index === entry.chosen);
        made.addEventListener("click", () => choose(answer.index));
      }
      const item = document.createElement("li");
      item.append(made);
      return item;
    }),
  );
  if (focused >= 0) list.querySelectorAll("button")[focused]?.focus();
}

/** Modules from the first to the last, their branches coloured by their share. */
export function showBranches(place, modules) {
  const longest = Math.max(...modules.map(({ module }) => short(module).length));
  place.style.setProperty("--names", `${Math.min(longest + 1, 12)}ch`);
  place.replaceChildren(
    ...modules.map(({ module, shares }) => {
      const row = shapeOf("div", "module");
      const cells = shapeOf("div", "cells");
      for (const [branch, share] of Object.entries(shares)) {
        const cell = shapeOf("div", share < 0 ? "cell against" : "cell");
        const shade = shapeOf("i");
        shade.style.opacity = Math.min(1, Math.abs(share)) * 0.6;
        cell.append(shade, shapeOf("span", "", pretty(branch)), shapeOf("span", "", `${Math.round(100 * share)} %`));
        cell.title = `${branch}: ${(100 * share).toFixed(1)} % of ${module}`;
        cells.append(cell);
      }
      row.append(shapeOf("span", "name", short(module)), cells);
      return row;
    }),
  );
}

const short = (module) => module.replace(/^inception_/, "");

const pretty = (branch) => branch.replace(/^conv/, "").replace(/(\d)x(\d)/g, "$1×$2").replaceAll("_", " ");

const large = (number) => Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(number);

/** What the model is, as terms and values. */
export function fillCard(list, card) {
  const how = card.preprocessing;
  const few = card.classes.slice(0, 12).join(", ");
  const more = card.classes.length - 12;
  const metrics = Object.entries(card.metrics)
    .filter(([, value]) => ["number", "string"].includes(typeof value))
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${/accuracy|^map/.test(name) ? percent(value) : figure(value)}`);
  const facts = {
    Network: card.network,
    Classes: `${card.classes.length}: ${few}${more > 0 ? ` and ${more} more` : ""}`,
    Picture: pictureOf(card),
    Regions: card.finding ? regionsOf(card.finding) : "",
    Parameters: large(card.parameters),
    "Multiply-adds": `${large(card.multiply_adds)}${card.finding ? " at most" : ""}`,
    Measured: metrics.join(" · "),
    Engine: card.engine,
    File: card.file,
    Licence: card.licence,
    "Made from": card.parents.join(", "),
  };
  const shown = Object.entries(facts).filter(([, value]) => value);
  list.replaceChildren(...shown.flatMap(([term, value]) => [shapeOf("dt", "", term), shapeOf("dd", "", value)]));
}

function pictureOf({ preprocessing, finding }) {
  const { size, resize, channel_order } = preprocessing;
  if (!finding) return `${size} × ${size} px, ${resize.replace("_", " ")}, ${channel_order}`;
  const how = finding.mode === "fast" ? `once, its long side ${size} px` : `each region, ${size} × ${size} px`;
  return `${how}, ${channel_order}`;
}

const regionsOf = ({ search, most_regions, stage }) =>
  `by Selective Search (${search.mode}), ${most_regions} at most, pooled from ${stage}`;

const figure = (value) => (typeof value === "number" ? Number(value.toPrecision(4)) : value);
