// Learn my handwriting: which lines to learn from, how far it is, and whether it has helped.

import * as api from "./api.js";
import { $, counted, make, toast } from "./dom.js";

const FEWEST = 10; // lines, as the server demands
let documents = [], changed = () => {};

const percent = (rate) => `${(100 * rate).toFixed(1)} %`;

/** Show what the library says. `all` are its documents. */
export function render({ learning }, all) {
  documents = all.filter((item) => item.corrected);
  $("learn").hidden = !documents.length || Boolean(learning?.running);
  $("learning").hidden = !learning;
  if (!learning) return;
  $("learning-bar").hidden = !learning.running;
  if (learning.share) $("learning-bar").value = learning.share;
  else $("learning-bar").removeAttribute("value");
  $("learning").classList.toggle("wrong", Boolean(learning.error));
  $("learning-stop").textContent = learning.running ? "Stop" : "Close";
  const text = words(learning);
  if ($("learning-text").textContent !== text) $("learning-text").textContent = text;
}

function words({ name, running, stage, share, seconds_left: left, result, error }) {
  if (running) {
    const time = left === null ? "" : `, about ${left < 55 ? `${Math.max(5, 5 * Math.round(left / 5))} s` : counted(Math.round(left / 60), "minute")} left`;
    return `${name}: ${stage.toLowerCase()} … ${share ? `${Math.floor(100 * share)} %${time}` : ""}`;
  }
  if (error) return `${name} was not learnt: ${error}`;
  const rates = `${percent(result.after)} of the characters are wrong, before ${percent(result.before)}, `
    + `in ${counted(result.lines, "corrected line")} that it had not learnt`;
  return result.kept ? `${name} reads better: ${rates}. The other lines are read again.`
    : `${name} does not read better, and was not kept: ${rates}.`;
}

const kinds = () => [...$("learn-kinds").querySelectorAll("input")];
const ofStrokes = () => kinds().find((kind) => kind.checked).value === "strokes";
const linesIn = (items) => items.reduce((sum, item) => sum + item.corrected, 0);

function open() {
  const strokes = documents.filter((item) => item.strokes), images = documents.filter((item) => !item.strokes);
  $("learn-kinds").hidden = !strokes.length || !images.length; // a model learns one of the two
  for (const kind of kinds()) kind.checked = (kind.value === "strokes") === (linesIn(strokes) > linesIn(images));
  showDocuments();
  $("learn-dialog").showModal();
}

function showDocuments() {
  const shown = documents.filter((item) => item.strokes === ofStrokes());
  const rows = shown.map((item) => {
    const box = make("input", { type: "checkbox", value: item.id, checked: true });
    box.addEventListener("change", count);
    return make("li", {}, make("label", { class: "choice" }, box, ` ${item.name} `,
      make("span", { class: "quiet" }, counted(item.corrected, "line") + (item.model ? `, read by ${item.model}` : ""))));
  });
  $("learn-from").replaceChildren(...rows);
  const models = new Set(shown.map((item) => item.model)), fits = models.size === 1 && [...models][0];
  const ofOthers = documents.some((item) => item.model === `my/${$("learn-name").value}` && !shown.includes(item));
  if (fits || ofOthers) $("learn-name").value = (fits || "").replace("my/", "");
  $("learn-others").textContent = ofStrokes() ? "Then read other pen strokes and the pad with it, too"
    : "Then read the other documents with it, too";
  count();
}

const chosen = () => [...$("learn-from").querySelectorAll(":checked")].map((box) => box.value);

function count() {
  const ids = chosen(), lines = linesIn(documents.filter((item) => ids.includes(item.id)));
  $("learn-facts").textContent = lines < FEWEST ? `${counted(lines, "line")}: at least ${FEWEST} are needed.`
    : `${counted(lines, "line")}${lines < 30 ? "; with thirty it helps more" : ""}.`;
  $("learn-start").disabled = lines < FEWEST;
}

export function start(update) {
  changed = update;
  const fail = (error) => toast(error.message, true);
  $("learn").addEventListener("click", open);
  for (const kind of kinds()) kind.addEventListener("change", showDocuments);
  $("learn-cancel").addEventListener("click", () => $("learn-dialog").close());
  $("learn-form").addEventListener("submit", () =>
    api.learn($("learn-name").value, chosen(), $("learn-everywhere").checked).then(changed, fail));
  $("learning-stop").addEventListener("click", () => api.stopLearning().then(changed, fail));
}
