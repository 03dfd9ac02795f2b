// The library: all documents of the folder, what is being read, and the search.

import * as api from "./api.js";
import { $, counted, make, toast } from "./dom.js";
import * as learning from "./learning.js";

const BUSY_MS = 900, IDLE_MS = 5000; // between questions whether something has changed
let documents = new Map(), order = [], revision = 0, cards = new Map(), timer = 0, shown = false;

export function show() {
  shown = true;
  document.title = "inkread studio";
  update();
}

export function hide() {
  shown = false;
  clearTimeout(timer);
}

async function update() {
  clearTimeout(timer);
  let busy = false;
  try {
    const news = await api.overview(revision);
    revision = news.revision;
    for (const item of news.documents) documents.set(item.id, item);
    if (news.ids) order = news.ids;
    render(news);
    if (news.documents.length && $("query").value.trim()) search();
    busy = news.indexing || news.job.reading || news.job.waiting || news.learning?.running;
  } catch (error) {
    $("facts").textContent = error.message;
  }
  clearTimeout(timer);
  if (shown) timer = setTimeout(update, busy ? BUSY_MS : IDLE_MS);
}

function render(news) {
  $("folder").textContent = news.folder;
  for (const item of news.documents) {
    const card = makeCard(item);
    cards.get(item.id)?.replaceWith(card);
    cards.set(item.id, card);
  }
  if (news.ids) $("cards").replaceChildren(...order.map((id) => cards.get(id)));
  $("empty").hidden = order.length > 0;
  renderFacts(news.indexing);
  renderJob(news.job);
  learning.render(news, order.map((id) => documents.get(id)));
}

function renderFacts(indexing) {
  const all = order.map((id) => documents.get(id));
  const sum = (name) => all.reduce((total, item) => total + (item[name] || 0), 0);
  const pages = sum("pages"), read = sum("read"), lines = sum("lines"), corrected = sum("corrected");
  const facts = [indexing ? counted(order.length, "document") : counted(pages, "page")];
  if (pages && !indexing) facts.push(read === pages ? "all read" : `${read.toLocaleString()} read`);
  if (lines) facts.push(`${corrected.toLocaleString()} of ${counted(lines, "line")} corrected`);
  const text = order.length ? facts.join(" · ") : "";
  if ($("facts").textContent !== text) $("facts").textContent = text;
  $("read-all").hidden = read + sum("failed") >= pages;
  $("dataset").hidden = !corrected;
}

function renderJob(job) {
  const active = Boolean(job.reading || job.waiting);
  $("job").hidden = !active;
  if (!active) return;
  const total = job.done + job.waiting + (job.reading ? 1 : 0);
  $("job-bar").max = total;
  $("job-bar").value = job.done;
  $("job-text").textContent = `Reading ${job.reading || "…"} – ${job.done} of ${counted(total, "page")}`;
  $("read-all").hidden = true;
}

function makeCard(item) {
  const picture = make("img", { src: api.thumbnail(item.id, item.version), loading: "lazy", decoding: "async", alt: "" });
  picture.addEventListener("error", () => picture.remove());
  const parts = item.name.split("/"), name = parts.pop();
  const place = parts.length ? make("span", { class: "place" }, parts.join(" / ") + " /") : "";
  const pages = item.pages > 1 ? make("span", { class: "pages" }, counted(item.pages, "page")) : "";
  const start = make("p", { class: "start" }, item.start || "");
  const label = make("a", { href: `#/${item.id}/1`, class: "cover" }, name);
  return make("li", { class: "card" }, make("div", { class: "sheet" }, picture, pages),
    make("div", { class: "about" }, place, make("h2", {}, label), item.start ? start : "", status(item)));
}

function status(item) {
  const line = make("p", { class: "status" });
  if (item.error) {
    line.classList.add("wrong");
    line.append(item.error);
  } else if (!item.read) {
    line.append(item.pages === null ? "…" : "not read yet");
  } else {
    const bar = make("span", { class: "meter", "aria-hidden": "true" });
    bar.style.setProperty("--share", item.lines ? item.corrected / item.lines : 0);
    const all = item.lines && item.corrected === item.lines;
    line.append(bar, all ? `${counted(item.lines, "line")}, all corrected`
      : item.lines ? `${item.corrected} of ${counted(item.lines, "line")} corrected` : "no handwriting found");
    if (item.read < item.pages) line.append(` · ${item.read} of ${item.pages} pages read`);
    if (item.confidence !== null && !all) line.append(` · ${Math.round(100 * item.confidence)} % sure`);
    if (item.model) line.append(` · ${item.model}`);
  }
  return line;
}

// ---- search

let searched = 0;

async function search() {
  const query = $("query").value.trim();
  $("cards").hidden = Boolean(query);
  $("hits").hidden = !query;
  if (!query) return;
  const number = ++searched;
  const { hits } = await api.search(query).catch((error) => (toast(error.message, true), { hits: [] }));
  if (number !== searched) return; // a later one was faster
  const rows = hits.map((hit) => make("li", {},
    make("a", { href: `#/${hit.id}/${hit.page}?${encodeURIComponent(hit.text)}` },
      make("span", { class: "hit" }, ...marked(hit.text, query)),
      make("span", { class: "quiet" }, documents.get(hit.id)?.pages > 1 ? `${hit.name}, page ${hit.page}` : hit.name))));
  $("hits").replaceChildren(...(rows.length ? rows : [make("li", { class: "quiet none" }, "Nothing found.")]));
}

const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/** The text with the words of the query marked. Letters are compared without accents, which changes no lengths in NFC. */
function marked(text, query) {
  const words = folded(query).split(/\s+/);
  return text.split(/(\s+)/).map((part) =>
    part.trim() && words.some((word) => folded(part).includes(word)) ? make("mark", {}, part) : part);
}

// ---- adding documents

async function addFiles(files) {
  for (const file of files) {
    const pasted = new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", ".");
    const name = file.name && file.name !== "image.png" ? file.name : `pasted ${pasted}.png`;
    try {
      await api.add(name, file);
      toast(`${name} was added.`);
    } catch (error) {
      toast(error.message, true);
    }
    await update();
  }
}

export function start() {
  learning.start(update);
  $("add").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => addFiles([...$("file").files]).then(() => ($("file").value = "")));
  $("read-all").addEventListener("click", () => api.readAll().then(update, (error) => toast(error.message, true)));
  $("job-stop").addEventListener("click", () => api.stopReading().then(update, (error) => toast(error.message, true)));
  $("dataset").addEventListener("click", (event) => {
    event.preventDefault();
    api.download("/library/lines.zip").catch((error) => toast(error.message, true));
  });
  let waiting = 0;
  $("query").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 150);
  });
  let depth = 0; // drag events also come from the elements inside
  const dragging = (by) => {
    depth = by ? depth + by : 0;
    $("drop").hidden = depth <= 0;
  };
  const carriesFiles = (event) => shown && event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => carriesFiles(event) && dragging(1));
  addEventListener("dragleave", (event) => carriesFiles(event) && dragging(-1));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    dragging(0);
    addFiles([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => {
    if (shown && event.clipboardData?.files.length) addFiles([...event.clipboardData.files]);
  });
}
