// The user's source, with the cost of each line. A click on a line selects its ops.

import { $, bytes, el, short } from "./dom.js";

const METRICS = {
  FLOPs: { of: (cost) => cost.flops, text: short },
  bytes: { of: (cost) => cost.bytes, text: bytes },
  ops: { of: (cost) => cost.ops, text: short },
};

export class SourceView {
  constructor(model) {
    this.model = model;
    this.metric = "FLOPs";
    this.rows = new Map();
    this.build();
    model.watch((what) => (what === "stage" ? this.showCosts() : this.showSelection()));
  }

  build() {
    const files = this.model.content.files.filter((file) => file.lines.length);
    const choice = el("select", { title: "What the bars show" });
    for (const name of Object.keys(METRICS)) choice.append(el("option", {}, name));
    choice.addEventListener("change", () => {
      this.metric = choice.value;
      this.showCosts();
    });
    const head = el("div", { class: "head" }, el("h2", {}, "Source"), choice);
    const parts = files.map((file) => this.file(file));
    const none = el("p", { class: "none" }, "No op says which line it comes from.");
    $("source").replaceChildren(head, ...(parts.length ? parts : [none]));
    this.showCosts();
  }

  file(file) {
    const number = this.model.content.files.indexOf(file);
    const list = el("div", { class: "code" });
    let before = 0;
    for (const [line, text] of file.lines) {
      if (before && line > before + 1) list.append(el("div", { class: "gap" }, "⋯"));
      list.append(this.line(number, line, text));
      before = line;
    }
    return el("details", { open: true }, el("summary", { title: file.path }, file.name), list);
  }

  line(file, line, text) {
    const bar = el("span", { class: "meter" });
    const cost = el("span", { class: "cost" }, bar, el("b"));
    const row = el("div", { class: "line", data: { line: `${file}:${line}` } },
      el("span", { class: "number" }, String(line)), cost, el("code", {}, text || " "));
    row.addEventListener("click", () => this.choose(file, line));
    row.addEventListener("keydown", (event) => event.key === "Enter" && this.choose(file, line));
    this.rows.set(`${file}:${line}`, row);
    return row;
  }

  choose(file, line) {
    this.quiet = true;
    this.model.select(this.model.opsOfLine(file, line));
    this.quiet = false;
  }

  /** What each line costs at the stage that is shown. */
  costs() {
    const { content, opsByLine } = this.model;
    const found = new Map();
    if (content.folded) {
      for (const [file, line, ops, flops, , b] of content.lines) {
        found.set(`${file}:${line}`, { ops, flops, bytes: b });
      }
      return found;
    }
    for (const [place, ops] of opsByLine) {
      const sum = { ops: ops.length, flops: 0, bytes: 0 };
      for (const cost of ops.map((op) => this.model.cost(op))) {
        sum.flops += cost.flops;
        sum.bytes += cost.bytes;
      }
      found.set(place, sum);
    }
    return found;
  }

  showCosts() {
    const costs = this.costs();
    const { of, text } = METRICS[this.metric];
    const most = Math.max(1, ...[...costs.values()].map(of));
    const failing = new Set((this.model.content.error?.lines ?? []).map((place) => place.join(":")));
    for (const [place, row] of this.rows) {
      const cost = costs.get(place);
      const amount = cost ? of(cost) : 0;
      row.querySelector("b").textContent = cost ? text(amount) : "";
      row.querySelector(".meter").style.width = `${(100 * amount) / most}%`;
      row.classList.toggle("has-ops", Boolean(cost));
      row.classList.toggle("failing", failing.has(place));
      row.tabIndex = cost ? 0 : -1;
      row.title = cost ? `${cost.ops} ops, ${short(cost.flops)} FLOPs, ${bytes(cost.bytes)}` : "";
    }
    this.showSelection();
  }

  showSelection() {
    const { model } = this;
    const chosen = new Set();
    for (const op of model.selection) for (const place of model.lines(op)) chosen.add(place.join(":"));
    let first = null;
    for (const [place, row] of this.rows) {
      const on = chosen.has(place);
      row.classList.toggle("chosen", on);
      first ??= on ? row : null;
    }
    if (first && !this.quiet) showRow($("source"), first);
  }

  showFailing() {
    const row = $("source").querySelector(".failing");
    if (row) showRow($("source"), row);
  }
}

/** Scrolls a pane, and nothing else, so that a row is in it. */
export function showRow(pane, row) {
  const [outer, inner] = [pane.getBoundingClientRect(), row.getBoundingClientRect()];
  if (inner.top >= outer.top + 24 && inner.bottom <= outer.bottom) return;
  pane.scrollTop += inner.top - outer.top - outer.height / 3;
}
