// The drawing of a stage: cytoscape shows what the tree has open, where the layout put it.

import cytoscape from "cytoscape";
import { $, short } from "./dom.js";
import { layOut, sizeOf } from "./layout.js";
import { drawingStyle } from "./style.js";
import { openUpTo, reveal, shownFor, visible } from "./tree.js";

const FIRST_SHOWN = 45;
const LEGIBLE = 0.6;
const MOST_SHOWN = 400;

export class GraphView {
  constructor(model) {
    this.model = model;
    this.constants = false;
    this.isShown = (place) => {
      if (place.op < 0 || this.constants) return true;
      return model.ops[place.op].n !== "constant";
    };
    this.view = cytoscape({
      container: $("graph"),
      elements: [],
      layout: { name: "preset" },
      style: drawingStyle(),
      minZoom: 0.02,
      maxZoom: 3,
      boxSelectionEnabled: false,
      autoungrabify: true,
    });
    this.view.on("tap", "node", (event) => this.tapped(event.target.id(), false));
    this.view.on("dbltap", "node", (event) => this.tapped(event.target.id(), true));
    this.view.on("tap", (event) => event.target === this.view && model.select([]));
    model.watch((what) => (what === "stage" ? this.showStage() : this.showSelection()));
    openUpTo(model.tree.root, FIRST_SHOWN);
    this.draw();
    this.open();
  }

  tapped(key, twice) {
    const place = this.places.get(key);
    if (!place) return;
    if (place.isGroup && (twice || !place.open)) this.toggle(place);
    else this.model.select(place.isGroup && place.op < 0 ? place.ops() : [place.op]);
  }

  toggle(place) {
    place.open = !place.open;
    this.draw();
    const drawn = this.view.getElementById(place.key);
    this.view.animate({ center: { eles: drawn } }, { duration: 120 });
  }

  /** Opens the closed groups to be seen, one level, while the drawing stays legible. */
  expand() {
    const closed = [...visible(this.model.tree.root)].filter((place) => place.isGroup && !place.open);
    let shown = this.places.size;
    for (const place of closed) {
      if (shown + place.children.length > MOST_SHOWN) break;
      place.open = true;
      shown += place.children.length;
    }
    this.draw();
    this.fit();
  }

  collapse() {
    for (const place of visible(this.model.tree.root)) place.open = false;
    this.draw();
    this.fit();
  }

  showConstants(shown) {
    this.constants = shown;
    this.draw();
  }

  /** The same groups are open at every stage. */
  showStage() {
    const open = new Set([...this.places.values()].filter((one) => one.open).map((one) => one.key));
    const { root } = this.model.tree;
    const waiting = [...root.children];
    while (waiting.length) {
      const place = waiting.pop();
      place.open = place.isGroup && open.has(place.key);
      if (place.open) waiting.push(...place.children);
    }
    if (!open.size) openUpTo(root, FIRST_SHOWN);
    this.draw();
    this.showSelection();
  }

  draw() {
    const { root } = this.model.tree;
    const shown = [...visible(root)].filter(this.isShown);
    this.places = new Map(shown.map((place) => [place.key, place]));
    for (const place of shown) place.box = sizeOf(this.label(place).split("\n"));
    const edges = this.edges();
    const centres = layOut(root, edges, this.isShown);
    this.view.batch(() => {
      this.view.elements().remove();
      this.view.add(shown.map((place) => this.drawnPlace(place, centres.get(place.key))));
      this.view.add(edges.map(drawnEdge));
    });
  }

  /** The edges between what is shown, each once, with the number of values that it stands for. */
  edges() {
    const { stage, tree } = this.model;
    const found = new Map();
    for (const op of stage.order) {
      const target = shownFor(tree.byOp.get(op));
      for (const from of stage.inputs.get(op)) {
        const source = shownFor(tree.byOp.get(from));
        if (source === target || !this.places.has(source.key) || !this.places.has(target.key)) continue;
        const key = `${source.key}→${target.key}`;
        const known = found.get(key);
        if (known) known.count += 1;
        else found.set(key, { key, source, target, count: 1 });
      }
    }
    return [...found.values()];
  }

