// The hierarchy of a stage: modules and scopes, ops with regions, and the ops themselves.

const MOST_CHILDREN = 90;
const RUN = 45;
const FEW_INPUTS = 6;

/** A place in the hierarchy. Groups have children; an op with regions is a group as well. */
export class Place {
  constructor(key, label, kind, parent) {
    this.key = key;
    this.label = label;
    this.kind = kind; // "group", "op" or "region"
    this.parent = parent;
    this.children = [];
    this.op = -1;
    this.open = false;
    this.count = 0;
    this.marks = { added: 0, removed: 0, changed: 0 };
    this.cost = { flops: 0, transcendentals: 0, bytes: 0 };
  }

  get isGroup() {
    return this.children.length > 0;
  }

  /** Every op inside, itself first. */
  *ops() {
    if (this.op >= 0) yield this.op;
    for (const child of this.children) yield* child.ops();
  }
}

export function buildTree(model) {
  const root = new Place("", model.content.function, "group", null);
  root.open = true;
  const byKey = new Map([["", root]]);
  const byOp = new Map();
  const many = model.stage.order.filter((op) => model.ops[op].n === "input").length > FEW_INPUTS;
  for (const op of model.stage.order) {
    const container = containerOf(model, op, byKey, byOp, root, many);
    const place = new Place(`${container.key}/#${op}`, model.ops[op].n, "op", container);
    place.op = op;
    container.children.push(place);
    byOp.set(op, place);
  }
  unwrap(root);
  split(root);
  addUp(root, model);
  return { root, byOp };
}

function containerOf(model, op, byKey, byOp, root, many) {
  const parent = model.stage.parent.get(op);
  let at = byOp.get(parent) ?? root;
  if (parent >= 0) at = child(at, model.stage.region.get(op), "region", byKey);
  const path = many && model.ops[op].n === "input" ? ["inputs"] : model.path(op);
  for (const part of path) at = child(at, part, "group", byKey);
  return at;
}

function child(parent, label, kind, byKey) {
  const key = `${parent.key}/${kind[0]}:${label}`;
  if (!byKey.has(key)) {
    const made = new Place(key, label, kind, parent);
    byKey.set(key, made);
    parent.children.push(made);
  }
  return byKey.get(key);
}

/** An op with one region has the region's children for its own; a group of one group is that. */
function unwrap(place) {
  place.children.forEach(unwrap);
  if (place.kind !== "op" || place.children.length !== 1) return;
  const [region] = place.children;
  place.children = region.children;
  for (const inner of place.children) inner.parent = place;
}

/** Long lists of children become runs, so that no level is too large to lay out. */
function split(place) {
  while (place.children.length > MOST_CHILDREN) {
    const runs = [];
    const size = Math.max(RUN, Math.ceil(place.children.length / MOST_CHILDREN));
    for (let first = 0; first < place.children.length; first += size) {
      const part = place.children.slice(first, first + size);
      const label = `${first + 1} – ${first + part.length}`;
      const run = new Place(`${place.key}/r:${size}:${first}`, label, "group", place);
      run.children = part;
      for (const inner of part) inner.parent = run;
      runs.push(run);
    }
    place.children = runs;
  }
  place.children.forEach(split);
}

function addUp(place, model) {
  for (const inner of place.children) {
    addUp(inner, model);
    place.count += inner.count;
    for (const name in place.marks) place.marks[name] += inner.marks[name];
    for (const name in place.cost) place.cost[name] += inner.cost[name];
  }
  if (place.op < 0) return;
  const mark = model.stage.mark.get(place.op);
  if (mark) place.marks[mark] += 1;
  if (mark === "removed") return;
  place.count += 1;
  const cost = model.cost(place.op);
  for (const name in cost) place.cost[name] += cost[name];
}

/** Opens groups, the outer and the smaller ones first, while not too many places are to be seen. */
export function openUpTo(root, most) {
  const waiting = root.children.filter((place) => place.isGroup);
  let shown = root.children.length;
  while (waiting.length) {
    waiting.sort((a, b) => a.children.length - b.children.length);
    const place = waiting.shift();
    if (shown + place.children.length > most) return;
    place.open = true;
    shown += place.children.length;
    waiting.push(...place.children.filter((inner) => inner.isGroup));
  }
}

/** Opens all that an op is inside of, so that it is seen. */
export function reveal(place) {
  for (let outer = place.parent; outer; outer = outer.parent) outer.open = true;
}

/** The places to be seen: children of open groups. */
export function* visible(place) {
  for (const inner of place.children) {
    yield inner;
    if (inner.open && inner.isGroup) yield* visible(inner);
  }
}

/** The innermost place to be seen that an op is in. */
export function shownFor(place) {
  let best = place;
  for (let at = place; at.parent; at = at.parent) if (!at.parent.open) best = at.parent;
  return best;
}
