// One page: the image on one side, the text on the other, and the saving between them.

import * as api from "./api.js";
import { $, make, modelOptions, toast } from "./dom.js";
import { Saver } from "./saver.js";
import * as text from "./text.js";
import * as view from "./view.js";

const READING_MS = 600, WATCH_MS = 3000; // between questions whether the page is read, or was changed elsewhere
const FORMATS = { text: "Plain text", md: "Markdown", pdf: "Searchable PDF", page: "PAGE XML", alto: "ALTO XML",
  hocr: "hOCR", json: "JSON Lines", tsv: "Table of words (TSV)", dataset: "Corrected lines for training" };
let shown = null, saver = null, timer = 0, visit = 0;

export async function show(id, number, search) {
  const mine = ++visit;
  shown = { id, number };
  saver = null;
  text.clear();
  $("excluded").replaceChildren();
  $("undo").disabled = $("redo").disabled = true;
  say(null);
  state("");
  $("progress").textContent = "";
  try {
    const page = await api.page(id, number);
    if (mine !== visit) return;
    head(page);
    showModels(page);
    view.showImage(api.image(id, number, page.image), page.name);
    await arrived(page, mine);
    // On a touch screen the focus would bring up the keyboard, which takes half of the screen.
    if (saver && (search || matchMedia("(pointer: fine)").matches)) text.focus(text.idAt(Math.max(0, text.placeOf(search))));
  } catch (error) {
    if (mine === visit) say(error.message, true);
  }
}

/** Leave the page; what was typed is sent first. */
export function hide() {
  visit++;
  clearTimeout(timer);
  const left = saver?.leave();
  saver = null;
  shown = null;
  return left;
}

function head(page) {
  const name = page.name.split("/").pop();
  document.title = `${name} – inkread studio`;
  $("name").textContent = name;
  $("name").title = page.name;
  $("number").textContent = page.pages > 1 ? `${page.number} / ${page.pages}` : "";
  link("previous", page.number > 1 ? [page.id, page.number - 1] : [page.before, 1]);
  link("next", page.number < page.pages ? [page.id, page.number + 1] : [page.after, 1]);
}

/** The model that reads this document, where the user has some to choose from. */
function showModels({ model, models }) {
  $("reads").hidden = !models.length;
  $("model").replaceChildren(...modelOptions(model, models));
}

function chooseModel() {
  const name = $("model").value;
  api.chooseModel(shown.id, name).then(
    () => toast("The lines that are not corrected are read again."), (error) => toast(error.message, true));
}

function link(id, [document, number]) {
  const attributes = document ? { href: `#/${document}/${number}` } : { role: "link", "aria-disabled": "true" };
  for (const name of ["href", "role", "aria-disabled"]) $(id).removeAttribute(name);
  for (const [name, value] of Object.entries(attributes)) $(id).setAttribute(name, value);
}

/** A page has come from the server: show it, or wait until it is read. */
async function arrived(page, mine) {
  if (page.state !== "read") {
    if (page.error) return say(page.error, true);
    say("Reading this page …");
    $("page").classList.add("reading");
    await new Promise((done) => (timer = setTimeout(done, READING_MS)));
    if (mine !== visit) return;
    return arrived(await api.page(page.id, page.number), mine);
  }
  say(page.lines.length ? null : "No handwriting was found here. “Add line” lets you draw a box around a line.");
  saver = new Saver(page, { changed, state, conflict });
  saver.file = page.file;
  changed(page);
  state("Saved");
  watch(mine);
}

function changed(page) {
  if (!saver || page.id !== shown?.id || page.number !== shown.number) return;
  shown.page = page;
  text.show(page, (line) => saver.pending.has(line));
  view.showLines(page);
  showExcluded(page);
  view.mark(text.current());
  $("page").classList.remove("reading");
  $("undo").disabled = !saver.undos.length;
  $("redo").disabled = !saver.redos.length;
  $("confirm-all").hidden = page.lines.every((line) => line.corrected);
  if (page.lines.length) say(null);
}

function state(words, wrong = false) {
  const line = words === "Saved" && saver ? `Saved in ${saver.file}` : words;
  if ($("saved").textContent !== line) $("saved").textContent = line;
  $("saved").classList.toggle("wrong", wrong);
  $("saved").classList.toggle("busy", words === "Saving…");
}

function say(words, wrong = false) {
  $("message").hidden = !words;
  $("message").textContent = words || "";
  $("message").classList.toggle("wrong", wrong);
  if (wrong) $("page").classList.remove("reading");
}

function conflict(line, theirs, mine) {
  text.showConflict(line, theirs, mine, (keep) => saver?.decide(line, keep));
  state("A line was changed elsewhere too: choose which text to keep", true);
}

/** Look now and then whether another tab or program has changed the page. */
function watch(mine) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    if (mine !== visit || !saver) return;
    if (saver.clean && document.visibilityState === "visible") {
      try {
        const version = saver.version, page = await api.page(shown.id, shown.number, version);
        if (mine === visit && page?.state === "read" && saver.clean && saver.version === version) {
          saver.adopt(page);
          saver.undos = [];
          saver.redos = [];
          changed(page);
          toast("The page was changed elsewhere; this is how it is now.");
        }
        if ($("saved").classList.contains("lost")) state("Saved");
        $("saved").classList.remove("lost");
      } catch (error) {
        if (mine === visit && saver) state(error.message, true);
        $("saved").classList.add("lost");
      }
    }
    watch(mine);
  }, WATCH_MS);
}

