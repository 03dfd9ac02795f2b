// The pad: what is written on the paper becomes text, line by line. Strokes and corrections are kept in this browser.

import * as api from "./api.js";
import { $, counted, make, modelOptions, toast } from "./dom.js";
import * as paper from "./paper.js";

// corrections: of the strokes of a line, { text, read: the words that were read there, confirmed: whether by the user }
const KEPT = "inkread-pad", UNCERTAIN = 0.75; // a word below this confidence is underlined
const AGAIN_MS = 2000; // after a failure
let lines = [], corrections = new Map(), rows = new Map(), undos = [], redos = [], reading = false, stale = false;

export function show() {
  document.title = "Pad – inkread studio";
  read(); // also without strokes, so that the model is loaded when the first one comes
  api.padModel().then(showModels, () => {}); // that the server does not answer is said where it is read
}

/** The model that reads the pad, where the user has some to choose from. */
function showModels({ model, models }) {
  $("pad-reads").hidden = !models.length;
  $("pad-model").replaceChildren(...modelOptions(model, models));
}

function chooseModel() {
  api.choosePadModel($("pad-model").value).then(read, (error) => toast(error.message, true));
}

// ---- strokes

/** Change the strokes: { added, removed }. The opposite of a change undoes it. */
function change({ added, removed }) {
  for (const stroke of removed) paper.remove(stroke.id);
  for (const stroke of added) if (!paper.has(stroke.id)) paper.add(stroke);
  changed();
}

function act(done) {
  undos.push(done);
  redos = [];
  change(done);
}

function step(from, to) {
  const last = from.pop();
  if (!last) return;
  to.push(last);
  change(from === undos ? { added: last.removed, removed: last.added } : last);
}

function changed() {
  keep();
  showState();
  read();
}

function showState() {
  $("pad-undo").disabled = !undos.length;
  $("pad-redo").disabled = !redos.length;
  const empty = !paper.all().length;
  $("pad-clear").disabled = empty;
  $("pad-hint").hidden = !empty;
}

function keep() {
  const used = new Set(lines.map(keyOf));
  const texts = [...corrections].filter(([key]) => used.has(key));
  try {
    localStorage.setItem(KEPT, JSON.stringify({ strokes: paper.all(), corrections: texts }));
    if ($("pad-state").textContent.startsWith("Not kept")) state("");
  } catch {
    state("Not kept for the next time: the browser has no more space for it", true);
  }
}

function restore() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT)) || { strokes: [], corrections: [] };
    corrections = new Map(kept.corrections);
    for (const stroke of paper.all()) paper.remove(stroke.id);
    for (const stroke of kept.strokes) paper.add(stroke);
  } catch {
    localStorage.removeItem(KEPT);
  }
}

// ---- reading

/** Read the strokes as they are now; one request at a time, as each has all of them. */
async function read() {
  stale = true;
  if (reading) return;
  reading = true;
  while (stale) {
    stale = false;
    const sent = paper.all();
    try {
      const { lines: found } = await api.readPad(sent.map((stroke) => stroke.points));
      lines = found.map((line) => ({ ...line, strokes: line.strokes.map((number) => sent[number].id) }));
      lines.forEach(inherit);
      if ($("pad-state").textContent.startsWith("Not read")) state("");
      render();
    } catch (error) {
      state(`Not read: ${error.message}`, true);
      if (error.status === 422) break; // it would be refused again
      await new Promise((done) => setTimeout(done, AGAIN_MS));
      stale = !$("pad").hidden;
    }
  }
  reading = false;
}

function state(words, wrong = false) {
  $("pad-state").textContent = words;
  $("pad-state").classList.toggle("wrong", wrong);
}

// ---- text

const keyOf = (line) => [...line.strokes].sort((a, b) => a - b).join(" ");
const textOf = (line) => corrections.get(keyOf(line))?.text ?? line.text;
const isConfirmed = (line) => Boolean(corrections.get(keyOf(line))?.confirmed);
const readIn = (line) => line.words.map((word) => word.text);

