// Parallel coordinates: an axis for each HParam in declared order, the metric last, a line for each trial. What failed
// ends at "no value" below the metric's axis. Brushes are ranges of 0..1 along an axis, kept by its name.

const NONE = -0.1; // where what has no value is drawn, below the axes

function axesOf(facts, metric) {
  const axes = facts.hparams.map((hparam, i) => {
    const levels = facts.trials.levels[i], values = facts.trials.values[i];
    if (hparam.category) {
      const last = hparam.levels.length - 1;
      const at = (level) => (last > 0 ? 1 - level / last : 0.5); // declared order, from the top
      return {
        key: `hparam ${hparam.name}`, title: hparam.title, name: hparam.name, log: false,
        place: levels.map((level) => (level === null ? null : at(level))),
        ticks: hparam.levels.map((label, level) => ({ at: at(level), label })),
        text: (t) => (levels[t] === null ? "–" : hparam.levels[levels[t]]),
      };
    }
    const range = extent(values), place = range ? scale(range, hparam.log) : () => 0.5;
    const tried = [...new Set(values.filter((v) => v !== null))].sort((a, b) => a - b);
    return {
      key: `hparam ${hparam.name}`, title: hparam.title, name: hparam.name, log: hparam.log,
      place: values.map((v) => (v === null ? null : place(v))),
      ticks: tried.map((v) => ({ at: place(v), label: number(v, 6) })),
      text: (t) => number(values[t], 12),
    };
  });
  const values = facts.trials.mean[metric] || facts.trials.name.map(() => null), range = extent(values);
  const place = range ? scale(range) : () => 0.5;
  axes.push({
    key: `metric ${metric}`, title: metric, name: metric, log: false, metric: true,
    place: values.map((v) => (v === null ? null : place(v))),
    ticks: range ? [...new Set([range[0], ...ticks(range), range[1]])].sort((a, b) => a - b).map((v) => ({ at: place(v), label: number(v), end: range.includes(v) })) : [],
    text: (t) => number(values[t]),
  });
  return axes;
}

const placeOf = (axis, trial) => (axis.place[trial] === null ? NONE : axis.place[trial]);

// How far lines that meet at one value are spread around it, in parts of an axis: a full grid would else show only
// the line that was drawn last.
function spreadOf(axis) {
  if (axis.metric || axis.ticks.length > 12) return 0;
  const at = axis.ticks.map((m) => m.at).sort((a, b) => a - b);
  return Math.min(0.05, 0.4 * Math.min(1, ...at.slice(1).map((v, i) => v - at[i])));
}

// Which trials every brush lets through.
function brushed(axes, brushes, trial) {
  return axes.every((axis) => {
    const brush = brushes.get(axis.key);
    return !brush || (placeOf(axis, trial) >= brush[0] - 1e-9 && placeOf(axis, trial) <= brush[1] + 1e-9);
  });
}

// The ticks that can be written without touching: both ends first, then from the bottom what fits between.
function legible(marks, height, least) {
  const kept = [], sorted = [...marks].sort((a, b) => a.at - b.at);
  const fits = (mark) => kept.every((other) => Math.abs(other.at - mark.at) * height >= least);
  for (const mark of [sorted[0], sorted[sorted.length - 1], ...sorted.filter((m) => m.end), ...sorted]) if (mark && fits(mark)) kept.push(mark);
  return kept;
}

