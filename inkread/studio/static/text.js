// The lines of a page as text fields, one below the other, with the uncertain words marked.

import { $, icon, make } from "./dom.js";
import * as menu from "./menu.js";

// Words below this confidence are marked as uncertain: they are more likely wrong than right. See benchmarks/uncertain.py.
const UNCERTAIN = 0.5;
let rows = new Map(), order = [], events = {}, uncertain = new Map();

export function start(given) {
  events = given;
}

export function clear(...content) {
  rows = new Map();
  order = [];
  $("lines").replaceChildren(...content);
}

/** Show the lines of a page. Fields that have text which is not saved yet, `unsaved(id)`, keep it. */
export function show(page, unsaved) {
  uncertain = chooseUncertain(page.lines);
  const ids = page.lines.map((line) => line.id);
  for (const line of page.lines) {
    if (!rows.has(line.id)) rows.set(line.id, makeRow(line.id));
  }
  for (const id of rows.keys()) if (!ids.includes(id)) rows.delete(id);
  const focused = document.activeElement?.closest?.(".line")?.dataset.line;
  if (ids.join() !== order.join()) {
    order = ids;
    const caret = focused && rows.has(focused) ? rows.get(focused).field.selectionStart : null;
    $("lines").replaceChildren(...ids.map((id) => rows.get(id).element));
    if (caret !== null) focus(focused, caret);
  }
  page.lines.forEach((line, place) => {
    const row = rows.get(line.id);
    row.line = line;
    row.element.classList.toggle("starts", place > 0 && line.region !== page.lines[place - 1].region);
    row.element.classList.toggle("done", line.corrected);
    row.number.textContent = place + 1;
    row.field.setAttribute("aria-label", `Line ${place + 1}${line.corrected ? ", corrected" : ""}`);
    row.check.setAttribute("aria-pressed", String(line.corrected));
    if (!unsaved(line.id)) {
      if (row.field.value !== line.text) setValue(row.field, line.text);
      if (document.activeElement !== row.field) row.before = line.text;
    }
    paint(row);
  });
  const done = page.lines.filter((line) => line.corrected).length;
  $("progress").textContent = page.lines.length ? `${done} of ${page.lines.length} lines corrected` : "No lines on this page";
}

function setValue(field, text) {
  const [start, end] = [field.selectionStart, field.selectionEnd];
  field.value = text;
  if (document.activeElement === field) field.setSelectionRange(Math.min(start, text.length), Math.min(end, text.length));
}

/** line -> the places of its uncertain words among its words. */
function chooseUncertain(lines) {
  const here = current(); // in the line that is being corrected, the marks of its other words stay
  const open = lines.filter((line) => !line.corrected || line.id === here);
  return new Map(open.map((line) => [line.id, new Set(
    line.words.flatMap((word, place) => ((word.confidence ?? 1) < UNCERTAIN ? [place] : [])))]));
}

/** The uncertain words of a row that are still as they were read: [start, end] in its text. */
function spots(row) {
  const places = uncertain.get(row.line.id), text = row.field.value;
  if (!places) return [];
  const words = [...text.matchAll(/\S+/g)], same = text.split(/\s+/).length === row.line.words.length;
  return words.map((word, place) => ({ word, place }))
    .filter(({ word, place }) => same && places.has(place) && word[0] === row.line.words[place].text)
    .map(({ word }) => [word.index, word.index + word[0].length]);
}

function paint(row) {
  const text = row.field.value, parts = [];
  let from = 0;
  for (const [start, end] of spots(row)) {
    parts.push(text.slice(from, start), make("span", { class: "uncertain" }, text.slice(start, end)));
    from = end;
  }
  row.mirror.replaceChildren(...parts, text.slice(from) || "\u200b");
}

function makeRow(id) {
  const field = make("textarea", { rows: 1, spellcheck: "false", autocapitalize: "off", autocomplete: "off", enterkeyhint: "next" });
  const mirror = make("div", { class: "mirror", "aria-hidden": "true" });
  const number = make("span", { class: "number", "aria-hidden": "true" });
  const button = (name, label, action, extra = {}) => {
    const made = make("button", { type: "button", class: "button icon-only small", "aria-label": label, title: label, ...extra }, icon(name));
    made.addEventListener("pointerdown", (event) => event.preventDefault()); // the caret stays in the text
    made.addEventListener("click", () => action());
    return made;
  };
  const check = button("check", "Correct as it is", () => events.confirm(id, !rows.get(id).line.corrected), { "aria-pressed": "false" });
  const tools = make("div", { class: "line-tools", role: "group", "aria-label": "Line" }, check,
    button("list", "Other readings of the word (Alt+Enter)", () => showAlternatives(id)),
    button("split", "Split at the cursor", () => events.split(id, field.selectionStart)),
    button("merge", "Merge with the next line", () => events.merge(id, order[order.indexOf(id) + 1])),
    button("up", "Move up", () => events.move(id, -1)),
    button("down", "Move down", () => events.move(id, 1)),
    button("draw", "Draw its outline again", () => events.redraw(id)),
    button("delete", "Delete the line", () => events.remove(id)));
  const conflict = make("div", { class: "conflict", hidden: true });
  const element = make("li", { class: "line", "data-line": id }, number, make("div", { class: "field" }, mirror, field), conflict, tools);
  const row = { element, field, mirror, number, check, conflict, line: { id, text: "", words: [] }, before: "" };

  field.addEventListener("focus", () => {
    row.before = field.value;
    element.classList.add("current");
    events.entered(id);
  });
  field.addEventListener("blur", () => events.left(id));
  element.addEventListener("focusout", (event) => {
    if (!element.contains(event.relatedTarget)) element.classList.remove("current");
  });
  field.addEventListener("input", () => {
    if (/[\r\n]/.test(field.value)) setValue(field, field.value.replace(/\s*[\r\n]+\s*/g, " ")); // pasted
    paint(row);
    events.typed(id, field.value);
  });
  field.addEventListener("keydown", (event) => key(event, id, row));
  element.addEventListener("pointerenter", () => events.hinted(id));
  element.addEventListener("pointerleave", () => events.hinted(null));
  return row;
}

