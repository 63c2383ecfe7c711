// The tabs: ops, changes, constants, inputs, memory, kernels and rewrites.

import { $, bytes, el, percent, seconds, short } from "./dom.js";
import { kernelsPanel } from "./kernels.js";
import { memoryPanel } from "./memory.js";
import { Table } from "./table.js";

const none = (text) => [el("p", { class: "none" }, text)];
const filled = (text) => (number) => (number ? text(number) : "");

export class Panels {
  constructor(model) {
    this.model = model;
    this.tables = [];
    this.makers = {
      Ops: () => this.ops(),
      Changes: () => this.changes(),
      Constants: () => this.constants(),
      Inputs: () => this.inputs(),
      Memory: () => memoryPanel(model),
      Kernels: () => kernelsPanel(model),
      Rules: () => this.rules(),
    };
    for (const name of Object.keys(this.makers)) this.addTab(name);
    this.show("Ops");
    model.watch((what) => this.changed(what));
  }

  addTab(name) {
    const button = el("button", { type: "button", role: "tab", data: { tab: name } }, name);
    button.addEventListener("click", () => this.show(name));
    $("tabs").append(button);
  }

  show(name) {
    this.name = name;
    for (const button of $("tabs").children) {
      button.setAttribute("aria-selected", String(button.dataset.tab === name));
    }
    for (const table of this.tables) table.resized.disconnect();
    this.tables = [];
    $("panel").replaceChildren(...this.makers[name]());
  }

  changed(what) {
    const perStage = this.name === "Ops" || this.name === "Changes";
    if (what === "stage" && perStage) this.show(this.name);
    for (const table of this.tables) table.showChosen();
  }

  table(settings) {
    const made = new Table(settings);
    this.tables.push(made);
    return made.element;
  }

  ops() {
    const { model } = this;
    const cost = (op) => model.cost(op);
    const columns = [
      { name: "value", of: (op) => model.title(op) },
      { name: "op", of: (op) => model.ops[op].n },
      ...this.times(),
      { name: "type", of: (op) => model.ops[op].t ?? "" },
      { name: "FLOPs", of: (op) => cost(op).flops, text: filled(short), right: true },
      { name: "transc.", of: (op) => cost(op).transcendentals, text: filled(short), right: true },
      { name: "bytes", of: (op) => cost(op).bytes, text: filled(bytes), right: true },
      { name: "line", of: (op) => this.line(model.lines(op)[0]) },
      { name: "module", of: (op) => model.path(op).join("/") },
    ];
    const rows = model.stage.live.filter((op) => model.ops[op].n !== "inputs");
    return [this.table({ rows, columns, ...this.selecting((op) => op) })];
  }

  /** The columns of what was measured and of the least time on a device, where there are such. */
  times() {
    const { content } = this.model;
    const time = (op) => this.model.time(op);
    const measured = [
      { name: "time", of: (op) => time(op).measured, text: filled(seconds), right: true },
      { name: "of all", of: (op) => this.model.share(time(op).measured), text: filled(percent), right: true },
    ];
    const floors = [
      { name: "floor", of: (op) => time(op).floor, text: filled(seconds), right: true },
      { name: "bound by", of: (op) => time(op).bound },
    ];
    return [...(content.profile ? measured : []), ...(content.device ? floors : [])];
  }

  /** A click on a row selects its op, and a selected op marks its row. */
  selecting(opOf) {
    const { model } = this;
    return {
      chosen: (row) => model.selection.has(opOf(row)),
      click: (row) => opOf(row) >= 0 && model.selectFinal([opOf(row)]),
    };
  }

  line(place) {
    if (!place) return "";
    return `${this.model.content.files[place[0]]?.name ?? "?"}:${place[1]}`;
  }

