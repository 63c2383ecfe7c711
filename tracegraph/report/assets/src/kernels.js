// What was predicted to run as one loop, and the kernels that XLA made, side by side.

import { bytes, el, seconds, short } from "./dom.js";

const MOST = 400;

export function kernelsPanel(model) {
  const { groups, kernels, kernels_problem: problem } = model.content;
  const linked = kernels.map((kernel) => ({ ...kernel, found: new Set(kernel.ops) }));
  const left = groups.slice(0, MOST).map((group) => groupCard(model, group));
  const named = linked.filter((kernel) => kernel.found.size || kernel.lines.length);
  const right = named.slice(0, MOST).map((kernel) => kernelCard(model, kernel));
  right.push(...others(linked.filter((kernel) => !named.includes(kernel))));
  const why = problem ? `No kernels are known: ${problem}` : "The module has no kernels.";
  return [
    ...standingOut(model.content.findings),
    el("div", { class: "columns" },
      column(`Predicted groups (${groups.length})`, left, "No group of ops is predicted to be fused."),
      column(`XLA's kernels (${kernels.length})`, right, why)),
  ];
}

/** Ops that several kernels compute, large results in between, and copies, in one closed list. */
function standingOut(findings) {
  if (!findings.length) return [];
  const rows = findings.slice(0, MOST).map((text) => el("div", {}, text));
  return [el("details", { class: "names-all" }, el("summary", {}, `What stands out (${findings.length})`), ...rows)];
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

function card(title, notes, ops, model, from = "") {
  const names = [...ops].map((op) => model.ops[op].n).join(", ") || from;
  const made = el("button", { type: "button", class: "card" },
    el("b", {}, title), el("span", { class: "note" }, notes.filter(Boolean).join(" · ")),
    el("span", { class: "names" }, names));
  made.addEventListener("click", () => ops.size && model.selectFinal(ops));
  return made;
}

function groupCard(model, group) {
  const where = (group.kernels ?? []).slice(0, 4).join(", ");
  const became = group.verdict ? `${group.verdict}${where ? `: ${where}` : ""}` : "";
  const notes = [`${short(group.flops)} FLOPs`, `saves ${bytes(group.saved)}`, became];
  return card(`group ${group.index}`, notes, new Set(group.ops), model);
}

function kernelCard(model, kernel) {
  const groups = new Set([...kernel.found].map((op) => model.ops[op].g).filter((g) => g !== undefined));
  const times = kernel.times > 1 ? `${short(kernel.times)} times` : "";
  const flops = kernel.flops ? `${short(kernel.flops)} FLOPs` : "";
  const held = groups.size ? `ops of group ${[...groups].slice(0, 6).join(", ")}` : "";
  const spent = kernel.seconds ? `${seconds(kernel.seconds)} measured` : "";
  return card(kernel.name, [spent, bytes(kernel.bytes), flops, times, held], kernel.found, model, kernel.lines.join(", "));
}