function key(event, id, row) {
  if (event.isComposing) return;
  const { field } = row, control = event.ctrlKey || event.metaKey;
  const act = (action) => (event.preventDefault(), action());
  if (event.key === "Enter" && event.altKey) act(() => showAlternatives(id));
  else if (event.key === "Enter") act(() => (events.confirm(id, true), step(id, 1)));
  else if (event.key === "Tab" && !control && !event.altKey) nextUncertain(event, id, event.shiftKey ? -1 : 1);
  else if (event.key === "Escape") act(() => escape(id, row));
  else if (event.altKey && event.key === "ArrowUp") act(() => events.move(id, -1));
  else if (event.altKey && event.key === "ArrowDown") act(() => events.move(id, 1));
  else if (event.key === "ArrowUp" && onEdge(field, -1)) act(() => step(id, -1));
  else if (event.key === "ArrowDown" && onEdge(field, 1)) act(() => step(id, 1));
}

/** Whether the caret is in the first or last row of a field, which may be wrapped. */
function onEdge(field, by) {
  const tall = field.clientHeight > 1.8 * parseFloat(getComputedStyle(field).lineHeight);
  return !tall || (by < 0 ? field.selectionStart === 0 : field.selectionEnd === field.value.length);
}

function escape(id, row) {
  if (row.field.value === row.before) return row.field.blur();
  setValue(row.field, row.before);
  paint(row);
  events.cancelled(id, row.before);
}

function step(id, by) {
  const next = order[order.indexOf(id) + by];
  if (next) focus(next);
}

/** Put the caret into a line. */
export function focus(id, start = null, end = start) {
  const row = rows.get(id);
  if (!row) return;
  const stays = document.activeElement === row.field;
  row.field.focus({ preventScroll: true });
  if (start !== null || !stays) row.field.setSelectionRange(start ?? 0, end ?? 0);
  const list = $("lines").parentElement, rect = row.element.getBoundingClientRect(), seen = list.getBoundingClientRect();
  if (rect.top < seen.top + 60 || rect.bottom > seen.bottom - 70) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    row.element.scrollIntoView({ block: "center", behavior: calm ? "instant" : "smooth" });
  }
}

/** The word at the caret, or where the selection begins: its place among the words, and [start, end] in the text. */
function wordAt({ value, selectionStart }) {
  const words = [...value.matchAll(/\S+/g)], place = words.findIndex((word) => word.index + word[0].length >= selectionStart);
  return place < 0 ? null : { place, text: words[place][0], start: words[place].index, end: words[place].index + words[place][0].length };
}

/** Let the user choose what else the word at the caret may be. */
async function showAlternatives(id) {
  const row = rows.get(id), { field } = row, word = wordAt(field);
  if (!word) return;
  const same = () => field.value.slice(word.start, word.end) === word.text;
  try {
    const found = await events.alternatives(id, word.place);
    if (!found || !same() || document.activeElement !== field) return;
    const chosen = await menu.choose(row.mirror, word, found.alternatives);
    field.focus({ preventScroll: true });
    if (chosen === null || !same()) return;
    field.setRangeText(chosen, word.start, word.end, "select");
    paint(row);
    events.typed(id, field.value);
  } catch (error) {
    events.failed(error);
  }
}

/** Select the next uncertain word. Without one the key does what it always does, so that nobody is held here. */
function nextUncertain(event, id, by) {
  const here = order.indexOf(id), caret = by > 0 ? rows.get(id).field.selectionEnd : rows.get(id).field.selectionStart;
  for (let place = here; place >= 0 && place < order.length; place += by) {
    const row = rows.get(order[place]);
    const found = spots(row).filter(([start, end]) => place !== here || (by > 0 ? start >= caret : end <= caret));
    if (!found.length) continue;
    event.preventDefault();
    return focus(order[place], ...found.at(by > 0 ? 0 : -1));
  }
}

/** A line was changed here and elsewhere: let the user choose. */
export function showConflict(id, theirs, mine, decide) {
  const row = rows.get(id);
  if (!row) return;
  const choose = (label, value) => {
    const button = make("button", { type: "button", class: "button small" }, label);
    button.addEventListener("click", () => {
      row.conflict.hidden = true;
      if (!value) setValue(row.field, theirs ?? "");
      decide(value);
    });
    return button;
  };
  row.conflict.replaceChildren(make("p", {}, "This line was changed elsewhere meanwhile: ", make("q", {}, theirs ?? "")),
    choose("Keep mine", true), choose("Take the other", false));
  row.conflict.hidden = false;
}

export const idAt = (place) => order[place];
export const placeOf = (text) => order.findIndex((id) => rows.get(id).line.text === text);
export const current = () => document.activeElement?.closest?.(".line")?.dataset.line;
