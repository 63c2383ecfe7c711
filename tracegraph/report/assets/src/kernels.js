// What was predicted to run as one loop, and the kernels that XLA made, side by side.

import { bytes, el, short } from "./dom.js";

const MOST = 400;

export function kernelsPanel(model) {
  const { groups, kernels, kernels_problem: problem } = model.content;
  const linked = kernels.map((kernel) => ({ ...kernel, found: opsOf(model, kernel) }));
  const left = groups.slice(0, MOST).map((group) => groupCard(model, group, linked));
  const named = linked.filter((kernel) => kernel.found.size);
  const right = named.slice(0, MOST).map((kernel) => kernelCard(model, kernel));
  right.push(...others(linked.filter((kernel) => !kernel.found.size)));
  const why = problem ? `No kernels are known: ${problem}` : "The module has no kernels.";
  return [
    el("div", { class: "columns" },
      column(`Predicted groups (${groups.length})`, left, "No group of ops is predicted to be fused."),
      column(`XLA's kernels (${kernels.length})`, right, why)),
  ];
}

/** Kernels that name no op of the graph, such as copies for another layout, in one closed list. */
function others(kernels) {
  if (!kernels.length) return [];
  const sum = kernels.reduce((total, kernel) => total + kernel.bytes, 0);
  const rows = kernels.slice(0, MOST).map((kernel) => el("div", {}, `${kernel.name}  ${bytes(kernel.bytes)}`));
  const title = `${kernels.length} that name no op of the graph: copies and the like, ${bytes(sum)}`;
  return [el("details", { class: "names-all" }, el("summary", {}, title), ...rows)];
}

function column(title, cards, otherwise) {
  const content = cards.length ? cards : [el("p", { class: "none" }, otherwise)];
  return el("section", {}, el("h3", {}, title), ...content);
}

/** The ops of the optimized graph that a kernel names: same scope and op, and same line if known. */
function opsOf(model, kernel) {
  const byName = namesOf(model);
  const lines = new Set(kernel.lines.map((place) => place.join(":")));
  const found = new Set();
  for (const name of kernel.ops) {
    const scoped = name.slice(name.indexOf("/") + 1);
    const candidates = byName.get(scoped) ?? byName.get(scoped.slice(scoped.lastIndexOf("/") + 1)) ?? [];
    const near = candidates.filter((op) => model.lines(op).some((place) => lines.has(place.join(":"))));
    for (const op of near.length ? near : candidates) found.add(op);
  }
  return found;
}

function namesOf(model) {
  if (model.byScopedName) return model.byScopedName;
  const found = new Map();
  const last = model.content.stages[model.content.stages.length - 1];
  for (const [op] of last?.ops ?? []) {
    const { n, s } = model.ops[op];
    const name = s ? `${s}/${n}` : n;
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(op);
  }
  model.byScopedName = found;
  return found;
}

function card(title, notes, ops, model) {
  const names = [...ops].map((op) => model.ops[op].n).join(", ");
  const made = el("button", { type: "button", class: "card" },
    el("b", {}, title), el("span", { class: "note" }, notes.filter(Boolean).join(" · ")),
    el("span", { class: "names" }, names));
  made.addEventListener("click", () => ops.size && model.selectFinal(ops));
  return made;
}

function groupCard(model, group, kernels) {
  const ops = new Set(group.ops);
  const holding = kernels.filter((kernel) => group.ops.some((op) => kernel.found.has(op)));
  const whole = holding.find((kernel) => group.ops.every((op) => kernel.found.has(op)));
  let became = kernels.length ? "in no kernel that names it" : "";
  if (whole) became = `whole in ${whole.name}`;
  else if (holding.length) became = `split over ${holding.slice(0, 4).map((one) => one.name).join(", ")}`;
  const notes = [`${short(group.flops)} FLOPs`, `saves ${bytes(group.saved)}`, became];
  return card(`group ${group.index}`, notes, ops, model);
}

function kernelCard(model, kernel) {
  const groups = new Set([...kernel.found].map((op) => model.ops[op].g).filter((g) => g !== undefined));
  const flops = kernel.flops === null ? "" : `${short(kernel.flops)} FLOPs`;
  const held = groups.size ? `ops of group ${[...groups].slice(0, 6).join(", ")}` : "";
  return card(kernel.name, [bytes(kernel.bytes), flops, held], kernel.found, model);
}
