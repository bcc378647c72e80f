// The page: pictures come in, each is asked about, one of them is shown.

import { Refused, ask } from "/static/api.js";
import { drawHeat } from "/static/heat.js";
import { fillCard, percent, shapeOf, showAnswers, showBranches } from "/static/parts.js";

const AT_ONCE = 2; // pictures being asked about
const TOP = 5;
const LARGER = 4; // times its own size, at most
const $ = (id) => document.getElementById(id);

let card; // of the model that is asked
let model; // its name where another than the first was chosen
let entries = []; // { file, url, thumb, predicted, explained, branches, error, chosen }
let shown; // the entry that is looked at
let running = 0;

async function start() {
  try {
    card = await ask("/v1/model", { model });
  } catch (error) {
    return notice(error.message);
  }
  notice("");
  $("model-name").textContent = card.models.length > 1 ? "" : card.name;
  $("model-choice").hidden = card.models.length < 2;
  $("model").replaceChildren(...card.models.map((name) => new Option(name, name, false, name === card.name)));
  fillCard($("facts"), card);
  $("card").hidden = false;
}

function add(files) {
  const added = [...files].map((file) => ({ file, url: URL.createObjectURL(file) }));
  if (!added.length) return;
  document.body.classList.add("busy");
  entries.push(...added);
  added.forEach(addThumb);
  show(added[0]);
  next();
}

/** Asks about whatever was not asked about yet, a few at once. */
function next() {
  while (running < AT_ONCE) {
    const entry = entries.find((e) => !e.asked);
    if (!entry) return;
    entry.asked = true;
    running++;
    look(entry).finally(() => {
      running--;
      next();
    });
  }
}