/** If a corrected line has got more strokes, its words stay corrected, as far as the same is read there as before. */
function inherit(line) {
  const own = new Set(line.strokes), now = readIn(line);
  if (corrections.has(keyOf(line))) return;
  const before = [...corrections].filter(([key]) => key.split(" ").every((id) => own.has(Number(id))));
  const [, old] = before.sort(([a], [b]) => b.length - a.length)[0] || [];
  if (!old) return;
  const words = old.text.split(/\s+/), differs = old.read.findIndex((word, place) => word !== now[place]);
  const same = differs < 0 ? old.read.length : differs;
  if (words.length !== old.read.length && same < old.read.length) return; // which words are which?
  const kept = same < old.read.length ? words.slice(0, same) : words;
  corrections.set(keyOf(line), { text: [...kept, ...now.slice(same)].join(" "), read: now, confirmed: false });
}

function render() {
  const keys = lines.map(keyOf), focused = document.activeElement?.closest?.("#pad .line")?.dataset.key;
  for (const [key, row] of rows) if (!keys.includes(key)) (row.element.remove(), rows.delete(key));
  lines.forEach((line, place) => {
    const row = rows.get(keys[place]) || makeRow(keys[place]);
    rows.set(keys[place], row);
    row.line = line;
    row.number.textContent = place + 1;
    row.element.classList.toggle("starts", place > 0 && line.paragraph !== lines[place - 1].paragraph);
    if (row.field.value !== textOf(line)) row.field.value = textOf(line);
    if ($("pad-lines").children[place] !== row.element) $("pad-lines").insertBefore(row.element, $("pad-lines").children[place] || null);
    paint(row, place);
  });
  if (focused && rows.has(focused) && document.activeElement !== rows.get(focused).field) rows.get(focused).field.focus();
  const confirmed = lines.filter(isConfirmed).length;
  $("pad-progress").textContent = lines.length ? `${counted(lines.length, "line")}, ${confirmed} confirmed` : "What you write appears here.";
  for (const id of ["pad-copy", "pad-inkml", "pad-json", "pad-add"]) $(id).disabled = !lines.length;
}

/** The words of a row as they stand, each with what was read there, if it is that still. */
function wordsOf({ field, line }) {
  const words = [...field.value.matchAll(/\S+/g)], same = words.length === line.words.length;
  return words.map((word, place) => ({ start: word.index, end: word.index + word[0].length, text: word[0],
    read: same ? line.words[place] : null }));
}

function paint(row, place = lines.indexOf(row.line)) {
  const done = isConfirmed(row.line), parts = [];
  let from = 0;
  for (const { start, end, text, read } of wordsOf(row)) {
    if (done || !read || read.text !== text || read.confidence >= UNCERTAIN) continue;
    parts.push(row.field.value.slice(from, start), make("span", { class: "uncertain" }, text));
    from = end;
  }
  row.mirror.replaceChildren(...parts, row.field.value.slice(from) || "\u200b");
  row.element.classList.toggle("done", done);
  row.field.setAttribute("aria-label", `Line ${place + 1}${done ? ", confirmed" : ""}`);
  suggest(row);
}

/** Below the line that has the caret: other readings of the word at the caret. */
function suggest(row) {
  const caret = row.field.selectionStart, word = wordsOf(row).find(({ start, end }) => start <= caret && caret <= end);
  const others = word?.read ? [word.read.text, ...word.read.alternatives].filter((text) => text !== word.text) : [];
  row.others.replaceChildren(...others.map((text) => {
    const button = make("button", { type: "button", class: "button small", "aria-label": `${text} instead of ${word.text}` }, text);
    button.addEventListener("pointerdown", (event) => event.preventDefault()); // the caret stays in the text
    button.addEventListener("click", () => {
      const { field } = row;
      field.value = field.value.slice(0, word.start) + text + field.value.slice(word.end);
      field.focus();
      field.setSelectionRange(word.start, word.start + text.length);
      correct(row);
    });
    return button;
  }));
}

function correct(row, text = row.field.value, confirmed = true) {
  corrections.set(keyOf(row.line), { text, read: readIn(row.line), confirmed });
  keep();
  render();
}

