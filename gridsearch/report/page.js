// The page: sections in reading order, one state that brushes, filter and choices write, drawn again when it changes.

const fresh = () => ({ metric: null, brushes: new Map(), query: "", sort: { key: "rank", down: false }, all: false, pair: null, curve: null, most: 5, log: false, lit: null, busy: false });

function show(root, facts, state, controls = null) {
  const { trials, metrics } = facts, n = trials.name.length;
  if (!metrics.includes(state.metric)) state.metric = metrics.includes(facts.objective.metric) ? facts.objective.metric : metrics[0] || facts.objective.metric;
  if (!facts.curves.metrics.includes(state.curve)) state.curve = facts.curves.metrics[0] || null;
  const holders = {};
  const holder = (name) => (holders[name] = h("div", { class: `holder ${name}` }));

  let visible = [], drawLines = () => {};
  const axes = () => axesOf(facts, state.metric);
  const strengthOf = (value, range) => {
    const t = range[1] > range[0] ? (value - range[0]) / (range[1] - range[0]) : 1;
    return facts.lower.includes(state.metric) ? 1 - t : t;
  };
  const strength = (t) => {
    const value = (trials.mean[state.metric] || [])[t] ?? null;
    return value === null ? null : strengthOf(value, bounds);
  };
  let bounds = [0, 1];

  function hover(trial, event) {
    if (state.busy) return;
    if (trial !== state.lit) {
      state.lit = trial;
      drawLines(trial);
      for (const row of holders.board.querySelectorAll("tr.lit")) row.classList.remove("lit");
      if (trial !== null) holders.board.querySelector(`tr[data-trial="${trials.name[trial]}"]`)?.classList.add("lit");
    }
    tip(event, trial === null || !event ? null : [
      [trials.name[trial], trials.kind[trial] || trials.status[trial]], [state.metric, number((trials.mean[state.metric] || [])[trial])],
      ...facts.hparams.map((hparam, i) => [hparam.name, String(valueOf(facts, i, trial) ?? "–")]),
    ]);
  }

  function draw() {
    const all = axes(), passes = filterOf(state.query, facts);
    bounds = extent(trials.mean[state.metric] || []) || [0, 1];
    for (const key of state.brushes.keys()) if (!all.some((axis) => axis.key === key)) state.brushes.delete(key);
    visible = trials.name.map((_, t) => passes(t) && brushed(all, state.brushes, t));
    const view = { facts, visible, metric: state.metric, strength, strengthOf, highlight: state.lit };
    const left = visible.filter(Boolean).length;
    holders.count.textContent = left === n ? `${plural(n, "trial")}` : `${left.toLocaleString("en")} of ${plural(n, "trial")} selected`;
    holders.clear.disabled = !state.brushes.size && !state.query;
    const focused = document.activeElement?.getAttribute?.("data-axis");
    drawLines = parallel(holders.parallel, {
      ...view, axes: all, brushes: state.brushes, busy: (b) => (state.busy = b), onHover: hover,
      onBrush: (key, range) => { if (range) state.brushes.set(key, range); else state.brushes.delete(key); draw(); },
    });
    if (focused !== null && focused !== undefined) [...holders.parallel.querySelectorAll("[data-axis]")].find((g) => g.getAttribute("data-axis") === focused)?.focus();
    drawBoard(view);
    if (state.curve) curves(holders.curves, holders.legend, { ...view, metric: state.curve, most: state.most, log: state.log });
    else holders.curves.replaceChildren(none("No epoch has been reported."));
    timing(holders.timing, { ...view, onHover: hover });
    heat(holders.heat, { ...view, pair: state.pair });
    importanceTable(holders.importance, view);
    varianceTable(holders.variance, view);
    effectBlocks(holders.effects, view);
  }

  function drawBoard(view) {
    const focused = document.activeElement?.getAttribute?.("data-column");
    leaderboard(holders.board, {
      ...view, sort: state.sort, all: state.all, onRow: (t) => hover(t, null),
      onSort: (sort) => { state.sort = sort; drawBoard(view); }, onAll: () => { state.all = true; drawBoard(view); },
    });
    if (focused) [...holders.board.querySelectorAll("[data-column]")].find((b) => b.getAttribute("data-column") === focused)?.focus();
  }

  const choose = (id, label, options, value, set) => h("label", { for: id }, `${label} `, h("select", { id, onchange: (event) => { set(event.target.value); draw(); } },
    options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value) }, fitted(text, 240)))));
  const section = (title, about, ...children) => h("section", { class: "part" }, h("h2", {}, title), about ? h("p", { class: "about" }, about) : null, ...children);

  if (!state.pair || state.pair.some((i) => i >= facts.hparams.length)) state.pair = strongest(facts, state.metric);
  const names = facts.hparams.map((hparam, i) => [i, hparam.name]);
  holders.count = h("output", { class: "count", "aria-live": "polite" });
  holders.clear = h("button", { type: "button", onclick: () => { state.brushes.clear(); state.query = ""; holders.query.value = ""; draw(); } }, "Clear selection");
  holders.query = h("input", { id: "query", type: "search", value: state.query, placeholder: "words, or conditions: accuracy>0.9 optimizer=adam status=failed", oninput: (event) => { state.query = event.target.value; draw(); } });
  holders.legend = h("div", { class: "legend" });

  root.replaceChildren(...[
    headline(facts),
    controls,
    n === 0 ? h("p", { class: "none big" }, "No trial has been recorded yet. This page fills as trials end.") : h("div", { class: "bar-of-choices" },
      choose("metric", "Metric", (metrics.length ? metrics : [state.metric]).map((m) => [m, m]), state.metric, (m) => (state.metric = m)),
      h("label", { for: "query", class: "grow" }, "Filter ", holders.query), holders.clear, holders.count),
    ...(n === 0 ? [] : [
      section("Parallel coordinates", "Drag along an axis to select; click it to let go. With the keyboard: Tab to an axis, then arrow keys, Shift for more, Escape for all. Failed trials are dashed.", holder("parallel")),
      section("Leaderboard", null, holder("board")),
      h("div", { class: "two" }, section("Importance and correlation", null, holder("importance")), section("Analysis of variance", null, holder("variance"))),
      section("Effect of each value", "Mean over all that the other HParams take, ± one standard deviation (number of trials); one scale for all.", holder("effects")),
      facts.hparams.length < 2 ? (holder("heat"), null) : section("Interaction", "Mean of the selected trials for each pair of values.",
        h("div", { class: "bar-of-choices" }, choose("rows", "Rows", names, state.pair[0], (i) => (state.pair = [Number(i), state.pair[1]])), choose("columns", "Columns", names, state.pair[1], (i) => (state.pair = [state.pair[0], Number(i)]))), holder("heat")),
      section("Learning curves", facts.curves.step > 1 ? `The best of the selected trials in colour. Every ${facts.curves.step}th epoch is drawn.` : "The best of the selected trials in colour.",
        h("div", { class: "bar-of-choices" }, choose("curve", "Curve", facts.curves.metrics.map((m) => [m, m]), state.curve, (m) => (state.curve = m)),
          choose("most", "Highlight the best", [1, 2, 3, 5, 10].map((k) => [k, String(k)]), state.most, (k) => (state.most = Number(k))),
          h("label", { for: "log" }, h("input", { id: "log", type: "checkbox", checked: state.log, onchange: (event) => { state.log = event.target.checked; draw(); } }), " log scale")),
        holder("curves"), holders.legend),
      section("Time against metric", "The dashed line is the front: no trial is both faster and better than those on it.", holder("timing")),
      section("Failures", null, holder("failures")),
    ]),
    h("div", { class: "two" }, section("Cost", null, pairs(costs(facts))), section("Recipe", "What every trial had in common.", pairs(Object.entries(facts.recipe)))),
    section("Provenance", null, pairs(Object.entries(facts.provenance))),
  ].filter(Boolean));
  if (n) { failures(holders.failures, { facts }); draw(); }
  return n ? draw : () => {};
}

