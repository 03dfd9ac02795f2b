// Saves the edits of one page: text half a second after it was typed, and nothing is called saved before the disk has it.

import * as api from "./api.js";

const TYPING_MS = 400, LONGEST_MS = 700; // after the last key, and after the first one that is not saved
const RETRY_MS = [1000, 2000, 5000];

export class Saver {
  /** changed(page): the page after a save. state(text, wrong): what to tell the user. conflict(line, theirs). */
  constructor(page, { changed, state, conflict }) {
    Object.assign(this, { id: page.id, number: page.number, version: page.version, changed, state, conflict });
    this.known = new Map(page.lines.map((line) => [line.id, line.text])); // as they are in the file
    this.pending = new Map(); // line -> { text, base }: what the user typed, and what it replaces
    this.undos = [];
    this.redos = [];
    this.group = null; // edits of one visit to a line are undone together
    this.queue = Promise.resolve();
    this.failures = 0;
  }

  get clean() {
    return this.pending.size === 0;
  }

  /** The user has typed: save it soon. */
  type(line, text) {
    const base = this.pending.get(line)?.base ?? this.known.get(line) ?? "";
    this.pending.set(line, { text, base, stuck: this.pending.get(line)?.stuck });
    this.state("Saving…");
    this.first ??= Date.now();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), Math.max(0, Math.min(TYPING_MS, this.first + LONGEST_MS - Date.now())));
  }

  /** What was typed in a line is taken back before it was saved. */
  forget(line) {
    this.pending.delete(line);
    if (this.clean) this.state("Saved");
  }

  /** Save all that was typed. Resolves when it is on the disk, or could not be saved. */
  flush() {
    clearTimeout(this.timer);
    this.first = null;
    this.queue = this.queue.then(() => this.#sendTyped()).catch(() => {});
    return this.queue;
  }

  /** Make other edits, behind those that were typed. Resolves to the page, or null if it failed. */
  edit(edits) {
    this.flush();
    const sent = this.queue.then(() => this.#send(edits, null));
    this.queue = sent.catch(() => {});
    return sent.catch((error) => (this.state(error.message, true), null));
  }

  undo() {
    return this.#travel(this.undos, this.redos);
  }

  redo() {
    return this.#travel(this.redos, this.undos);
  }

  /** Take over what another tab or program has saved. */
  adopt(page) {
    this.version = page.version;
    this.known = new Map(page.lines.map((line) => [line.id, line.text]));
  }

  async #sendTyped() {
    const typed = [...this.pending].filter(([, edit]) => !edit.stuck);
    if (!typed.length) return;
    const edits = typed.map(([line, { text }]) => ({ kind: "text", line, text }));
    try {
      await this.#send(edits, this.group);
    } catch (error) {
      if (error.status === 422) return; // no retry helps; the text stays on the screen, and the message too
      const wait = error.status === 412 ? 0 : RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
      this.timer = setTimeout(() => this.flush(), wait);
      return;
    }
    for (const [line, { text }] of typed) if (this.pending.get(line)?.text === text) this.pending.delete(line);
    this.failures = 0;
    this.state(this.clean ? "Saved" : "Saving…");
  }

  async #send(edits, group) {
    const before = this.version;
    let page;
    try {
      page = await api.edit(this.id, this.number, before, edits);
    } catch (error) {
      if (error.status === 412) {
        await this.#rebase();
        throw error;
      }
      this.state(`Not saved: ${error.message}`, true);
      throw error;
    }
    if (page.version !== before) {
      if (group === null || group !== this.lastGroup) this.undos.push(before);
      this.lastGroup = group;
      this.redos = [];
    }
    this.adopt(page);
    this.changed(page);
    if (this.clean || group !== null) this.state("Saved");
    return page;
  }

  /** The file was changed elsewhere: what was typed is kept where the line there is still the same. */
  async #rebase() {
    const page = await api.page(this.id, this.number);
    if (!page || page.state !== "read") return;
    this.undos = [];
    this.redos = [];
    this.adopt(page);
    for (const [line, edit] of this.pending) {
      const theirs = this.known.get(line);
      if (theirs === edit.base || theirs === edit.text) continue;
      edit.stuck = true;
      this.conflict(line, theirs, edit.text);
    }
    this.changed(page);
  }

  /** The user has decided about a line that was changed elsewhere too. */
  decide(line, mine) {
    const edit = this.pending.get(line);
    if (!edit) return;
    if (mine) Object.assign(edit, { stuck: false, base: this.known.get(line) ?? "" });
    else this.pending.delete(line);
    this.flush();
  }

  async #travel(from, to) {
    await this.flush();
    if (!from.length || !this.clean) return;
    const wanted = from.pop(), before = this.version;
    try {
      const page = await api.restore(this.id, this.number, before, wanted);
      to.push(before);
      this.lastGroup = null;
      this.adopt(page);
      this.changed(page);
      this.state("Saved");
    } catch (error) {
      if (error.status === 412) await this.#rebase().catch(() => {});
      this.state(error.message, true);
    }
  }

  /** The page is being left: send what is left, which the browser finishes even if the tab is closed. */
  leave() {
    clearTimeout(this.timer);
    const typed = [...this.pending].filter(([, edit]) => !edit.stuck);
    if (!typed.length) return Promise.resolve();
    const edits = typed.map(([line, { text }]) => ({ kind: "text", line, text }));
    return api.edit(this.id, this.number, this.version, edits, true).then(() => this.pending.clear(), () => {});
  }
}
