// Curves, time against metric, effects, heat maps: drawn from the same trials that the brushes let through.

function frame(holder, { width, height, x, y, xTicks, yTicks, xTitle, yTitle, label }) {
  const room = { left: 62, right: 16, top: 12, bottom: 40 };
  const made = sheet(holder, width, height, label);
  const px = (v) => room.left + x(v) * (width - room.left - room.right);
  const py = (v) => height - room.bottom - y(v) * (height - room.top - room.bottom);
  let free = -Infinity;
  for (const v of xTicks) {
    const text = number(v);
    pen.font = "11px system-ui, sans-serif";
    const half = pen.measureText(text).width / 2, centre = Math.min(px(v), width - half - 2);
    made.svg.append(s("line", { class: "rule", x1: px(v), x2: px(v), y1: room.top, y2: height - room.bottom }));
    if (centre - half > free) {
      made.svg.append(s("text", { class: "tick", x: centre, y: height - room.bottom + 15, "text-anchor": "middle" }, text));
      free = centre + half + 8;
    }
  }
  for (const v of yTicks)
    made.svg.append(
      s("line", { class: "rule", x1: room.left, x2: width - room.right, y1: py(v), y2: py(v) }),
      s("text", { class: "tick", x: room.left - 6, y: py(v) + 4, "text-anchor": "end" }, number(v)),
    );
  made.svg.append(
    s("text", { class: "title", x: (room.left + width - room.right) / 2, y: height - 6, "text-anchor": "middle" }, fitted(xTitle, width - 80, 12, "600")),
    s("text", { class: "title", transform: `translate(13 ${(height - room.bottom + room.top) / 2}) rotate(-90)`, "text-anchor": "middle" }, fitted(yTitle, height - 60, 12, "600")),
  );
  return { ...made, px, py };
}

// A range with some air at both ends, so that no mark is cut in half.
function airy([low, high], log = false) {
  if (log) return [low / (high / low) ** 0.03, high * (high / low) ** 0.03];
  const air = (high - low) * 0.03;
  return [low - air, high + air];
}

const none = (words) => h("p", { class: "none" }, words);

const lines = () => [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => colour(`--line-${n}`));

// Which trials are drawn on top, and in what colour: the best of those that are visible.
function chosen(facts, visible, most) {
  const best = facts.ranked.filter((t) => visible[t]).slice(0, most), colours = lines();
  return new Map(best.map((t, i) => [t, colours[i]]));
}

function curves(holder, legend, { facts, visible, metric, most, log }) {
  const sessions = facts.curves.sessions.filter((c) => visible[c.trial] && c.points[metric].some((v) => v !== null));
  legend.replaceChildren();
  if (!sessions.length) return holder.replaceChildren(none("No epoch has been reported by the selected trials."));
  const all = sessions.flatMap((c) => c.points[metric]).filter((v) => v !== null && (!log || v > 0));
  if (!all.length) return holder.replaceChildren(none("No value above 0, which a logarithmic axis needs."));
  const low = extent(all), span = extent(sessions.flatMap((c) => c.epochs)), best = chosen(facts, visible, most);
  const width = Math.max(holder.clientWidth || 900, 320);
  const { paint, px, py } = frame(holder, {
    width, height: 320, label: `Learning curves of ${metric}`, xTitle: "epoch", yTitle: metric + (log ? " (log)" : ""),
    x: scale(airy(span)), y: scale(airy(low, log), log), xTicks: ticks(span, 8).filter(Number.isInteger), yTicks: ticks(low, 5, log),
  });
  const stroke = (curve, style, thickness) => {
    paint.strokeStyle = paint.fillStyle = style;
    paint.lineWidth = thickness;
    paint.beginPath();
    let down = false, points = 0, last = null;
    curve.epochs.forEach((epoch, i) => {
      const v = curve.points[metric][i];
      if (v === null || (log && v <= 0)) { down = false; return; }
      last = [px(epoch), py(v)];
      points++;
      if (down) paint.lineTo(...last); else paint.moveTo(...last);
      down = true;
    });
    paint.stroke();
    if (points === 1) { paint.beginPath(); paint.arc(...last, thickness + 1, 0, 7); paint.fill(); }
  };
  const rest = sessions.filter((c) => !best.has(c.trial)), faded = Math.max(0.12, Math.min(0.6, 40 / Math.max(rest.length, 1)));
  paint.globalAlpha = faded;
  for (const curve of rest) stroke(curve, facts.trials.status[curve.trial] === "failed" ? colour("--bad") : colour("--muted"), 1);
  paint.globalAlpha = 1;
  for (const curve of [...sessions.filter((c) => best.has(c.trial))].reverse()) stroke(curve, best.get(curve.trial), 2.2);
  for (const [trial, style] of best) legend.append(h("span", { class: "key" }, h("i", { style: { background: style } }), facts.trials.name[trial]));
}

