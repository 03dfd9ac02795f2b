// Requests to the server. Every failure is an Error with one line of text and, where it answered, the status.

let csrf = document.querySelector("meta[name=csrf-token]").content;

export class Failure extends Error {
  constructor(text, status = 0) {
    super(text);
    this.status = status;
  }
}

async function send(path, options) {
  try {
    return await fetch(path, { ...options, headers: { "X-CSRF-Token": csrf, ...options.headers } });
  } catch {
    throw new Failure("The server does not answer.");
  }
}

/** The CSRF token of a server that was started again meanwhile; whether it is another one. */
async function renewed() {
  const old = csrf, html = await (await send("/", {})).text();
  csrf = new DOMParser().parseFromString(html, "text/html").querySelector("meta[name=csrf-token]")?.content || old;
  return csrf !== old;
}

async function ask(path, options = {}) {
  let response = await send(path, options);
  if (response.status === 403 && (await renewed())) response = await send(path, options);
  if (response.ok || response.status === 304) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Failure(answer.error || `The server answered ${response.status}.`, response.status);
}

const json = async (...request) => (await ask(...request)).json();
const pagePath = (id, number) => `/library/documents/${id}/pages/${number}`;

export const overview = (since) => json(`/library?since=${since}`);
export const search = (query) => json(`/library/search?q=${encodeURIComponent(query)}`);
export const readAll = () => json("/library/reading", { method: "POST" });
export const stopReading = () => json("/library/reading", { method: "DELETE" });
export const thumbnail = (id, version) => `/library/documents/${id}/thumbnail?v=${version}`;
export const image = (id, number, version) => `${pagePath(id, number)}/image?v=${version}`;

const put = (method, body) => ({ method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
export const learn = (name, documents, everywhere) => json("/library/learning", put("POST", { name, documents, everywhere }));
export const stopLearning = () => json("/library/learning", { method: "DELETE" });
export const chooseModel = (id, model) => json(`/library/documents/${id}/model`, put("PUT", { model }));
export const alternatives = (id, number, line, word) =>
  json(`${pagePath(id, number)}/alternatives?${new URLSearchParams({ line, word })}`);

export const add = (name, file) =>
  json(`/library/documents?name=${encodeURIComponent(name)}`, { method: "POST", body: file });

export const readPad = (strokes) => json("/pad/strokes", { method: "POST", body: JSON.stringify({ strokes }) });
export const padModel = () => json("/pad/model");
export const choosePadModel = (model) => json("/pad/model", put("PUT", { model }));
export const addPad = (name, lines) => json(`/pad/documents?name=${encodeURIComponent(name)}`, { method: "POST", body: lines });

/** A page with its lines; null if it still has the version that is known. */
export async function page(id, number, version) {
  const headers = version ? { "If-None-Match": `"${version}"` } : {};
  const response = await ask(pagePath(id, number), { headers });
  return response.status === 304 ? null : response.json();
}

/** The page after edits. Fails with status 412 if it has another version by now. */
export const edit = (id, number, version, edits, keepalive = false) =>
  json(pagePath(id, number), {
    method: "PATCH",
    keepalive,
    headers: { "If-Match": `"${version}"`, "Content-Type": "application/json" },
    body: JSON.stringify(edits),
  });

export const restore = (id, number, version, wanted) =>
  json(`${pagePath(id, number)}/versions/${wanted}`, { method: "PUT", headers: { "If-Match": `"${version}"` } });

/** Save a file on the user's computer. */
export async function download(path, options = {}) {
  const response = await ask(path, options);
  const name = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("content-disposition") || "");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name ? decodeURIComponent(name[1]) : "export";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