  changes() {
    const { model } = this;
    const { stage } = model;
    if (!stage.index) return none("This is the first stage: nothing was changed yet.");
    const rows = [...stage.mark].map(([op, mark]) => ({ op, mark }));
    if (!rows.length) return none("This pass changed no op; it may have marked some.");
    const before = ({ op }) => {
      const was = model.ops[stage.was.get(op)];
      return was ? `${was.n} ${was.a ?? ""} : ${was.t ?? ""}` : "";
    };
    const columns = [
      { name: "change", of: ({ mark }) => mark },
      { name: "value", of: ({ op }) => model.title(op) },
      { name: "op", of: ({ op }) => model.ops[op].n },
      { name: "type", of: ({ op }) => model.ops[op].t ?? "" },
      { name: "attributes", of: ({ op }) => model.ops[op].a ?? "" },
      { name: "was", of: before },
      { name: "by", of: ({ op }) => model.ops[op].r ?? "" },
    ];
    const choice = this.selecting(({ op }) => op);
    return [this.table({ rows, columns, ...choice, click: ({ op }) => model.select([op]) })];
  }

  constants() {
    const { model } = this;
    const rows = model.content.constants;
    if (!rows.length) return none("The graph holds no constants.");
    const columns = [
      { name: "value", of: ({ op }) => model.title(op) },
      { name: "type", of: ({ op }) => model.ops[op].t ?? "" },
      { name: "bytes", of: (row) => row.bytes, text: bytes, right: true },
      { name: "elements", of: (row) => row.value },
    ];
    return [this.table({ rows, columns, ...this.selecting(({ op }) => op) })];
  }

  inputs() {
    const rows = this.model.content.inputs;
    if (!rows.length) return none("The function takes no arrays.");
    const yes = (value) => (value ? "yes" : "");
    const columns = [
      { name: "name", of: (row) => `%${row.name}` },
      { name: "type", of: (row) => row.type },
      { name: "bytes", of: (row) => row.bytes, text: bytes, right: true },
      { name: "donated", of: (row) => row.donated, text: yes },
      { name: "captured", of: (row) => row.captured, text: yes },
      { name: "sharding", of: (row) => row.sharding },
      { name: "read", of: (row) => row.read, text: (read) => (read ? "" : "never") },
    ];
    return [this.table({ rows, columns })];
  }

  rules() {
    const { passes, fired, missed } = this.model.content.rewrites;
    const click = ({ line }) => line && this.model.select(this.model.opsOfLine(...line));
    const line = { name: "line", of: (row) => this.line(row.line) };
    const passColumns = [
      { name: "pass", of: (row) => row.name },
      { name: "ops before", of: (row) => row.before, right: true },
      { name: "after", of: (row) => row.after, right: true },
      { name: "changes", of: (row) => row.changes, right: true },
      { name: "ms", of: (row) => row.ms, text: (ms) => ms.toFixed(2), right: true },
    ];
    const firedColumns = [
      { name: "rule", of: (row) => row.rule },
      line,
      { name: "times", of: (row) => row.times, right: true },
      { name: "saved (score)", of: (row) => row.saved, text: short, right: true },
      { name: "numerics", of: (row) => row.numerics },
      { name: "law", of: (row) => row.law },
    ];
    const missedColumns = [
      { name: "rule", of: (row) => row.rule },
      line,
      { name: "matched ops", of: (row) => row.matched, right: true },
      { name: "why not", of: (row) => row.reason },
      { name: "law", of: (row) => row.law },
    ];
    return [
      ...this.titled("Rules that fired", "No rule fired.", { rows: fired, columns: firedColumns, click }),
      ...this.titled("Near misses", "No rule came near.", { rows: missed, columns: missedColumns, click }),
      ...this.titled("Passes", "No pass ran.", { rows: passes, columns: passColumns }),
    ];
  }

  titled(title, otherwise, settings) {
    const heading = el("h3", {}, `${title} (${settings.rows.length})`);
    return [heading, ...(settings.rows.length ? [this.table(settings)] : none(otherwise))];
  }
}