  label(place) {
    const { model } = this;
    if (place.op >= 0 && !(place.isGroup && place.open)) {
      const op = model.ops[place.op];
      const name = clip(op.n, 28);
      if (op.n === "input") return `${clip(model.title(place.op), 28)}\n${clip(op.t ?? "", 28)}`;
      const inside = place.isGroup ? ` ▸ ${short(place.count)}` : "";
      return op.t && op.n !== "inputs" ? `${name}${inside}\n${clip(op.t, 28)}` : name + inside;
    }
    if (place.open) return `${clip(place.label, 40)} ▾`;
    return `${clip(place.label, 40)} ▸\n${short(place.count)} ops${marksText(place.marks)}`;
  }

  drawnPlace(place, position) {
    const mark = place.op >= 0 ? this.model.stage.mark.get(place.op) : undefined;
    const kind = place.isGroup ? (place.open ? "opened" : "closed") : "leaf";
    const name = place.op >= 0 ? this.model.ops[place.op].n : "";
    const marked = !mark && Object.values(place.marks).some(Boolean) && !place.open ? "touched" : "";
    const edge = ["input", "inputs", "return", "yield", "constant"].includes(name) ? "edge" : "";
    return {
      group: "nodes",
      data: {
        id: place.key,
        parent: place.parent?.key || undefined,
        label: this.label(place),
        ...(place.open && place.isGroup ? place.inside : place.box),
      },
      position,
      classes: [kind, place.kind, mark ?? "", marked, edge].join(" "),
    };
  }

  showSelection() {
    const { selection, tree } = this.model;
    const chosen = [...selection].map((op) => tree.byOp.get(op)).filter(Boolean);
    if (chosen.length && chosen.length <= 12 && chosen.some((one) => !this.places.has(one.key))) {
      chosen.forEach(reveal);
      this.draw();
    }
    const keys = new Set(chosen.map((place) => shownFor(place).key));
    this.view.batch(() => {
      this.view.elements().removeClass("chosen near");
      for (const key of keys) this.view.getElementById(key).addClass("chosen");
    });
    const drawn = this.view.nodes(".chosen");
    drawn.connectedEdges().addClass("near");
    if (drawn.nonempty()) this.bring(drawn);
  }

  /** Moves the view only if what is chosen is not to be seen. */
  bring(drawn) {
    const box = drawn.renderedBoundingBox();
    const inside = box.x1 >= 0 && box.y1 >= 0 && box.x2 <= this.view.width() && box.y2 <= this.view.height();
    if (inside && this.view.zoom() > 0.25) return;
    this.view.fit(drawn.union(drawn.neighborhood()), 60);
    if (this.view.zoom() > 1.1) this.view.zoom({ level: 1.1, renderedPosition: middle(this.view) });
  }

  /** The first view: all of it, or its top where all of it would be too small to read. */
  open() {
    this.fit();
    if (this.view.zoom() >= LEGIBLE) return;
    this.view.zoom(LEGIBLE);
    const box = this.view.elements().boundingBox();
    const across = this.view.width() / 2 - ((box.x1 + box.x2) / 2) * LEGIBLE;
    this.view.pan({ x: across, y: 48 - box.y1 * LEGIBLE });
  }

  fit() {
    this.view.resize();
    this.view.fit(undefined, 44);
    if (this.view.zoom() > 1.2) {
      this.view.zoom(1.2);
      this.view.center();
    }
  }

  zoom(factor) {
    this.view.zoom({ level: this.view.zoom() * factor, renderedPosition: middle(this.view) });
  }

  pan(x, y) {
    this.view.panBy({ x, y });
  }

  restyle() {
    this.view.style(drawingStyle());
  }
}

function drawnEdge({ key, source, target, count }) {
  const width = Math.min(1 + Math.log2(count) / 2, 3);
  const data = { id: key, source: source.key, target: target.key, width };
  return { group: "edges", data, classes: source.label === "input" || source.label === "inputs" ? "of-input" : "" };
}

function middle(view) {
  return { x: view.width() / 2, y: view.height() / 2 };
}

function clip(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function marksText({ added, removed, changed }) {
  const parts = [[added, "+"], [removed, "−"], [changed, "~"]].filter(([count]) => count);
  return parts.length ? `  ${parts.map(([count, sign]) => sign + count).join(" ")}` : "";
}
