// What keys do, and the list of them that `?` shows.

import { $, el } from "./dom.js";

export function listenToKeys(model, graph) {
  const step = (by) => {
    const { live } = model.stage;
    const at = live.indexOf([...model.selection][0]);
    const next = at < 0 ? (by > 0 ? 0 : live.length - 1) : at + by;
    if (live[next] !== undefined) model.select([live[next]]);
  };
  const follow = (map) => {
    const [op] = model.selection;
    const [next] = map.get(op) ?? [];
    if (next !== undefined) model.select([next]);
  };
  const toggle = () => {
    const [place] = [...model.selection].map((op) => model.tree.byOp.get(op));
    if (place?.isGroup) graph.toggle(place);
  };
  const actions = {
    "/": ["search", () => $("search").focus()],
    "[": ["the pass before", () => model.showStage(model.index - 1)],
    "]": ["the next pass", () => model.showStage(model.index + 1)],
    n: ["the next op in program order", () => step(1)],
    p: ["the op before", () => step(-1)],
    i: ["go to the op's first input", () => follow(model.stage.inputs)],
    o: ["go to the op's first reader", () => follow(model.stage.readers)],
    Enter: ["open or close the selected op's region", toggle],
    e: ["open one level more", () => graph.expand()],
    c: ["close all groups", () => graph.collapse()],
    f: ["fit the graph", () => graph.fit()],
    "+": ["closer", () => graph.zoom(1.25)],
    "-": ["wider", () => graph.zoom(0.8)],
    ArrowLeft: ["move the view", () => graph.pan(60, 0)],
    ArrowRight: ["move the view", () => graph.pan(-60, 0)],
    ArrowUp: ["move the view", () => graph.pan(0, 60)],
    ArrowDown: ["move the view", () => graph.pan(0, -60)],
    Escape: ["select nothing", () => model.select([])],
    "?": ["this list", () => $("keys").showModal()],
  };
  document.addEventListener("keydown", (event) => {
    const { tagName, id } = event.target;
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(tagName);
    const pressing = ["BUTTON", "SUMMARY"].includes(tagName) && event.key === "Enter";
    const scrolling = event.key.startsWith("Arrow") && id !== "graph" && event.target !== document.body;
    const inRow = event.key === "Enter" && ["TR", "DIV"].includes(tagName) && id !== "graph";
    if (typing || pressing || scrolling || inRow) return;
    if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action[1]();
  });
  fillList(actions);
}

function fillList(actions) {
  const rows = Object.entries(actions).filter(([key]) => !key.startsWith("Arrow"));
  const close = el("button", { type: "button" }, "Close");
  close.addEventListener("click", () => $("keys").close());
  const items = rows.flatMap(([key, [what]]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)]);
  $("keys").append(el("h2", {}, "Keys"), el("dl", {}, ...items,
    el("dt", {}, el("kbd", {}, "arrows")), el("dd", {}, "move the view")),
    el("p", {}, "A click opens a closed group, a double click closes it."), close);
  $("help").addEventListener("click", () => $("keys").showModal());
}
