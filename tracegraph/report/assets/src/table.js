// A table of any length: only the rows in sight are in the page.

import { el } from "./dom.js";

const ROW = 24;
const AROUND = 12;

/**
 * A table that sorts by a click on a heading.
 *
 * A column is {name, of, text, right}: `of` gives the value to sort by, `text` what is shown.
 * `settings` are {rows, columns, chosen, click, height}; `chosen` says whether a row is selected.
 */
export class Table {
  constructor({ rows, columns, chosen = () => false, click = null }) {
    Object.assign(this, { rows: [...rows], columns, chosen, click });
    this.order = { column: -1, down: true };
    this.body = el("tbody");
    this.head = el("tr", {}, ...columns.map((column, place) => this.heading(column, place)));
    const table = el("table", {}, el("thead", {}, this.head), this.body);
    this.element = el("div", { class: "table" }, table);
    this.element.addEventListener("scroll", () => this.draw());
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.element);
    this.draw();
  }

  heading(column, place) {
    const button = el("button", { type: "button" }, column.name);
    button.addEventListener("click", () => this.sort(place));
    return el("th", { class: column.right ? "right" : "" }, button);
  }

  sort(place) {
    const down = this.order.column === place ? !this.order.down : Boolean(this.columns[place].right);
    this.order = { column: place, down };
    const { of } = this.columns[place];
    this.rows.sort((a, b) => (down ? -1 : 1) * compare(of(a), of(b)));
    this.draw();
  }

  draw() {
    const height = this.element.clientHeight || 400;
    const first = Math.max(0, Math.floor(this.element.scrollTop / ROW) - AROUND);
    const last = Math.min(this.rows.length, first + Math.ceil(height / ROW) + 2 * AROUND);
    const shown = this.rows.slice(first, last).map((row) => this.row(row));
    this.body.replaceChildren(this.space(first), ...shown, this.space(this.rows.length - last));
  }

  space(count) {
    const cell = el("td", { colSpan: this.columns.length });
    cell.style.height = `${count * ROW}px`;
    return el("tr", { class: "space", hidden: count === 0 }, cell);
  }

  row(row) {
    const cells = this.columns.map(({ of, text, right }) => {
      const shown = String(text ? text(of(row), row) : of(row) ?? "");
      return el("td", { class: right ? "right" : "", title: shown }, shown);
    });
    const made = el("tr", { class: this.chosen(row) ? "chosen" : "" }, ...cells);
    if (this.click) {
      made.tabIndex = 0;
      made.classList.add("link");
      made.addEventListener("click", () => this.click(row));
      made.addEventListener("keydown", (event) => event.key === "Enter" && this.click(row));
    }
    return made;
  }

  /** Scrolls to the first selected row. */
  showChosen() {
    const place = this.rows.findIndex((row) => this.chosen(row));
    const top = place * ROW;
    const { scrollTop, clientHeight } = this.element;
    const seen = top >= scrollTop && top <= scrollTop + clientHeight - 2 * ROW;
    if (place >= 0 && !seen) this.element.scrollTop = Math.max(0, top - clientHeight / 3);
    this.draw();
  }
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""), "en", { numeric: true });
}