// The pair of HParams whose interaction explains most, or the two most important ones.
function strongest(facts, metric) {
  const at = (name) => facts.hparams.findIndex((hparam) => hparam.name === name), found = facts.analysis[metric];
  const together = found?.variance.found?.effects.filter((e) => e.names.length === 2).sort((a, b) => b.share - a.share)[0];
  if (together) return together.names.map(at);
  const important = Object.keys(found?.importance.found || {}).map(at);
  return important.length > 1 ? important.slice(0, 2) : [0, Math.min(1, facts.hparams.length - 1)];
}

function headline(facts) {
  const { trials, counts, objective } = facts, best = facts.ranked[0];
  const parts = ["completed", "stopped", "failed", "running", "planned"].filter((k) => counts[k]).map((k) => `${counts[k].toLocaleString("en")} ${k}`);
  const value = best === undefined ? null : (trials.mean[objective.metric] || [])[best];
  const said = best !== undefined ? null : trials.name.length === 0 ? null : counts.failed === trials.name.length ? "Every trial has failed; see below why." : "No trial has a result yet.";
  return h("header", {},
    h("h1", {}, facts.title),
    h("p", { class: "counts" }, `${plural(trials.name.length, "trial")}${parts.length ? `: ${parts.join(", ")}` : ""}. `, h("span", { class: "at" }, `${facts.running ? "Running; as of" : "As of"} ${new Date(facts.at * 1000).toLocaleString()}.`)),
    said ? h("p", { class: "none big" }, said) : null,
    best === undefined ? null : h("p", { class: "winner" }, h("b", {}, trials.name[best]), trials.status[best] === "failed" ? " (failed in some repeats)" : "", " is the best: ", objective.metric, " ", h("b", {}, number(value)), trials.deviation[objective.metric]?.[best] == null ? "" : ` ±${number(trials.deviation[objective.metric][best], 2)}`,
      h("span", { class: "values" }, facts.hparams.map((hparam, i) => h("span", { class: "value" }, hparam.name, " = ", h("b", {}, String(valueOf(facts, i, best) ?? "–")))))),
    facts.winner ? h("p", { class: "verdict" }, facts.winner) : null);
}

