// The image of a page with the outlines of its lines: zoom, pan, choose a line, draw one.

import { $, make } from "./dom.js";

const canvas = $("canvas"), areas = $("areas"), outlines = $("outlines"), frame = $("frame");
const STEP = 1.3, CLOSEST = 12; // zoom per click, and at most
let size = { width: 1, height: 1 }, box = { x: 0, y: 0, width: 1 }, events = {}, drawing = null, touched = false;

const aspect = () => canvas.clientHeight / Math.max(canvas.clientWidth, 1) || 1;

function place() {
  box.width = Math.min(Math.max(box.width, size.width / CLOSEST), Math.max(size.width, size.height / aspect()) * 1.1);
  const height = box.width * aspect();
  const clamp = (start, seen, whole) =>
    seen >= whole ? (whole - seen) / 2 : Math.min(Math.max(start, -0.05 * seen), whole - 0.95 * seen);
  box.x = clamp(box.x, box.width, size.width);
  box.y = clamp(box.y, height, size.height);
  canvas.setAttribute("viewBox", `${box.x} ${box.y} ${box.width} ${height}`);
  canvas.style.setProperty("--pixel", box.width / Math.max(canvas.clientWidth, 1));
}

function zoom(factor, at = { x: box.x + box.width / 2, y: box.y + (box.width * aspect()) / 2 }) {
  touched = true;
  const before = box.width;
  box.width = before / factor;
  box.width = Math.min(Math.max(box.width, size.width / CLOSEST), Math.max(size.width, size.height / aspect()) * 1.1);
  box.x = at.x - ((at.x - box.x) * box.width) / before;
  box.y = at.y - ((at.y - box.y) * box.width) / before;
  place();
}

/** The whole page. */
export function fit() {
  box.width = Math.max(size.width, size.height / aspect()) * 1.02;
  box.x = (size.width - box.width) / 2;
  box.y = (size.height - box.width * aspect()) / 2;
  place();
}

/** The width of the page, from its top. */
function fitWidth() {
  box = { x: -0.01 * size.width, y: -0.01 * size.width, width: size.width * 1.02 };
  if (size.height / size.width < aspect()) fit();
  else place();
}

const at = (event) => {
  const rect = canvas.getBoundingClientRect(), scale = box.width / rect.width;
  return { x: box.x + (event.clientX - rect.left) * scale, y: box.y + (event.clientY - rect.top) * scale };
};

export function showImage(address, label) {
  $("image").setAttribute("href", address);
  $("view").setAttribute("aria-label", `Image of ${label}`);
  outlines.replaceChildren();
  areas.replaceChildren();
  touched = false;
  const probe = new Image(); // the size of a page that is not read yet
  probe.onload = () => $("image").getAttribute("href") === address && !outlines.dataset.sized
    && setSize(probe.naturalWidth, probe.naturalHeight);
  delete outlines.dataset.sized;
  probe.src = address;
}

function setSize(width, height) {
  if (size.width === width && size.height === height && touched) return;
  size = { width, height };
  $("image").setAttribute("width", width);
  $("image").setAttribute("height", height);
  fitWidth();
}

export function showLines(page) {
  if (page.width && page.height) {
    if (!outlines.dataset.sized) setSize(page.width, page.height);
    outlines.dataset.sized = "yes";
  }
  outlines.replaceChildren(...page.lines.filter((line) => line.polygon.length > 2).map((line) =>
    make("polygon", { points: line.polygon.map((point) => point.join(",")).join(" "), "data-line": line.id,
      class: line.corrected ? "outline done" : "outline" })));
  areas.replaceChildren(...page.excluded.map((area) =>
    make("polygon", { points: area.polygon.map((point) => point.join(",")).join(" "), "data-area": area.id, class: "area" })));
}

/** Mark an excluded area. */
export function hintArea(id) {
  for (const each of areas.children) each.classList.toggle("hinted", each.dataset.area === id);
}

/** Mark a line, and move the image so that it is seen. */
export function mark(id) {
  for (const each of outlines.children) each.classList.toggle("current", each.dataset.line === id);
  const chosen = [...outlines.children].find((each) => each.dataset.line === id);
  if (!chosen) return;
  const { x, y, width, height } = chosen.getBBox(), seen = box.width * aspect();
  if (y < box.y + 0.1 * seen || y + height > box.y + 0.9 * seen) box.y = y + height / 2 - seen * 0.42;
  if (x < box.x || x + width > box.x + box.width) {
    box.x = width > box.width ? x - 0.02 * box.width : x + width / 2 - box.width / 2;
  }
  place();
}