function makeRow(key) {
  const field = make("textarea", { rows: 1, spellcheck: "false", autocapitalize: "off", autocomplete: "off", enterkeyhint: "next" });
  const mirror = make("div", { class: "mirror", "aria-hidden": "true" }), number = make("span", { class: "number", "aria-hidden": "true" });
  const others = make("div", { class: "others", role: "group", "aria-label": "Other readings" });
  const element = make("li", { class: "line", "data-key": key }, number, make("div", { class: "field" }, mirror, field), others);
  const row = { element, field, mirror, number, others, line: null };
  field.addEventListener("focus", () => {
    element.classList.add("current");
    paper.mark(row.line.strokes);
    suggest(row);
  });
  element.addEventListener("focusout", (event) => {
    if (element.contains(event.relatedTarget)) return;
    element.classList.remove("current");
    paper.mark([]);
  });
  for (const moved of ["keyup", "click"]) field.addEventListener(moved, () => suggest(row));
  field.addEventListener("input", () => {
    field.value = field.value.replace(/\s*[\r\n]+\s*/g, " "); // pasted
    correct(row);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const here = lines.indexOf(row.line), go = (by) => rows.get(keyOf(lines[here + by] || row.line)).field.focus();
    if (event.key === "Enter") (correct(row), go(1));
    else if (event.key === "Escape") escape(row);
    else if (event.key === "ArrowUp") go(-1);
    else if (event.key === "ArrowDown") go(1);
    else return;
    event.preventDefault();
  });
  return row;
}

/** Take back what was corrected in a line; if nothing was, leave the text. */
function escape(row) {
  const { line } = row;
  if (textOf(line) === line.text && !isConfirmed(line)) return row.field.blur();
  correct(row, line.text, false);
}

// ---- what becomes of it

const text = () => lines.map((line, place) =>
  (place && line.paragraph !== lines[place - 1].paragraph ? "\n" : "") + textOf(line)).join("\n");

/** Lines with their strokes and texts, each as JSON on a line of its own. */
function written() {
  const strokes = new Map(paper.all().map((stroke) => [stroke.id, stroke.points]));
  return lines.map((line) => JSON.stringify({ text: textOf(line), confirmed: isConfirmed(line),
    strokes: line.strokes.map((id) => strokes.get(id)).filter(Boolean) })).join("\n");
}

async function copy() {
  try {
    await navigator.clipboard.writeText(text());
  } catch { // only this machine, or an encrypted connection, may use it
    const field = make("textarea", { class: "hidden" }, text());
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast("The text was copied.");
}

async function addToLibrary() {
  const { name } = await api.addPad(`pad ${new Date().toLocaleString("sv").slice(0, 16).replace(":", ".")}.inkml`, written());
  const confirmed = lines.filter(isConfirmed).length;
  toast(`${name} was added to the library.`
    + (confirmed ? ` Its ${counted(confirmed, "confirmed line")} can be learnt there.` : ""));
}

export function start() {
  paper.start({
    written: (stroke) => act({ added: [stroke], removed: [] }),
    erased: (strokes) => act({ added: [], removed: strokes }),
  });
  restore();
  const tool = (erases) => {
    paper.setErasing(erases);
    $("pad-pen").setAttribute("aria-pressed", String(!erases));
    $("pad-eraser").setAttribute("aria-pressed", String(erases));
  };
  const clicked = (id, action) => $(id).addEventListener("click", async () => {
    $("pad-save").removeAttribute("open");
    try {
      await action();
    } catch (error) {
      toast(error.message, true);
    }
  });
  clicked("pad-pen", () => tool(false));
  clicked("pad-eraser", () => tool(true));
  clicked("pad-undo", () => step(undos, redos));
  clicked("pad-redo", () => step(redos, undos));
  clicked("pad-clear", () => (act({ added: [], removed: paper.all() }), tool(false)));
  clicked("pad-copy", copy);
  clicked("pad-inkml", () => api.download("/pad/export/inkml", { method: "POST", body: written() }));
  clicked("pad-json", () => api.download("/pad/export/json", { method: "POST", body: written() }));
  clicked("pad-add", addToLibrary);
  $("pad-model").addEventListener("change", chooseModel);
  addEventListener("click", (event) => $("pad-save").contains(event.target) || $("pad-save").removeAttribute("open"));
  $("pad-save").addEventListener("keydown", (event) => {
    if (event.key === "Escape") ($("pad-save").removeAttribute("open"), $("pad-save").firstElementChild.focus());
  });
  addEventListener("keydown", (event) => {
    if ($("pad").hidden || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.matches("textarea")) return;
    event.preventDefault();
    if (event.shiftKey) step(redos, undos);
    else step(undos, redos);
  });
  addEventListener("storage", (event) => { // another tab has written
    if (event.key !== KEPT) return;
    undos = [];
    redos = [];
    restore();
    showState();
    if (!$("pad").hidden) read();
  });
  tool(false);
  showState();
  render();
}
