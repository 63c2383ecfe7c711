// Puts the page together.

import { $, bytes, el, percent, seconds, short } from "./dom.js";
import { Details } from "./details.js";
import { GraphView } from "./graph.js";
import { listenToKeys } from "./keys.js";
import { Model } from "./model.js";
import { Panels } from "./panels.js";
import { Search } from "./search.js";
import { SourceView } from "./source.js";

function start() {
  const model = new Model(JSON.parse($("content").textContent));
  showHead(model);
  showMessages(model);
  const source = new SourceView(model);
  new Panels(model);
  new Details(model);
  new Search(model);
  const graph = new GraphView(model);
  connectPasses(model);
  connectTools(graph);
  connectTheme(graph);
  listenToKeys(model, graph);
  source.showFailing();
  window.addEventListener("resize", () => graph.view.resize());
  // What a test, or somebody at the console, may ask.
  window.report = { model, graph };
  document.documentElement.dataset.ready = "yes";
}

/** What was measured, and the least that a device needs, a sentence each. */
function timeNotes({ device, profile }) {
  const notes = [];
  if (profile) {
    const { wall, calls, in_kernels: busy, unattributed, note } = profile;
    const kernels = note || `${seconds(busy)} in kernels, ${percent(unattributed)} of that on no op`;
    notes.push(`Measured: ${seconds(wall)} a call, the mean of ${calls}; ${kernels}.`);
  }
  if (device) {
    const least = `at least ${seconds(device.floor)} if nothing is fused and all goes through its memory`;
    notes.push(`On ${device.name} ${least} (${device.source}).`);
  }
  return notes;
}

function showHead({ content }) {
  $("name").textContent = `@${content.function}`;
  const { ops, flops, bytes: traffic, exact } = content.summary;
  const change = ([before, after], text) => (before === after ? text(after) : `${text(before)} → ${text(after)}`);
  const parts = [
    `${change(ops, short)} ops`,
    `${change(flops, short)} FLOPs${exact ? "" : " (estimate)"}`,
    `${change(traffic, bytes)} unfused traffic`,
    `${bytes(content.memory.peak)} peak`,
  ];
  $("summary").textContent = parts.join(" · ");
  const times = timeNotes(content);
  if (times.length) $("messages").append(el("p", { class: "message time" }, times.join(" ")));
}

function showMessages({ content }) {
  for (const note of content.notes) $("messages").append(el("p", { class: "message" }, note));
  if (!content.error) return;
  const { kind, what, where, expected, found, hint, lines, functions } = content.error;
  const parts = Object.entries({ where, expected, found, "what to do": hint }).filter(([, text]) => text);
  const way = lines.map(([file, line], place) =>
    `${content.files[file]?.name ?? "?"}:${line} in ${functions[place]}`);
  $("messages").prepend(el("div", { class: "message error", role: "alert" },
    el("h2", {}, `${kind} while the function was traced`), el("pre", {}, what),
    el("dl", {}, ...parts.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)])),
    way.length > 1 ? el("p", { class: "note" }, `came by ${way.join(" ← ")}`) : ""));
}

function connectPasses(model) {
  const slider = $("stage");
  slider.max = String(model.stages.length - 1);
  slider.addEventListener("input", () => model.showStage(Number(slider.value)));
  $("earlier").addEventListener("click", () => model.showStage(model.index - 1));
  $("later").addEventListener("click", () => model.showStage(model.index + 1));
  const show = () => {
    const { stage, index, stages } = model;
    slider.value = String(index);
    $("stage-name").textContent = `${index + 1} / ${stages.length}  ${index ? "after " : ""}${stage.name}`;
    const count = (mark) => [...stage.mark.values()].filter((one) => one === mark).length;
    const badge = (mark, sign) => el("span", { class: `badge ${mark}` }, `${sign}${count(mark)} ${mark}`);
    const badges = [badge("added", "+"), badge("removed", "−"), badge("changed", "~")];
    $("change").replaceChildren(...(index ? badges : []));
  };
  model.watch((what) => what === "stage" && show());
  $("passes").hidden = model.stages.length < 2;
  show();
}

function connectTools(graph) {
  $("fit").addEventListener("click", () => graph.fit());
  $("closer").addEventListener("click", () => graph.zoom(1.25));
  $("wider").addEventListener("click", () => graph.zoom(0.8));
  $("expand").addEventListener("click", () => graph.expand());
  $("collapse").addEventListener("click", () => graph.collapse());
  $("constants-shown").addEventListener("change", (event) => graph.showConstants(event.target.checked));
}

function connectTheme(graph) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const { dataset } = document.documentElement;
  $("theme").addEventListener("click", () => {
    const now = dataset.theme ?? (dark.matches ? "dark" : "light");
    dataset.theme = now === "dark" ? "light" : "dark";
    graph.restyle();
  });
  dark.addEventListener("change", () => graph.restyle());
}

start();
