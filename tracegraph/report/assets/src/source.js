// The user's source, with the cost of each line. A click on a line selects its ops.

import { $, bytes, el, seconds, short } from "./dom.js";

const METRICS = {
  FLOPs: { of: (cost) => cost.flops, text: short },
  bytes: { of: (cost) => cost.bytes, text: bytes },
  ops: { of: (cost) => cost.ops, text: short },
};
/** Shown if the report has them. */
const TIMES = {
  time: { of: (cost) => cost.measured, text: seconds },
  floor: { of: (cost) => cost.floor, text: seconds },
};
const NOTHING = { ops: 0, flops: 0, bytes: 0, floor: 0, measured: 0 };

export class SourceView {
  constructor(model) {
    this.model = model;
    const { profile, device } = model.content;
    this.metrics = {
      ...METRICS,
      ...(profile ? { time: TIMES.time } : {}),
      ...(device ? { floor: TIMES.floor } : {}),
    };
    this.metric = "FLOPs";
    this.rows = new Map();
    this.build();
    model.watch((what) => (what === "stage" ? this.showCosts() : this.showSelection()));
  }

  build() {
    const files = this.model.content.files.filter((file) => file.lines.length);
    const choice = el("select", { title: "What the bars show" });
    for (const name of Object.keys(this.metrics)) choice.append(el("option", {}, name));
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
      for (const [file, line, ops, flops, , b, floor, measured] of content.lines) {
        found.set(`${file}:${line}`, { ops, flops, bytes: b, floor, measured });
      }
      return found;
    }
    for (const [place, ops] of opsByLine) {
      const sum = { ...NOTHING, ops: ops.length };
      for (const cost of ops.map((op) => ({ ...this.model.cost(op), ...this.model.time(op) }))) {
        for (const name of ["flops", "bytes", "floor", "measured"]) sum[name] += cost[name];
      }
      found.set(place, sum);
    }
    return found;
  }

  showCosts() {
    const costs = this.costs();
    const { of, text } = this.metrics[this.metric];
    const most = Math.max(0, ...[...costs.values()].map(of)) || 1;
    const failing = new Set((this.model.content.error?.lines ?? []).map((place) => place.join(":")));
    for (const [place, row] of this.rows) {
      const cost = costs.get(place);
      const amount = cost ? of(cost) : 0;
      row.querySelector("b").textContent = cost ? text(amount) : "";
      row.querySelector(".meter").style.width = `${(100 * amount) / most}%`;
      row.classList.toggle("has-ops", Boolean(cost));
      row.classList.toggle("failing", failing.has(place));
      row.tabIndex = cost ? 0 : -1;
      row.title = cost ? this.title(cost) : "";
    }
    this.showSelection();
  }

  title({ ops, flops, bytes: traffic, floor, measured }) {
    const times = [
      measured ? `${seconds(measured)} measured` : "",
      floor ? `at least ${seconds(floor)} on ${this.model.content.device.name}` : "",
    ];
    return [`${ops} ops`, `${short(flops)} FLOPs`, bytes(traffic), ...times].filter(Boolean).join(", ");
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
