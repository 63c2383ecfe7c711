// Small helpers to build the page. Text always goes in as text, never as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with properties, and children that are elements or text. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element with attributes. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A count in a few characters: 12,345 as 12.3K. */
export function short(number) {
  if (number === null || number === undefined) return "–";
  for (const [size, unit] of [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "K"]]) {
    const scale = unit === "K" ? 1e3 : size;
    if (number >= size) return `${(number / scale).toPrecision(3)}${unit}`;
  }
  return number.toLocaleString("en");
}

/** Bytes in binary units. */
export function bytes(number) {
  if (number === null || number === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let place = 0;
  while (number >= 1024 && place < units.length - 1) {
    number /= 1024;
    place += 1;
  }
  return `${place ? number.toPrecision(3) : number} ${units[place]}`;
}

/** A time in the unit that suits it. */
export function seconds(number) {
  if (number === null || number === undefined) return "–";
  for (const [size, unit] of [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]]) {
    if (number >= size) return `${(number / size).toPrecision(3)} ${unit}`;
  }
  return `${(number * 1e9).toPrecision(3)} ns`;
}

/** A part of a whole. */
export function percent(part) {
  return `${(100 * part).toFixed(1)}%`;
}

/** Calls a function once for a burst of events, when the burst is over. */
export function settled(milliseconds, call) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...args), milliseconds);
  };
}
