// The content of the report, and the state that all views share: the stage and the selection.

import { buildTree } from "./tree.js";

/** One stage: its ops in order, what reads what, and the marks that its pass left. */
class Stage {
  constructor(model, index) {
    const row = model.content.stages[index];
    this.name = row.name;
    this.index = index;
    this.order = [];
    this.parent = new Map();
    this.region = new Map();
    this.inputs = new Map();
    this.mark = new Map();
    for (const entry of row.ops) this.enter(row, entry);
    for (const op of row.added) this.mark.set(op, "added");
    this.was = new Map(row.changed);
    for (const op of this.was.keys()) this.mark.set(op, "changed");
    this.removed = row.removed;
    if (index) this.enterRemoved(model.content.stages[index - 1]);
    this.readers = new Map(this.order.map((op) => [op, []]));
    for (const [op, sources] of this.inputs) for (const s of sources) this.readers.get(s)?.push(op);
    this.live = this.order.filter((op) => this.mark.get(op) !== "removed");
  }

  enter(row, [op, parent, region, inputs]) {
    this.order.push(op);
    this.parent.set(op, parent);
    this.region.set(op, row.regions[region]);
    this.inputs.set(op, inputs);
  }

  /** Ops that the pass took away stay to be seen, where they were. */
  enterRemoved(before) {
    const gone = new Set(this.removed);
    for (const entry of before.ops) {
      if (!gone.has(entry[0])) continue;
      this.mark.set(entry[0], "removed");
      const inside = entry[1] < 0 || this.parent.has(entry[1]);
      this.enter(before, [entry[0], inside ? entry[1] : -1, entry[2], entry[3]]);
    }
    for (const op of gone) {
      this.inputs.set(op, (this.inputs.get(op) ?? []).filter((source) => this.parent.has(source)));
    }
  }
}

export class Model {
  constructor(content) {
    this.content = content;
    this.ops = content.ops;
    this.listeners = [];
    this.selection = new Set();
    this.stages = content.stages.map(() => null);
    this.index = content.stages.length - 1;
  }

  get stage() {
    this.stages[this.index] ??= new Stage(this, this.index);
    return this.stages[this.index];
  }

  get tree() {
    this.stage.tree ??= buildTree(this);
    return this.stage.tree;
  }

  /** Calls a function after every change; it is told what changed: "stage" or "selection". */
  watch(listener) {
    this.listeners.push(listener);
  }

  tell(what) {
    for (const listener of this.listeners) listener(what);
  }

  showStage(index) {
    const bounded = Math.max(0, Math.min(this.stages.length - 1, index));
    if (bounded === this.index) return;
    this.index = bounded;
    this.selection = new Set([...this.selection].filter((op) => this.stage.parent.has(op)));
    this.tell("stage");
  }

  select(ops) {
    this.selection = new Set([...ops].filter((op) => this.stage.parent.has(op)));
    this.tell("selection");
  }

  /** An op of the optimized graph, which only the last stage is sure to have. */
  selectFinal(ops) {
    const last = this.stages.length - 1;
    if (![...ops].every((op) => this.stage.parent.has(op))) this.showStage(last);
    this.select(ops);
  }

  /** What an op is called: its value's name, or its own. */
  title(op) {
    return this.ops[op].v ? `%${this.ops[op].v}` : this.ops[op].n;
  }

  path(op) {
    return this.content.paths[this.ops[op].p ?? 0] ?? [];
  }

  lines(op) {
    return this.ops[op].l ?? [];
  }

  cost(op) {
    const { f = 0, x = 0, b = 0 } = this.ops[op];
    return { flops: f, transcendentals: x, bytes: b };
  }

  /** The least time of an op on the device, what binds it, and the time that was measured. */
  time(op) {
    const { e = 0, d = "", m = 0 } = this.ops[op];
    return { floor: e, bound: d, measured: m };
  }

  /** A measured time as a part of all time in kernels. */
  share(measured) {
    const whole = this.content.profile?.in_kernels ?? 0;
    return whole ? measured / whole : 0;
  }

  /** For each line of the stage, "file:line", its ops; an op counts for its first line. */
  get opsByLine() {
    if (!this.stage.byLine) {
      const found = new Map();
      for (const op of this.stage.live) {
        const [place] = this.lines(op);
        if (!place) continue;
        const key = place.join(":");
        if (!found.has(key)) found.set(key, []);
        found.get(key).push(op);
      }
      this.stage.byLine = found;
    }
    return this.stage.byLine;
  }

  /** All ops that come from a line, also those for which it is not the first. */
  opsOfLine(file, line) {
    const here = ([f, l]) => f === file && l === line;
    return this.stage.live.filter((op) => this.lines(op).some(here));
  }
}
