// A list below a word from which the user chooses: arrow keys and Enter, or a click; Esc closes it.

import { make } from "./dom.js";

/** The rectangle of a part of the text in an element, on the screen. */
function place(element, start, end) {
  const range = document.createRange(), walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let before = 0, begun = false;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const length = node.data.length;
    if (!begun && before + length > start) (range.setStart(node, start - before), (begun = true));
    if (begun && before + length >= end) {
      range.setEnd(node, end - before);
      return range.getBoundingClientRect();
    }
    before += length;
  }
  return element.getBoundingClientRect();
}

/** Resolves to the text that the user has chosen instead of a word, or null. */
export function choose(mirror, { start, end, text }, alternatives) {
  const field = mirror.parentElement, rect = place(mirror, start, end), origin = field.getBoundingClientRect();
  const options = alternatives.map((other, number) => make("li", { role: "option", id: `alternative-${number}` }, other));
  const list = make("ul", { class: "alternatives", role: "listbox", tabindex: "-1", "aria-label": `Instead of ${text}` },
    ...(options.length ? options : [make("li", { role: "option", "aria-disabled": "true", class: "quiet" }, "nothing else found")]));
  list.style.left = `${rect.left - origin.left}px`;
  list.style.top = `${rect.bottom - origin.top + 3}px`;
  field.append(list);
  const over = list.getBoundingClientRect().right - document.documentElement.clientWidth + 8;
  if (over > 0) list.style.left = `${rect.left - origin.left - over}px`;
  let current = 0;
  const show = () => {
    options.forEach((option, number) => option.setAttribute("aria-selected", String(number === current)));
    if (options.length) list.setAttribute("aria-activedescendant", options[current].id);
    options[current]?.scrollIntoView({ block: "nearest" });
  };
  show();
  list.focus({ preventScroll: true });
  list.scrollIntoView({ block: "nearest" });

  return new Promise((resolve) => {
    let open = true;
    const finish = (text) => {
      if (!open) return; // removing the list takes the focus from it, which would close it again
      open = false;
      list.remove();
      resolve(text);
    };
    list.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && options.length) current = (current + step + options.length) % options.length;
      else if (event.key === "Home") current = 0;
      else if (event.key === "End") current = Math.max(0, options.length - 1);
      else if (event.key === "Enter") finish(alternatives[current] ?? null);
      else if (event.key === "Escape" || event.key === "Tab") finish(null);
      else return;
      event.preventDefault();
      show();
    });
    options.forEach((option, number) => option.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      finish(alternatives[number]);
    }));
    list.addEventListener("blur", () => finish(null));
  });
}