function costs(facts) {
  const { cost } = facts, date = (at) => (at === null ? "–" : new Date(at * 1000).toLocaleString());
  return [["sessions trained", cost.sessions.toLocaleString("en")], ["began", date(cost.began)], [facts.running ? "until now" : "ended", date(cost.ended)],
    ["from first to last", cost.began === null ? "–" : duration(cost.ended - cost.began)], ["training, all sessions together", duration(cost.training)],
    ["of that, sessions that failed", duration(cost.wasted)], ["a trial, on average", duration(cost.trial)]];
}

// Drawn again for another width, another theme, and in dark on white for paper.
function redrawn(get) {
  let waiting = 0;
  const soon = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(() => get()()); };
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; soon(); } });
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", () => get()());
  addEventListener("beforeprint", () => { document.body.classList.add("paper"); get()(); });
  addEventListener("afterprint", () => { document.body.classList.remove("paper"); get()(); });
}

function showFile() {
  const facts = JSON.parse(document.getElementById("facts").textContent), root = h("main", {});
  document.body.append(root);
  const draw = show(root, facts, fresh());
  redrawn(() => draw);
  document.documentElement.dataset.ready = "yes";
}

// The same page inside TensorBoard: asks for the facts again while it is looked at, and draws what has changed.
function showLive() {
  const root = h("main", {}), states = new Map(), line = h("span", { class: "live", role: "status" });
  let sweep = null, version = null, draw = () => {}, known = [];
  const select = h("select", { id: "sweep", onchange: (event) => { sweep = event.target.value; version = null; ask(); } });
  const mixed = h("span", {}); // TensorBoard reads one experiment record
  const controls = h("div", { class: "bar-of-choices" }, h("label", { for: "sweep" }, "Sweep ", select), line, mixed);
  document.head.append(h("link", { rel: "stylesheet", href: "./style.css" }));
  document.body.append(root);
  document.body.classList.add("inside");
  const theme = () => {
    const was = document.body.classList.contains("dark"), is = parent.document.body.classList.contains("dark-mode");
    document.body.classList.toggle("dark", is); // as TensorBoard around it, whatever the system prefers
    if (was !== is) draw();
  };
  const said = (words) => { if (!root.childElementCount) root.replaceChildren(h("p", { class: "none big" }, words)); line.textContent = words; };

  async function fetched(path) {
    const answer = await fetch(path, { cache: "no-store" });
    if (!answer.ok) throw new Error(`TensorBoard answered ${answer.status}`);
    return answer.json();
  }

  async function once() {
    theme();
    const sweeps = await fetched("./sweeps");
    if (JSON.stringify(sweeps) !== JSON.stringify(known)) {
      known = sweeps;
      mixed.textContent = known.length < 2 ? "" : `${known.length} sweeps are below this folder: TensorBoard's HPARAMS tab declares the HParams and metrics of only one of them; here each is whole.`;
      if (!known.includes(sweep)) { sweep = known[0] ?? null; version = null; }
      select.replaceChildren(...known.map((name) => h("option", { value: name, selected: name === sweep }, name === "." ? "this log directory" : name)));
    }
    if (sweep === null) { root.replaceChildren(); return said("No sweep of gridsearch has been recorded in this log directory yet."); }
    const query = new URLSearchParams({ sweep, ...(version ? { version } : {}) });
    const answer = await fetched(`./facts?${query}`);
    if (answer.problem) { version = null; root.replaceChildren(controls, h("p", { class: "none big" }, answer.problem)); return; }
    if (answer.facts && answer.sweep === sweep) {
      version = answer.version;
      if (!states.has(sweep)) states.set(sweep, fresh());
      keeping(() => { draw = show(root, answer.facts, states.get(sweep), controls); });
    }
    line.textContent = `${answer.running ? "Running; looked" : "Looked"} at ${new Date().toLocaleTimeString()}.`;
  }

  // What had the focus keeps it, and the page stays where it was scrolled to.
  function keeping(change) {
    const { id, selectionStart } = document.activeElement || {}, top = scrollY;
    const open = [...root.querySelectorAll("details[open] summary b")].map((b) => b.textContent);
    change();
    for (const details of root.querySelectorAll("details")) details.open = open.includes(details.querySelector("summary b").textContent);
    const again = id && document.getElementById(id);
    if (again) { again.focus({ preventScroll: true }); if (again.setSelectionRange && selectionStart != null) again.setSelectionRange(selectionStart, selectionStart); }
    scrollTo(0, top);
  }

  let timer = 0, asking = false;
  async function ask() {
    clearTimeout(timer);
    if (asking) { timer = setTimeout(ask, 200); return; }
    asking = true;
    const began = performance.now();
    const busy = document.hidden || [...states.values()].some((state) => state.busy);
    try { if (!busy) await once(); } catch (error) { said(`TensorBoard does not answer (${error.message}); asking again.`); }
    asking = false;
    // A page that is slow to make is asked for less often: the sweep needs the processor more.
    timer = setTimeout(ask, Math.min(Math.max(3000, 5 * (performance.now() - began)), 10000));
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  redrawn(() => draw);
  let wide = 0; // TensorBoard hides the frame while another tab is open
  new ResizeObserver(() => { if (document.body.clientWidth !== wide) { wide = document.body.clientWidth; if (wide) draw(); } }).observe(document.body);
  ask();
}