function timing(holder, { facts, visible, metric, strength, onHover }) {
  const seconds = facts.trials.mean.seconds || [], values = facts.trials.mean[metric] || [];
  const known = values.map((v, t) => t).filter((t) => visible[t] && values[t] !== null && (seconds[t] ?? null) !== null);
  if (!known.length || metric === "seconds") return holder.replaceChildren(none(metric === "seconds" ? "Choose another metric than time itself." : "No selected trial has both a time and this metric."));
  const xs = extent(known.map((t) => seconds[t])), ys = extent(known.map((t) => values[t]));
  const log = xs[0] > 0 && xs[1] / xs[0] > 30, width = Math.max(holder.clientWidth || 900, 320);
  const { svg, paint, px, py } = frame(holder, {
    width, height: 300, label: `Time against ${metric}`, xTitle: `seconds of a trial${log ? " (log)" : ""}`, yTitle: metric,
    x: scale(airy(xs, log), log), y: scale(airy(ys)), xTicks: ticks(xs, 6, log), yTicks: ticks(ys, 5),
  });
  const hue = ramp(), front = (facts.front[metric] || []).filter((t) => visible[t]);
  for (const t of [...known].sort((a, b) => strength(a) - strength(b))) {
    paint.fillStyle = css(hue(strength(t)), 0.85);
    paint.beginPath();
    paint.arc(px(seconds[t]), py(values[t]), known.length > 400 ? 2.5 : 4, 0, 7);
    paint.fill();
  }
  paint.strokeStyle = colour("--text");
  paint.lineWidth = 1.5;
  paint.setLineDash([4, 3]);
  paint.beginPath();
  front.forEach((t, i) => {
    if (!i) paint.moveTo(px(seconds[t]), py(values[t]));
    else { paint.lineTo(px(seconds[t]), py(values[front[i - 1]])); paint.lineTo(px(seconds[t]), py(values[t])); }
  });
  paint.stroke();
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), x = ((event.clientX - box.left) * width) / box.width, y = ((event.clientY - box.top) * 300) / box.height;
    let nearest = null, distance = 10;
    for (const t of known) {
      const away = Math.hypot(px(seconds[t]) - x, py(values[t]) - y);
      if (away < distance) { distance = away; nearest = t; }
    }
    onHover(nearest, event);
  });
  svg.addEventListener("pointerleave", (event) => onHover(null, event));
}

// The mean at each value with one standard deviation to either side, on one scale for all HParams.
function effectBlocks(holder, { facts, metric }) {
  const found = facts.analysis[metric] ? facts.analysis[metric].effects : [];
  if (!found.length) return holder.replaceChildren(none("No trial has this metric yet."));
  const ends = found.flatMap((e) => e.levels.flatMap((l) => [l.mean - (l.deviation || 0), l.mean + (l.deviation || 0)]));
  const place = scale(extent(ends)), at = (v) => 4 + 92 * place(v);
  holder.replaceChildren(...found.map((effect) =>
    h("section", { class: "effect" }, h("h3", { title: effect.name }, effect.name), h("table", {}, h("tbody", {}, effect.levels.map((level) => {
      const low = at(level.mean - (level.deviation || 0)), high = at(level.mean + (level.deviation || 0));
      return h("tr", {}, h("th", { scope: "row", title: level.label }, level.label), h("td", { class: "track" },
        h("span", { class: "whisker", style: { left: `${low}%`, width: `${high - low}%` } }),
        h("span", { class: "dot", style: { left: `${at(level.mean)}%` } })),
      h("td", { class: "n" }, number(level.mean), h("small", {}, level.deviation === null ? "" : ` ±${number(level.deviation, 2)}`, ` (${level.n})`)));
    }))))));
}

function heat(holder, { facts, metric, visible, pair, strengthOf }) {
  const [a, b] = pair, rows = facts.hparams[a], columns = facts.hparams[b], values = facts.trials.mean[metric] || [];
  if (!rows || !columns || a === b) return holder.replaceChildren(none("Two HParams are needed."));
  const sums = rows.levels.map(() => columns.levels.map(() => [0, 0]));
  values.forEach((v, t) => {
    const i = facts.trials.levels[a][t], j = facts.trials.levels[b][t];
    if (v !== null && visible[t] && i !== null && j !== null) { sums[i][j][0] += v; sums[i][j][1]++; }
  });
  const means = sums.map((row) => row.map(([sum, n]) => (n ? sum / n : null))), range = extent(means.flat());
  if (!range) return holder.replaceChildren(none("No selected trial has this metric."));
  const hue = ramp();
  holder.replaceChildren(h("div", { class: "scroll" }, h("table", { class: "heat" },
    h("thead", {}, h("tr", {}, h("th", { class: "corner" }, h("span", {}, rows.name), " \\ ", h("span", {}, columns.name)), columns.levels.map((label) => h("th", { scope: "col", title: label }, h("span", {}, label))))),
    h("tbody", {}, rows.levels.map((label, i) => h("tr", {}, h("th", { scope: "row", title: label }, h("span", {}, label)), means[i].map((mean, j) => {
      if (mean === null) return h("td", { class: "hole" }, "–");
      const rgb = hue(strengthOf(mean, range)), dark = rgb[0] * 0.3 + rgb[1] * 0.6 + rgb[2] * 0.1 < 140;
      return h("td", { style: { background: css(rgb), color: dark ? "#fff" : "#111" }, title: `${sums[i][j][1]} trials` }, number(mean));
    })))))));
}