async function look(entry) {
  const began = performance.now();
  try {
    const told = await ask("/v1/predict", { picture: entry.file, model, top: TOP });
    entry.predicted = told.predictions[0];
    entry.time = `${Math.round(told.milliseconds)} ms, ${Math.round(performance.now() - began)} ms with the upload`;
    changed(entry);
    if (card?.explains) {
      const maps = await ask("/v1/explain", { picture: entry.file, model, top: TOP });
      entry.explained = maps.explanations[0];
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    entry.error ??= error.message;
  }
  changed(entry);
}

function changed(entry) {
  labelThumb(entry);
  if (entry === shown) show(entry);
}

function show(entry) {
  const another = entry !== shown;
  shown = entry;
  entries.forEach((e) => e.thumb.setAttribute("aria-current", e === entry));
  $("gallery").hidden = entries.length < 2;
  notice(entry.error ? `${entry.file.name}: ${entry.error}` : "");
  $("result").hidden = Boolean(entry.error && !entry.predicted);
  if (another) {
    $("picture").src = entry.url;
    $("picture").alt = entry.file.name;
  }
  $("file-name").textContent = entry.file.name;
  $("time").textContent = entry.time ?? "looking…";
  const maps = entry.explained?.maps ?? [];
  entry.chosen ??= entry.predicted?.top[0].index;
  showAnswers($("answers"), entry, maps.length > 0, choose);
  $("answers-hint").hidden = !maps.length;
  $("controls").hidden = $("legend").hidden = !maps.length;
  $("branches").hidden = !(card?.branches && entry.predicted);
  draw();
  branches();
  if (another || entry.error) say(entry);
  else if (entry.predicted && !entry.said) say(entry);
}

function say(entry) {
  const best = entry.predicted?.top[0];
  if (!best) return;
  entry.said = true;
  $("status").textContent = `${entry.file.name}: ${best.label}, ${percent(best.probability)}`;
}

function choose(index) {
  shown.chosen = index;
  show(shown);
}

/** Makes the picture as large as there is room, small ones up to a few times their size. */
function fit() {
  const image = $("picture");
  if (!image.naturalWidth) return;
  const room = [$("stage").clientWidth / image.naturalWidth, tallest() / image.naturalHeight];
  const scale = Math.min(...room, LARGER);
  image.style.width = `${image.naturalWidth * scale}px`;
  image.style.height = `${image.naturalHeight * scale}px`;
}

const tallest = () => Math.min(0.6 * innerHeight, 560);

/** The heat map at the size that the picture has on the page. */
function draw() {
  fit();
  const { explained, chosen } = shown ?? {};
  const map = explained?.maps.find((m) => m.index === chosen);
  const image = $("picture");
  $("heat").hidden = !map || !$("heat-on").checked || !image.clientWidth || image.hidden;
  if (!map) return;
  $("legend-class").textContent = map.label;
  $("heat").style.opacity = $("opacity").value / 100;
  const place = { width: image.clientWidth, height: image.clientHeight, left: image.offsetLeft, top: image.offsetTop };
  if (!$("heat").hidden) drawHeat($("heat"), explained, map, place);
}

/** Asked for only where somebody looks at it: it takes a run with gradients. */
async function branches() {
  const entry = shown;
  if (!$("branches").open || !card?.branches || !entry?.predicted) return;
  const wanted = entry.chosen;
  entry.branches ??= {};
  if (!entry.branches[wanted]) {
    $("modules").replaceChildren(shapeOf("div", "waiting"));
    entry.branches[wanted] = ask("/v1/branches", { picture: entry.file, model, class: wanted });
  }
  const label = card.classes[wanted];
  try {
    const told = await entry.branches[wanted];
    if (entry !== shown || wanted !== entry.chosen) return;
    $("branches-hint").textContent = `Of each module, how much of its part in “${label}” comes through which branch.`;
    showBranches($("modules"), told.attributions[0].modules);
  } catch (error) {
    delete entry.branches[wanted];
    $("branches-hint").textContent = error.message;
    $("modules").replaceChildren();
  }
}

function addThumb(entry) {
  const button = shapeOf("button", "thumb");
  button.type = "button";
  const image = new Image();
  image.alt = "";
  image.src = entry.url;
  button.append(image, shapeOf("span", "says"));
  button.addEventListener("click", () => show(entry));
  entry.thumb = button;
  const item = document.createElement("li");
  item.append(button);
  $("thumbs").append(item);
  labelThumb(entry);
}

function labelThumb(entry) {
  const best = entry.predicted?.top[0];
  const label = shapeOf("b", "", entry.error && !best ? "unreadable" : (best?.label ?? "…"));
  entry.thumb.classList.toggle("bad", Boolean(entry.error && !best));
  entry.thumb.lastChild.replaceChildren(label, shapeOf("span", "muted", best ? percent(best.probability) : ""));
  entry.thumb.setAttribute("aria-label", `${entry.file.name}: ${label.textContent}`);
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function clear() {
  entries.forEach((entry) => URL.revokeObjectURL(entry.url));
  entries = [];
  shown = undefined;
  $("thumbs").replaceChildren();
  $("result").hidden = $("gallery").hidden = true;
  document.body.classList.remove("busy");
  notice("");
  $("files").focus();
}

async function changeModel() {
  model = $("model").value;
  await start();
  for (const entry of entries) {
    for (const key of ["asked", "predicted", "explained", "branches", "error", "chosen", "time", "said"]) delete entry[key];
    labelThumb(entry);
  }
  if (shown) show(shown);
  next();
}

const carried = (transfer) => [...(transfer?.files ?? [])];
for (const id of ["files", "camera"]) {
  $(id).addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = ""; // the same picture may be chosen again
  });
}
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  add(carried(event.dataTransfer));
});
document.addEventListener("paste", (event) => add(carried(event.clipboardData)));
$("picture").addEventListener("load", () => {
  $("picture").hidden = false;
  $("unshown").hidden = true;
  draw();
});
$("picture").addEventListener("error", () => {
  $("picture").hidden = true;
  $("unshown").hidden = Boolean(shown?.error);
});
for (const id of ["heat-on", "opacity"]) $(id).addEventListener("input", draw);
$("branches").addEventListener("toggle", branches);
$("clear").addEventListener("click", clear);
$("model").addEventListener("change", changeModel);
new ResizeObserver(draw).observe($("stage"));
start();