function parallel(holder, view) {
  const { axes, facts, brushes, visible, strength, highlight, onBrush, onHover } = view;
  const top = 52, plot = 330, below = axes.some((a) => a.place.includes(null)) ? 56 : 22, left = 14, right = 78;
  const width = Math.max(holder.clientWidth || 960, left + right + 62 * (axes.length - 1));
  const gap = axes.length > 1 ? (width - left - right) / (axes.length - 1) : 0;
  const { svg, paint } = sheet(holder, width, top + plot + below, "Parallel coordinates: a line for each trial");
  const x = (i) => left + i * gap, y = (at) => top + (1 - at) * plot;
  const hue = ramp(), faint = colour("--faint"), bad = colour("--bad");
  const failed = (t) => facts.trials.status[t] === "failed", spreads = axes.map(spreadOf);
  const drawnAt = (i, t) => placeOf(axes[i], t) + ((strength(t) ?? 0) - 0.5) * spreads[i];

  function line(t, style, thickness, dashes = []) {
    paint.strokeStyle = style;
    paint.lineWidth = thickness;
    paint.setLineDash(dashes);
    paint.beginPath();
    axes.forEach((_, i) => (i ? paint.lineTo(x(i), y(drawnAt(i, t))) : paint.moveTo(x(i), y(drawnAt(i, t)))));
    paint.stroke();
  }

  function draw(lit) {
    paint.clearRect(0, 0, width, top + plot + below);
    const shown = [], order = facts.trials.name.map((_, t) => t);
    for (const t of order) if (visible[t]) shown.push(t); else line(t, faint, 0.7);
    const alpha = lit === null ? Math.max(0.25, Math.min(0.9, 90 / Math.max(shown.length, 1))) : 0.15;
    shown.sort((a, b) => (strength(a) ?? -1) - (strength(b) ?? -1)); // the best last, on top
    for (const t of shown) {
      if (strength(t) === null) line(t, failed(t) ? bad : colour("--muted"), 1.2, failed(t) ? [5, 4] : [1, 3]);
      else line(t, css(hue(strength(t)), alpha), 1.5);
    }
    if (lit !== null) line(lit, strength(lit) === null ? bad : css(hue(strength(lit))), 3, failed(lit) ? [5, 4] : []);
  }

  axes.forEach((axis, i) => {
    const last = i === axes.length - 1, first = i === 0, anchor = first ? "start" : last ? "end" : "middle";
    const row = axes.length > 4 ? i % 2 : 0, room = axes.length <= 4 ? gap - 8 : first ? gap : last ? gap + right - 18 : 1.9 * gap - 6;
    const tx = first ? 2 : last ? width - 2 : x(i);
    const known = axis.ticks.length;
    const brush = brushes.get(axis.key);
    const group = s("g", {
      class: "axis", tabindex: 0, role: "slider", "aria-orientation": "vertical",
      "aria-label": `${axis.name}: arrow keys choose values, with Shift more of them, Escape all`,
      "aria-valuemin": 0, "aria-valuemax": Math.max(known - 1, 0), "aria-valuenow": brush ? axis.ticks.findIndex((m) => m.at >= brush[0] - 1e-9) : 0,
      "aria-valuetext": brush ? axis.ticks.filter((m) => m.at >= brush[0] - 1e-9 && m.at <= brush[1] + 1e-9).map((m) => m.label).join(", ") || "none" : "all",
      "data-axis": axis.name, onkeydown: (event) => steer(event, axis),
    });
    group.append(
      s("title", {}, axis.name),
      s("text", { class: "title", x: tx, y: 14 + 15 * row, "text-anchor": anchor }, fitted(axis.title, Math.max(room - (axis.log ? 34 : 0), 40), 12, "600") + (axis.log ? " (log)" : "")),
      s("line", { x1: x(i), x2: x(i), y1: top, y2: top + plot }),
    );
    if (row === 0 && axes.length > 4) group.append(s("line", { class: "leader", x1: x(i), x2: x(i), y1: 19, y2: top }));
    const marks = legible(axis.ticks, plot, 13), size = last ? right - 10 : gap - 12;
    for (const mark of axis.ticks) group.append(s("line", { x1: x(i) - 3, x2: x(i) + 3, y1: y(mark.at), y2: y(mark.at) }));
    for (const mark of marks)
      group.append(s("text", { class: "tick", x: x(i) + 6, y: y(mark.at) + 4 }, s("title", {}, mark.label), fitted(mark.label, Math.max(size, 20), 11)));
    if (axis.place.includes(null))
      group.append(s("text", { class: "tick none", x: x(i) + 6, y: y(NONE) + 4 }, fitted(axis.metric ? "no value" : "not set", Math.max(size, 20), 11)));
    if (brush) group.append(s("rect", { class: "brush", x: x(i) - 7, width: 14, y: y(Math.min(brush[1], 1.02)), height: Math.max(4, (Math.min(brush[1], 1.02) - Math.max(brush[0], -0.13)) * plot) }));
    const grip = s("rect", { class: "grip", x: x(i) - 12, width: 24, y: top - 8, height: plot + below });
    grip.addEventListener("pointerdown", (event) => drag(event, axis, grip));
    group.append(grip);
    svg.append(group);
  });

  function at(event) {
    const box = svg.getBoundingClientRect();
    return [((event.clientX - box.left) * width) / box.width, 1 - (((event.clientY - box.top) * (top + plot + below)) / box.height - top) / plot];
  }

  function drag(event, axis, grip) {
    event.preventDefault();
    const start = at(event)[1], i = axes.indexOf(axis);
    const rect = s("rect", { class: "brush", x: x(i) - 7, width: 14, y: 0, height: 0 });
    svg.append(rect);
    grip.setPointerCapture(event.pointerId);
    view.busy(true);
    const range = (e) => [Math.min(start, at(e)[1]), Math.max(start, at(e)[1])];
    const move = (e) => {
      const [low, high] = range(e);
      rect.setAttribute("y", y(Math.min(high, 1.02)));
      rect.setAttribute("height", Math.max(0, (Math.min(high, 1.02) - Math.max(low, -0.14)) * plot));
    };
    const finish = (e) => {
      grip.removeEventListener("pointermove", move);
      view.busy(false);
      rect.remove();
      const [low, high] = range(e);
      onBrush(axis.key, (high - low) * plot < 4 ? null : [low, high]);
    };
    grip.addEventListener("pointermove", move);
    grip.addEventListener("pointerup", finish, { once: true });
    grip.addEventListener("pointercancel", finish, { once: true });
  }

  function steer(event, axis) {
    const stops = [...new Set([...axis.ticks.map((m) => m.at), ...(axis.place.includes(null) ? [NONE] : [])])].sort((a, b) => a - b);
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key], brush = brushes.get(axis.key);
    if (event.key === "Escape" || event.key === "Delete") onBrush(axis.key, null);
    else if (step && stops.length) {
      const edge = brush ? (step > 0 ? brush[1] : brush[0]) : step > 0 ? -1 : 2;
      const next = (step > 0 ? stops.find((v) => v > edge + 1e-6) : stops.findLast((v) => v < edge - 1e-6)) ?? (step > 0 ? stops[stops.length - 1] : stops[0]);
      const spread = 0.002;
      onBrush(axis.key, brush && event.shiftKey ? [Math.min(brush[0], next - spread), Math.max(brush[1], next + spread)] : [next - spread, next + spread]);
    } else return;
    event.preventDefault();
  }

  svg.addEventListener("pointermove", (event) => {
    const [px, rel] = at(event), i = Math.min(Math.max(Math.floor((px - left) / (gap || 1)), 0), Math.max(axes.length - 2, 0));
    const part = gap ? Math.min(Math.max((px - x(i)) / gap, 0), 1) : 0;
    let nearest = null, distance = 7 / plot;
    const next = Math.min(i + 1, axes.length - 1);
    for (let t = 0; t < visible.length; t++) {
      if (!visible[t]) continue;
      const away = Math.abs(drawnAt(i, t) * (1 - part) + drawnAt(next, t) * part - rel);
      if (away < distance) { distance = away; nearest = t; }
    }
    onHover(nearest, event);
  });
  svg.addEventListener("pointerleave", (event) => onHover(null, event));
  draw(highlight);
  return draw;
}
