// Elements of the page, and short messages.

export const $ = (id) => document.getElementById(id);

/** make("li", { class: "card" }, "text", child): an element with attributes and children. */
export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "use", "polygon", "polyline", "path", "title"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export const icon = (name) => make("svg", { class: "icon", "aria-hidden": "true" }, make("use", { href: `#i-${name}` }));

/** What a document or the pad can be read by: the model that comes with inkread, and those of the user. */
export const modelOptions = (model, models) => [make("option", { value: "" }, "included model"),
  ...models.map((name) => make("option", { value: name, selected: name === model }, name))];

export function toast(text, wrong = false) {
  const shown = make("p", { class: wrong ? "toast wrong" : "toast" }, text);
  $("toasts").append(shown);
  setTimeout(() => shown.remove(), wrong ? 9000 : 4000);
}

export const counted = (number, thing) => `${number.toLocaleString()} ${thing}${number === 1 ? "" : "s"}`;
