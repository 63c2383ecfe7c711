// Search: ops by name, value, type, module or line; Enter goes from one to the next.

import { $, settled } from "./dom.js";

export class Search {
  constructor(model) {
    this.model = model;
    this.found = [];
    this.place = -1;
    $("search").addEventListener("input", settled(120, () => this.run()));
    $("search").addEventListener("keydown", (event) => this.key(event));
    model.watch((what) => what === "stage" && this.forget());
  }

  key(event) {
    if (event.key === "Escape") {
      $("search").value = "";
      this.run();
      $("search").blur();
    }
    if (event.key !== "Enter") return;
    if (this.asked !== $("search").value) this.run();
    else this.go(event.shiftKey ? -1 : 1);
  }

  forget() {
    this.asked = "";
    this.found = [];
    $("found").textContent = "";
  }

  run() {
    const asked = $("search").value;
    const wanted = asked.trim().toLowerCase();
    this.forget();
    this.asked = asked;
    if (!wanted) return this.model.select([]);
    this.found = this.model.stage.order.filter((op) => this.text(op).includes(wanted));
    this.place = -1;
    if (this.found.length) this.go(1);
    else this.model.select([]);
    if (!this.found.length) $("found").textContent = "none";
  }

  go(step) {
    const { length } = this.found;
    if (!length) return;
    this.place = (this.place + step + length) % length;
    $("found").textContent = `${this.place + 1} of ${length}`;
    this.model.select([this.found[this.place]]);
  }

  text(op) {
    const { n, v, t, s } = this.model.ops[op];
    const lines = this.model.lines(op).map(([file, line]) => `${this.model.content.files[file]?.name}:${line}`);
    const path = this.model.path(op).join("/");
    return [n, v ? `%${v}` : "", t, s, path, ...lines].filter(Boolean).join(" ").toLowerCase();
  }
}
