// The page: pictures come in, each is asked about, one of them is shown.

import { Refused, ask } from "/static/api.js";
import { drawBoxes, inShort, showObjects, sureOf } from "/static/boxes.js";
import { drawHeat } from "/static/heat.js";
import { fillCard, percent, shapeOf, showAnswers, showBranches } from "/static/parts.js";

const AT_ONCE = 2; // pictures being asked about
const TOP = 5;
const LEAST = 0.05; // score from which the server tells objects; the slider begins there
const LARGER = 4; // times its own size, at most
const LEADS = {
  classifies: "Show it a picture. You get the likeliest classes and where in the picture they come from.",
  finds: "Show it a picture. You get the objects in it, each in its box.",
};
const $ = (id) => document.getElementById(id);

let card; // of the model that is asked
let model; // its name where another than the first was chosen
let entries = []; // { file, url, thumb, predicted, explained, found, branches, error, chosen }
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
  const finds = Boolean(card.finding);
  $("lead").textContent = finds ? LEADS.finds : LEADS.classifies;
  $("answers-title").textContent = finds ? "What was found" : "Likeliest classes";
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
    const told = await answered(entry);
    entry.time = `${duration(told.milliseconds)}, ${duration(performance.now() - began)} with the upload`;
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

async function answered(entry) {
  if (card?.finding) {
    const told = await ask("/v1/detect", { picture: entry.file, model, min_score: LEAST });
    entry.found = told.detections[0];
    return told;
  }
  const told = await ask("/v1/predict", { picture: entry.file, model, top: TOP });
  entry.predicted = told.predictions[0];
  return told;
}

const duration = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

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
  $("result").hidden = Boolean(entry.error && !answerOf(entry));
  if (another) {
    $("picture").src = entry.url;
    $("picture").alt = entry.file.name;
  }
  $("file-name").textContent = entry.file.name;
  $("time").textContent = entry.time ?? "looking…";
  if (card?.finding) showFound(entry);
  else showPredicted(entry);
  $("branches").hidden = !(card?.branches && entry.predicted);
  draw();
  branches();
  if (another || entry.error || (answerOf(entry) && !entry.said)) say(entry);
}

const answerOf = (entry) => entry.predicted ?? entry.found;

function showPredicted(entry) {
  const maps = entry.explained?.maps ?? [];
  entry.chosen ??= entry.predicted?.top[0].index;
  showAnswers($("answers"), entry, maps.length > 0, choose);
  $("answers-hint").textContent = "Choose a class to see where it comes from.";
  $("answers-hint").hidden = !maps.length;
  $("controls").hidden = $("legend").hidden = !maps.length;
  $("box-controls").hidden = true;
}

function showFound(entry) {
  const objects = sureOf(entry, least());
  if (!objects.includes(entry.chosen)) entry.chosen = undefined;
  showObjects($("answers"), entry, objects, (object) => choose(object === entry.chosen ? undefined : object));
  $("answers-hint").textContent = "Choose one to pick it out.";
  $("answers-hint").hidden = objects.length < 2;
  $("box-controls").hidden = !entry.found?.objects.length;
  $("controls").hidden = $("legend").hidden = true;
}

/** The score from which objects are shown. */
function least() {
  const percents = `${$("least").value} %`;
  $("least-shown").textContent = percents;
  $("least").setAttribute("aria-valuetext", percents);
  return $("least").value / 100;
}

function say(entry) {
  if (!answerOf(entry)) return;
  entry.said = true;
  $("status").textContent = `${entry.file.name}: ${summary(entry).filter(Boolean).join(", ")}`;
}

/** What was answered, and how sure that is; nothing before. */
function summary(entry) {
  if (entry.found) return inShort(sureOf(entry, least()));
  const best = entry.predicted?.top[0];
  return best ? [best.label, percent(best.probability)] : ["", ""];
}

function choose(what) {
  shown.chosen = what;
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

/** The heat map or the boxes at the size that the picture has on the page. */
function draw() {
  fit();
  const { explained, found, chosen } = shown ?? {};
  const map = explained?.maps.find((m) => m.index === chosen);
  const image = $("picture");
  const place = { width: image.clientWidth, height: image.clientHeight, left: image.offsetLeft, top: image.offsetTop };
  $("boxes").hidden = !found || !$("boxes-on").checked || !place.width || image.hidden;
  if (!$("boxes").hidden) drawBoxes($("boxes"), found, sureOf(shown, least()), chosen, place);
  $("heat").hidden = !map || !$("heat-on").checked || !place.width || image.hidden;
  if (!map) return;
  $("legend-class").textContent = map.label;
  $("heat").style.opacity = $("opacity").value / 100;
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
  const bad = Boolean(entry.error && !answerOf(entry));
  const [what, sure] = summary(entry);
  const label = shapeOf("b", "", bad ? "unreadable" : what || "…");
  entry.thumb.classList.toggle("bad", bad);
  entry.thumb.lastChild.replaceChildren(label, shapeOf("span", "muted", sure));
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
    for (const key of ["asked", "predicted", "explained", "found", "branches", "error", "chosen", "time", "said"]) delete entry[key];
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
for (const id of ["heat-on", "opacity", "boxes-on"]) $(id).addEventListener("input", draw);
$("least").addEventListener("input", () => {
  entries.forEach(labelThumb);
  show(shown);
});
$("branches").addEventListener("toggle", branches);
$("clear").addEventListener("click", clear);
$("model").addEventListener("change", changeModel);
new ResizeObserver(draw).observe($("stage"));
start();
