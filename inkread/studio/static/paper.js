// The paper of the pad: strokes are drawn on it with pen, finger or mouse, and erased.

import { $, make } from "./dom.js";

const ERASER = 9; // pixels around the pointer
const PALM = 50; // pixels: a larger contact is no finger
const BELOW = 200; // pixels of empty paper below the last stroke
const paper = $("paper"), sheet = $("sheet");
let strokes = new Map(), paths = new Map(), events = {}, erasing = false, penSeen = false, latest = 0;

/** { id, width, points: [[x, y], ...] } for each stroke, in the order in which they were written: that of their ids. */
export const all = () => [...strokes.values()].sort((a, b) => a.id - b.id);
export const has = (id) => strokes.has(id);

export function add(stroke) {
  strokes.set(stroke.id, stroke);
  latest = Math.max(latest, stroke.id);
  const path = make("path", { d: curve(stroke.points), "stroke-width": stroke.width });
  paths.set(stroke.id, path);
  sheet.append(path);
  size();
}

export function remove(id) {
  strokes.delete(id);
  paths.get(id)?.remove();
  paths.delete(id);
}

/** Show in which strokes a line was read. */
export function mark(ids) {
  for (const [id, path] of paths) path.classList.toggle("marked", ids.includes(id));
  const boxes = ids.filter((id) => paths.has(id)).map((id) => paths.get(id).getBBox());
  if (!boxes.length) return;
  const top = Math.min(...boxes.map((box) => box.y)), bottom = Math.max(...boxes.map((box) => box.y + box.height));
  const seen = paper.scrollTop, height = paper.clientHeight;
  if (top < seen || bottom > seen + height) paper.scrollTop = Math.max(0, (top + bottom - height) / 2);
}

export function setErasing(on) {
  erasing = on;
  paper.classList.toggle("erasing", on);
}

/** The paper is as large as the view, and reaches beyond all strokes. */
function size() {
  const points = all().flatMap((stroke) => stroke.points);
  const width = points.reduce((most, [x]) => Math.max(most, x + 12), paper.clientWidth);
  const height = points.reduce((most, [, y]) => Math.max(most, y + BELOW), paper.clientHeight);
  sheet.setAttribute("width", width);
  sheet.setAttribute("height", height);
}

/** A smooth path: a quadratic curve from the middle of each edge to the middle of the next. */
function curve(points) {
  const [[x, y], ...rest] = points;
  if (!rest.length) return `M${x} ${y}h.01`;
  let path = `M${x} ${y}`;
  rest.forEach(([x, y], place) => {
    const [nextX, nextY] = rest[place + 1] || [x, y];
    path += `Q${x} ${y} ${(x + nextX) / 2} ${(y + nextY) / 2}`;
  });
  return path;
}

/** Whether a stroke comes near to a point. */
function touches({ points, width }, [x, y]) {
  return points.some(([endX, endY], place) => {
    const [startX, startY] = points[Math.max(0, place - 1)], [wayX, wayY] = [endX - startX, endY - startY];
    const part = ((x - startX) * wayX + (y - startY) * wayY) / (wayX * wayX + wayY * wayY || 1);
    const along = Math.min(Math.max(part, 0), 1);
    return Math.hypot(startX + along * wayX - x, startY + along * wayY - y) < ERASER + width / 2;
  });
}

const rounded = (value) => Math.max(0, Math.round(value * 10) / 10);

export function start(given) {
  events = given;
  const touching = new Map(); // fingers on the paper
  let current = null; // what the pointer that was first is doing

  sheet.addEventListener("pointerdown", (event) => {
    if (Math.max(event.width, event.height) > PALM) return;
    if (event.pointerType === "touch") touching.set(event.pointerId, event);
    if (event.pointerType === "pen") penSeen = true;
    const rejected = event.pointerType === "touch" && (penSeen || touching.size > 1);
    if (rejected) return cancelTouch(); // a palm, or fingers that move the paper
    if (current && event.pointerType === "pen") cancelTouch(); // what the palm has begun
    if (current || (event.button !== 0 && event.button !== 5)) return;
    event.preventDefault();
    document.activeElement?.blur?.();
    sheet.setPointerCapture(event.pointerId);
    const erases = erasing || event.button === 5; // the other end of the pen
    current = { pointer: event.pointerId, type: event.pointerType, box: sheet.getBoundingClientRect(), points: [], pressure: 0, count: 0, erased: [], erases };
    if (!erases) {
      current.path = make("path", { "stroke-width": 2.2 });
      sheet.append(current.path);
    }
    follow([event]);
  });

  sheet.addEventListener("pointermove", (event) => {
    const before = touching.get(event.pointerId), share = touching.size;
    if (before) touching.set(event.pointerId, event);
    if (before && !current) {
      paper.scrollBy((before.clientX - event.clientX) / share, (before.clientY - event.clientY) / share);
    }
    if (event.pointerId !== current?.pointer) return;
    const between = event.getCoalescedEvents?.() || []; // all places since the last frame
    follow(between.length ? between : [event]);
  });

  function follow(moves) {
    for (const { clientX, clientY, pressure } of moves) {
      const point = [rounded(clientX - current.box.left), rounded(clientY - current.box.top)];
      if (current.erases) {
        for (const stroke of all().filter((stroke) => touches(stroke, point))) {
          remove(stroke.id);
          current.erased.push(stroke);
        }
        continue;
      }
      const last = current.points.at(-1);
      if (last && last[0] === point[0] && last[1] === point[1]) continue;
      current.points.push(point);
      current.pressure += pressure || 0.5;
      current.count += 1;
    }
    if (!current.erases) {
      current.width = Math.round(10 * (1.3 + (1.8 * current.pressure) / current.count)) / 10;
      current.path.setAttribute("d", curve(current.points));
      current.path.setAttribute("stroke-width", current.width);
    }
  }

  function cancelTouch() {
    if (current?.type !== "touch") return;
    current.path?.remove();
    if (current.erased.length) events.erased(current.erased);
    current = null;
  }

  const end = (event) => {
    touching.delete(event.pointerId);
    if (event.pointerId !== current?.pointer) return;
    const { points, width, erased, erases, path } = current;
    path?.remove();
    current = null;
    if (erases) return erased.length && events.erased(erased);
    if (event.type === "pointerup") events.written({ id: latest + 1, width, points });
  };
  sheet.addEventListener("pointerup", end);
  sheet.addEventListener("pointercancel", end);
  new ResizeObserver(size).observe(paper);
}
