// Elements, numbers, scales and colours: what everything else on the page is made of. Text becomes text nodes, never
// markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(node.style, value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false)
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function number(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const size = Math.abs(value);
  return size < 1e-4 || size >= 1e9 ? Number(value.toPrecision(digits)).toExponential() : String(Number(value.toPrecision(digits)));
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${number(seconds, 2)} s`;
  const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

const extent = (values) => {
  let low = Infinity, high = -Infinity;
  for (const v of values) if (v !== null && v !== undefined) { if (v < low) low = v; if (v > high) high = v; }
  return low <= high ? [low, high] : null;
};

// From values to 0..1; a single value lies in the middle.
function scale([low, high], log = false) {
  const to = log ? Math.log : (v) => v, a = to(low), b = to(high);
  const place = (v) => (b > a ? (to(v) - a) / (b - a) : 0.5);
  place.log = log;
  place.domain = [low, high];
  return place;
}

// Round numbers inside a range; for log scales powers of ten, or the linear ones where there are too few.
function ticks([low, high], count = 5, log = false) {
  if (!(high > low)) return [low];
  if (log) {
    const found = [];
    for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; e++) found.push(Number(`1e${e}`));
    if (found.length > 1) return found;
  }
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough * 0.999) * power;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n <= high / step + 1e-9; n++) found.push(Number((n * step).toPrecision(12)));
  return found.length ? found : [low, high];
}

const pen = document.createElement("canvas").getContext("2d");

// As much of a text as fits into a width in pixels, with an ellipsis for the rest.
function fitted(text, width, size = 12, weight = "") {
  pen.font = `${weight} ${size}px system-ui, sans-serif`;
  const line = String(text).replace(/\s+/g, " ");
  if (pen.measureText(line).width <= width) return line;
  const marks = Array.from(line);
  let low = 0, high = marks.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pen.measureText(marks.slice(0, middle).join("") + "…").width <= width) low = middle; else high = middle - 1;
  }
  return marks.slice(0, low).join("") + "…";
}

const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

// A colour for 0 (worst) to 1 (best) between the stops that the theme names; the best stand out in light and in dark.
function ramp() {
  const stops = ["--worst", "--fair", "--good", "--best"].map(colour).map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return (t) => {
    const x = Math.min(Math.max(t, 0), 1) * (stops.length - 1), i = Math.min(Math.floor(x), stops.length - 2);
    return stops[i].map((c, k) => Math.round(c + (stops[i + 1][k] - c) * (x - i)));
  };
}

const css = (rgb, alpha = 1) => `rgba(${rgb.join(",")},${alpha})`;

// A canvas for what there is much of, below an SVG for what can be read and touched; both of one size.
function sheet(holder, width, height, label) {
  const sharp = Math.max(2, window.devicePixelRatio || 1);
  const canvas = h("canvas", { width: width * sharp, height: height * sharp, role: "img", "aria-label": label });
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": label });
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const box = h("div", { class: "sheet" }, canvas, svg);
  box.style.width = `${width}px`;
  holder.replaceChildren(box);
  const paint = canvas.getContext("2d");
  paint.scale(sharp, sharp);
  return { canvas, svg, paint, box };
}

let bubble = null;

// What is known of a trial, beside the pointer.
function tip(event, lines) {
  if (!bubble || !bubble.isConnected) document.body.append((bubble = h("div", { class: "tip", role: "status" })));
  if (!lines) { bubble.hidden = true; return; }
  bubble.hidden = false;
  bubble.replaceChildren(...lines.map(([key, value]) => h("div", {}, h("b", {}, fitted(key, 160)), " ", fitted(value, 260))));
  const box = bubble.getBoundingClientRect();
  bubble.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
  bubble.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 8))}px`;
}
