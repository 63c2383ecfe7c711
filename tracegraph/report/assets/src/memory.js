// Memory over the schedule: the bytes alive while each op runs, and the arrays alive at the peak.

import { bytes, el, svg } from "./dom.js";

const [WIDTH, HEIGHT] = [1000, 220];

export function memoryPanel(model) {
  const { points, peak, op, alive, more } = model.content.memory;
  if (!points.length || !peak) return [el("p", { class: "none" }, "The graph holds no arrays.")];
  const where = op >= 0 ? `, at ${model.title(op)} (${model.ops[op].n})` : "";
  const heading = el("h3", {}, `Peak ${bytes(peak)}${where}`);
  const note = el("p", { class: "note" },
    "In program order and as if nothing were fused. Inputs count throughout unless donated.");
  const list = el("div", { class: "alive" }, ...alive.map((row) => aliveRow(model, row, peak)));
  const rest = more ? el("p", { class: "note" }, `and ${more} smaller arrays`) : null;
  const title = el("h3", {}, `Alive at the peak (${alive.length + more})`);
  return [heading, chart(model, points, peak), note, title, list, rest].filter(Boolean);
}

function chart(model, points, peak) {
  const read = el("output", { class: "note" }, " ");
  const step = WIDTH / points.length;
  const height = (size) => HEIGHT - (size / peak) * (HEIGHT - 12);
  let path = `M0,${HEIGHT}`;
  points.forEach(([, size], place) => {
    path += `L${(place * step).toFixed(1)},${height(size).toFixed(1)}h${step.toFixed(2)}`;
  });
  const area = svg("path", { d: `${path}L${WIDTH},${HEIGHT}Z`, class: "area" });
  const top = points.findIndex(([, size]) => size === peak);
  const mark = svg("rect", {
    x: Math.max(top, 0) * step, y: 0, width: Math.max(step, 2), height: HEIGHT, class: "peak",
  });
  const cursor = svg("rect", { x: 0, y: 0, width: Math.max(step, 1), height: HEIGHT, class: "cursor" });
  const drawing = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "chart", role: "img",
    "aria-label": "Bytes alive over the schedule",
  }, area, top >= 0 ? mark : "", cursor);
  const at = (event) => {
    const box = drawing.getBoundingClientRect();
    const place = Math.floor(((event.clientX - box.left) / box.width) * points.length);
    return Math.max(0, Math.min(points.length - 1, place));
  };
  drawing.addEventListener("mousemove", (event) => {
    const [op, size] = points[at(event)];
    cursor.setAttribute("x", at(event) * step);
    const name = op >= 0 ? `${model.title(op)} (${model.ops[op].n})` : "";
    read.textContent = `${bytes(size)}  ${name}`;
  });
  drawing.addEventListener("click", (event) => {
    const [op] = points[at(event)];
    if (op >= 0) model.selectFinal([op]);
  });
  return el("div", {}, drawing, read);
}

function aliveRow(model, row, peak) {
  const name = row.op >= 0 ? model.title(row.op) : "(inside a region)";
  const meter = el("span", { class: "meter" });
  meter.style.width = `${(100 * row.bytes) / peak}%`;
  const made = el("button", { type: "button", class: "row" }, meter,
    el("span", {}, name), el("code", {}, row.type), el("b", {}, bytes(row.bytes)));
  made.addEventListener("click", () => row.op >= 0 && model.selectFinal([row.op]));
  return made;
}
