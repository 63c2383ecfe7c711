// Where everything goes. Every open group is laid out by itself with dagre, the inner ones first,
// and takes its place in its parent as one box: so edges may end at groups, and no level is large.

import * as dagre from "@dagrejs/dagre";

const CHARACTER = 6.7;
const PADDING = 12;
const HEADING = 14;
const GAP = 26;

/** Centres of all visible places, by key. */
export function layOut(root, edges, isShown) {
  const levels = liftedEdges(edges);
  const boxes = new Map();
  const size = arrange(root, levels, boxes, isShown);
  const centres = new Map();
  settle(root, { x: -size.width / 2, y: 0 }, boxes, centres, isShown);
  return centres;
}

/** The width and height of a place that is not open. */
export function sizeOf(lines) {
  const longest = Math.max(...lines.map((line) => line.length));
  return { width: Math.max(54, longest * CHARACTER + 18), height: 14 + 14 * lines.length };
}

/** Each edge between the two siblings that hold its ends, by the group they are in. */
function liftedEdges(edges) {
  const levels = new Map();
  for (const { source, target } of edges) {
    const outer = new Map();
    for (let at = source; at.parent; at = at.parent) outer.set(at.parent, at);
    let at = target;
    while (at.parent && !outer.has(at.parent)) at = at.parent;
    if (!at.parent || outer.get(at.parent) === at) continue;
    if (!levels.has(at.parent)) levels.set(at.parent, []);
    levels.get(at.parent).push([outer.get(at.parent), at]);
  }
  return levels;
}

/** Lays out the inside of an open group; returns the size of its inside. */
function arrange(place, levels, boxes, isShown) {
  const children = place.children.filter(isShown);
  for (const inner of children) {
    if (!inner.open || !inner.isGroup) continue;
    const { width, height } = arrange(inner, levels, boxes, isShown);
    const label = sizeOf([inner.label]).width;
    const across = Math.max(width, label - 2 * PADDING);
    inner.inside = { width: across, height: height + HEADING };
    inner.box = { width: across + 2 * PADDING, height: height + HEADING + 2 * PADDING };
  }
  const parts = components(children, levels.get(place) ?? []);
  return shelve(parts.map(oneComponent), boxes);
}

/** Children that hang together, in the order of their first ones. */
function components(children, edges) {
  const leader = new Map(children.map((inner) => [inner, inner]));
  const find = (inner) => {
    while (leader.get(inner) !== inner) inner = leader.get(inner);
    return inner;
  };
  const inside = edges.filter(([a, b]) => leader.has(a) && leader.has(b));
  for (const [a, b] of inside) leader.set(find(b), find(a));
  const parts = new Map();
  for (const inner of children) {
    const first = find(inner);
    if (!parts.has(first)) parts.set(first, { members: [], edges: [] });
    parts.get(first).members.push(inner);
  }
  for (const edge of inside) parts.get(find(edge[0])).edges.push(edge);
  return [...parts.values()];
}

function oneComponent({ members, edges }) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 18, ranksep: 30, marginx: 0, marginy: 0 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const inner of members) graph.setNode(inner.key, { ...inner.box });
  for (const [source, target] of edges) graph.setEdge(source.key, target.key);
  dagre.layout(graph);
  const { width, height } = graph.graph();
  const places = members.map((inner) => ({ inner, ...graph.node(inner.key) }));
  return { width, height, places };
}

/** Puts components side by side in rows, about as wide as they are high. */
function shelve(parts, boxes) {
  const area = parts.reduce((sum, part) => sum + (part.width + GAP) * (part.height + GAP), 0);
  const widest = Math.max(0, ...parts.map((part) => part.width));
  const limit = Math.max(widest, 1.3 * Math.sqrt(area));
  let [x, y, row, width] = [0, 0, 0, 0];
  for (const part of parts) {
    if (x > 0 && x + part.width > limit) [x, y, row] = [0, y + row + GAP, 0];
    for (const one of part.places) boxes.set(one.inner, { x: x + one.x, y: y + one.y });
    width = Math.max(width, x + part.width);
    row = Math.max(row, part.height);
    x += part.width + GAP;
  }
  return { width, height: y + row };
}

function settle(place, corner, boxes, centres, isShown) {
  for (const inner of place.children.filter(isShown)) {
    const { x, y } = boxes.get(inner);
    const centre = { x: corner.x + x, y: corner.y + y };
    centres.set(inner.key, centre);
    if (!inner.open || !inner.isGroup) continue;
    const slack = inner.inside.width - widthOf(inner, boxes, isShown);
    const left = centre.x - inner.inside.width / 2 + slack / 2;
    const top = centre.y - inner.box.height / 2 + PADDING + HEADING;
    settle(inner, { x: left, y: top }, boxes, centres, isShown);
  }
}

function widthOf(place, boxes, isShown) {
  const rights = place.children.filter(isShown).map((inner) => boxes.get(inner).x + inner.box.width / 2);
  return Math.max(0, ...rights);
}