/** Mark the line that the mouse points at in the text. */
export function hint(id) {
  for (const each of outlines.children) each.classList.toggle("hinted", each.dataset.line === id);
}

/** Let the user draw a box; `done` is called with its corners. */
export function drawBox(done, button = null) {
  drawing = done;
  canvas.classList.toggle("drawing", Boolean(done));
  for (const id of ["draw", "exclude"]) $(id).setAttribute("aria-pressed", String(Boolean(done) && id === button));
}

export const isDrawing = (button) => $(button).getAttribute("aria-pressed") === "true";

export function start(given) {
  events = given;
  const pointers = new Map();
  let began = null, moved = false, spread = 0;

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pointers.set(event.pointerId, event);
    canvas.setPointerCapture(event.pointerId);
    moved = false;
    began = { client: event, point: at(event), box: { ...box }, line: event.target.dataset.line };
    spread = distance();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, event);
    if (pointers.size > 1) {
      const now = distance();
      if (spread) zoom(now / spread, at(middle()));
      spread = now;
      moved = true;
    } else if (drawing) {
      showFrame(began.point, at(event));
    } else {
      const [x, y] = [event.clientX - began.client.clientX, event.clientY - began.client.clientY];
      if (!moved && Math.hypot(x, y) < 4) return;
      moved = touched = true;
      const scale = box.width / canvas.clientWidth;
      Object.assign(box, { x: began.box.x - x * scale, y: began.box.y - y * scale });
      place();
    }
  });
  const end = (event) => {
    if (!pointers.delete(event.pointerId) || pointers.size) return;
    frame.setAttribute("hidden", "");
    if (drawing && event.type === "pointerup") finish(began.point, at(event));
    else if (!moved && began.line) events.chosen(began.line);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    if (event.ctrlKey || event.metaKey) return zoom(Math.exp(-event.deltaY * lines * 0.004), at(event));
    const scale = (box.width / canvas.clientWidth) * lines;
    touched = true;
    box.x += (event.shiftKey ? event.deltaY : event.deltaX) * scale;
    box.y += (event.shiftKey ? 0 : event.deltaY) * scale;
    place();
  }, { passive: false });
  canvas.addEventListener("pointerover", (event) => events.hinted(event.target.dataset.line));

  const all = () => [...pointers.values()];
  const distance = () => pointers.size < 2 ? 0
    : Math.hypot(all()[0].clientX - all()[1].clientX, all()[0].clientY - all()[1].clientY);
  const middle = () => ({ clientX: (all()[0].clientX + all()[1].clientX) / 2, clientY: (all()[0].clientY + all()[1].clientY) / 2 });

  $("zoom-in").addEventListener("click", () => zoom(STEP));
  $("zoom-out").addEventListener("click", () => zoom(1 / STEP));
  $("fit").addEventListener("click", fit);
  addEventListener("keydown", (event) => {
    if ($("page").hidden || event.ctrlKey || event.metaKey || event.target.matches("input, textarea")) return;
    if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0") fit();
    else if (event.key === "Escape" && drawing) drawBox(null);
  });
  new ResizeObserver(() => (touched ? place() : fitWidth())).observe(canvas);
}

function showFrame(from, to) {
  frame.removeAttribute("hidden");
  frame.setAttribute("x", Math.min(from.x, to.x));
  frame.setAttribute("y", Math.min(from.y, to.y));
  frame.setAttribute("width", Math.abs(from.x - to.x));
  frame.setAttribute("height", Math.abs(from.y - to.y));
}

function finish(from, to) {
  const inside = (value, end) => Math.round(Math.min(Math.max(value, 0), end - 1));
  const [left, right] = [from.x, to.x].map((x) => inside(x, size.width)).sort((a, b) => a - b);
  const [top, bottom] = [from.y, to.y].map((y) => inside(y, size.height)).sort((a, b) => a - b);
  if (right - left < 5 || bottom - top < 5) return; // a click
  const done = drawing;
  drawBox(null);
  done([[left, top], [right, top], [right, bottom], [left, bottom]]);
}
