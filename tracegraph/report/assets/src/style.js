// How cytoscape draws: the colours are the page's own, so both follow the theme.

const FONT = "ui-sans-serif, system-ui, sans-serif";

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function node() {
  return {
    shape: "round-rectangle",
    width: "data(width)",
    height: "data(height)",
    label: "data(label)",
    "font-family": FONT,
    "font-size": 11,
    "text-wrap": "wrap",
    "text-valign": "center",
    "text-halign": "center",
    color: colour("text"),
    "background-color": colour("op"),
    "border-width": 1,
    "border-color": colour("line"),
    "z-compound-depth": "top",
  };
}

function opened() {
  return {
    "background-color": colour("opened"),
    "background-opacity": 0.55,
    "border-color": colour("line"),
    "text-valign": "top",
    "text-halign": "center",
    "text-margin-y": 19,
    "font-weight": "bold",
    padding: 12,
    "compound-sizing-wrt-labels": "exclude",
    "min-width": "data(width)",
    "min-height": "data(height)",
    "min-height-bias-top": "100%",
    "min-height-bias-bottom": "0%",
    "z-compound-depth": "bottom",
  };
}

const marked = (name) => ({ "background-color": colour(name), "border-color": colour(`${name}-line`), "border-width": 2 });

/** The style sheet of the drawing under the theme in force. */
export function drawingStyle() {
  const edge = {
    width: "data(width)",
    "line-color": colour("edge"),
    "target-arrow-color": colour("edge"),
    "target-arrow-shape": "triangle",
    "arrow-scale": 0.7,
    "z-compound-depth": "orphan",
    "curve-style": "bezier",
  };
  const chosen = { "border-color": colour("accent"), "border-width": 4 };
  const near = { "line-color": colour("accent"), "target-arrow-color": colour("accent"), "z-index": 9, opacity: 1 };
  return [
    { selector: "node", style: node() },
    { selector: ".edge", style: { shape: "ellipse", "background-color": colour("input") } },
    { selector: ".closed", style: { "background-color": colour("closed"), "font-weight": "bold" } },
    { selector: ":parent", style: opened() },
    { selector: ".added", style: marked("added") },
    { selector: ".changed", style: marked("changed") },
    { selector: ".removed", style: { ...marked("removed"), "border-style": "dashed" } },
    { selector: ".touched", style: { "border-color": colour("changed-line"), "border-width": 2 } },
    { selector: "edge", style: edge },
    { selector: ".of-input", style: { opacity: 0.45 } },
    { selector: ".chosen", style: chosen },
    { selector: ".near", style: near },
    { selector: "node:active", style: { "overlay-opacity": 0 } },
  ];
}
