// What is known of the selection: one op in full, or the sum of several.

import { $, bytes, el, percent, seconds, short } from "./dom.js";

const SHOWN = 12;

export class Details {
  constructor(model) {
    this.model = model;
    model.watch(() => this.show());
  }

  show() {
    const { selection } = this.model;
    $("details").hidden = !selection.size;
    if (selection.size === 1) $("details").replaceChildren(...this.one([...selection][0]));
    else if (selection.size) $("details").replaceChildren(...this.several([...selection]));
  }

  one(op) {
    const { model } = this;
    const { n, t, a, r, s, g } = model.ops[op];
    const cost = model.cost(op);
    const { floor, bound, measured } = model.time(op);
    const mark = model.stage.mark.get(op);
    const title = el("h3", {}, model.title(op), el("code", {}, ` ${n}`), mark ? ` · ${mark}` : "");
    const rows = [
      ["type", t],
      ["attributes", a],
      ["cost", `${short(cost.flops)} FLOPs, ${short(cost.transcendentals)} transcendentals, ${bytes(cost.bytes)}`],
      ["measured", measured ? `${seconds(measured)}, ${percent(model.share(measured))} of the time in kernels` : ""],
      ["at least", floor ? `${seconds(floor)} on ${model.content.device.name}, bound by ${bound}` : ""],
      ["scope", s],
      ["lines", model.lines(op).map(([file, line]) => `${this.fileName(file)}:${line}`).join(", ")],
      ["made by", r],
      ["fusion group", g === undefined ? "" : String(g)],
      ["reads", this.links(model.stage.inputs.get(op) ?? [])],
      ["read by", this.links(model.stage.readers.get(op) ?? [])],
    ];
    return [title, list(rows)];
  }

  several(ops) {
    const { model } = this;
    const sum = { flops: 0, transcendentals: 0, bytes: 0 };
    for (const op of ops) {
      const cost = model.cost(op);
      for (const name in sum) sum[name] += cost[name];
    }
    const cost = `${short(sum.flops)} FLOPs, ${short(sum.transcendentals)} transcendentals, ${bytes(sum.bytes)}`;
    return [el("h3", {}, `${ops.length} ops`), list([["cost", cost], ["ops", this.links(ops)]])];
  }

  fileName(file) {
    return this.model.content.files[file]?.name ?? "?";
  }

  links(ops) {
    const shown = ops.slice(0, SHOWN).map((op) => {
      const button = el("button", { type: "button", class: "link" }, this.model.title(op));
      button.addEventListener("click", () => this.model.select([op]));
      return button;
    });
    const rest = ops.length > SHOWN ? ` and ${ops.length - SHOWN} more` : "";
    return shown.length ? el("span", {}, ...shown, rest) : "";
  }
}

function list(rows) {
  const kept = rows.filter(([, value]) => value);
  return el("dl", {}, ...kept.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}