/** Make an edit of lines, and put the caret where the work goes on. */
async function edit(edits, focus) {
  if (!saver) return;
  state("Saving…");
  const page = await saver.edit(edits);
  if (page) text.focus(focus?.(page) ?? text.current());
}

export function start() {
  text.start({
    entered: (id) => {
      if (saver) saver.group = `${id}/${performance.now()}`;
      view.mark(id);
    },
    left: () => saver?.flush(),
    typed: (id, value) => saver?.type(id, value),
    cancelled: cancel,
    hinted: view.hint,
    confirm: (id, corrected) => {
      if (!saver) return;
      const line = shown.page.lines.find((each) => each.id === id);
      if (saver.pending.has(id)) saver.flush(); // saving what was typed says that it is right
      else if (line && line.corrected !== corrected) saver.edit([{ kind: "confirm", line: id, corrected }]);
    },
    alternatives: async (id, word) => {
      await saver?.flush();
      return shown && api.alternatives(shown.id, shown.number, id, word);
    },
    failed: (error) => toast(error.message, true),
    split: (id, at) => edit([{ kind: "split", line: id, at }]),
    merge: (id, other) => other && edit([{ kind: "merge", line: id, with: other }], () => id),
    move: (id, by) => edit([{ kind: "move", line: id, by }], () => id),
    remove: (id) => {
      const lines = shown.page.lines, place = lines.findIndex((line) => line.id === id);
      const next = (lines[place + 1] || lines[place - 1])?.id;
      edit([{ kind: "delete", line: id }], () => next).then(() => toast("Line deleted. Undo brings it back."));
    },
    redraw: (id) => draw((polygon) => edit([{ kind: "shape", line: id, polygon }], () => id)),
  });
  view.start({ chosen: (id) => text.focus(id), hinted: (id) => mark(id) });
  $("model").addEventListener("change", chooseModel);
  $("confirm-all").addEventListener("click", () => edit(
    shown.page.lines.filter((line) => !line.corrected).map((line) => ({ kind: "confirm", line: line.id, corrected: true }))));
  $("draw").addEventListener("click", () => (view.isDrawing("draw") ? view.drawBox(null) : draw(add, "draw")));
  $("exclude").addEventListener("click", () => (view.isDrawing("exclude") ? view.drawBox(null)
    : draw((polygon) => edit([{ kind: "exclude", polygon }]), "exclude")));
  $("read-again").addEventListener("click", async () => {
    $("page").classList.add("reading");
    await edit([{ kind: "read" }]);
    $("page").classList.remove("reading");
  });
  $("undo").addEventListener("click", () => saver?.undo());
  $("redo").addEventListener("click", () => saver?.redo());
  $("help").addEventListener("click", () => $("keys").showModal());
  for (const [format, label] of Object.entries(FORMATS)) {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", () => exportAs(format));
    $("formats").append(make("li", {}, button));
  }
  addEventListener("click", (event) => $("export").contains(event.target) || $("export").removeAttribute("open"));
  $("export").addEventListener("keydown", (event) => {
    if (event.key === "Escape") ($("export").removeAttribute("open"), $("export").firstElementChild.focus());
  });
  addEventListener("keydown", keys);
  addEventListener("beforeunload", (event) => saver && !saver.clean && event.preventDefault());
  addEventListener("pagehide", () => saver?.leave());
  addEventListener("visibilitychange", () => document.visibilityState === "hidden" && saver?.flush());
}

function mark(id) {
  for (const row of $("lines").children) row.classList.toggle("hinted", row.dataset.line === id);
}

function draw(done, button = null) {
  if (!saver) return;
  toast(`Draw a box around ${button === "exclude" ? "what is not to be read" : "the line"} on the image. Esc stops.`);
  view.drawBox(done, button);
}

/** The excluded areas, below the lines. */
function showExcluded(page) {
  $("excluded").replaceChildren(...page.excluded.map((area, place) => {
    const button = make("button", { type: "button", class: "button small" }, "Include again");
    button.addEventListener("click", () => edit([{ kind: "include", area: area.id }]).then(
      () => toast("“Read again” finds the lines there.")));
    const row = make("li", {}, make("span", {}, `Excluded area ${place + 1}`), button);
    row.addEventListener("pointerenter", () => view.hintArea(area.id));
    row.addEventListener("pointerleave", () => view.hintArea(null));
    return row;
  }));
}

function add(polygon) {
  const known = new Set(shown.page.lines.map((line) => line.id));
  edit([{ kind: "draw", polygon }], (page) => page.lines.find((line) => !known.has(line.id))?.id);
}

/** Esc in a line: what was typed since the caret came into it is taken back, also where it was saved meanwhile. */
async function cancel(id, before) {
  if (!saver) return;
  const group = saver.group;
  if (saver.known.get(id) === before) return saver.forget(id);
  saver.forget(id);
  await saver.flush();
  if (saver?.lastGroup === group && saver.known.get(id) !== before) await saver.undo();
}

async function exportAs(format) {
  $("export").removeAttribute("open");
  const { id } = shown;
  await saver?.flush();
  api.download(`/library/documents/${id}/export/${format}`).catch((error) => toast(error.message, true));
}

/** Undo and redo; in a text that is not saved yet, they are those of the browser. */
function keys(event) {
  if (!saver || !(event.ctrlKey || event.metaKey) || event.altKey) return;
  const redo = event.key.toLowerCase() === "y" || (event.shiftKey && event.key.toLowerCase() === "z");
  if (!redo && event.key.toLowerCase() !== "z") return;
  if (!saver.clean) return;
  event.preventDefault();
  if (redo) saver.redo();
  else saver.undo();
}
