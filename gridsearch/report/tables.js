// The leaderboard, which sorts and filters; importance, variance, failures and facts as tables.

const ON_PAPER = 40; // rows that are printed, see style.css
const AT_ONCE = 100; // rows drawn before somebody asks for the rest

// A filter is words that a trial must have, and conditions such as accuracy>0.9, optimizer=adam, status=failed.
function filterOf(text, facts) {
  const terms = text.trim().split(/\s+/).filter(Boolean).map((term) => {
    const parts = /^(.+?)(<=|>=|!=|=|<|>)(.+)$/.exec(term);
    const cell = parts && cellOf(facts, parts[1]);
    if (!cell) return (t) => rowText(facts, t).includes(term.toLowerCase());
    const [, , sign, right] = parts, limit = Number(right);
    return (t) => {
      const left = cell(t), asNumber = Number(left), both = right.trim() !== "" && !Number.isNaN(limit) && left !== null && !Number.isNaN(asNumber);
      const order = left === null ? NaN : both ? Math.sign(asNumber - limit) : String(left) === right ? 0 : String(left) < right ? -1 : 1;
      return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0, "=": order === 0, "!=": order !== 0 }[sign];
    };
  });
  return (t) => terms.every((term) => term(t));
}

function cellOf(facts, name) {
  if (name === "trial") return (t) => facts.trials.name[t];
  if (name === "status") return (t) => facts.trials.status[t];
  const i = facts.hparams.findIndex((hparam) => hparam.name === name);
  if (i >= 0) return (t) => valueOf(facts, i, t);
  return facts.trials.mean[name] ? (t) => facts.trials.mean[name][t] : null;
}

const valueOf = (facts, i, t) => {
  const level = facts.trials.levels[i][t];
  return level === null ? null : facts.hparams[i].category ? facts.hparams[i].levels[level] : facts.trials.values[i][t];
};

const rowText = (facts, t) =>
  [facts.trials.name[t], facts.trials.status[t], facts.trials.kind[t], ...facts.hparams.map((_, i) => String(valueOf(facts, i, t)))].join("\n").toLowerCase();

// A metric with as many decimals in every row, so that columns can be compared by eye.
function decimals(name, values) {
  const known = values.filter((v) => v !== null);
  if (known.every(Number.isInteger)) return (v) => number(v);
  if (name === "seconds" && known.some((v) => v >= 1)) return (v) => (v === null ? "–" : v.toFixed(1));
  return (v) => (v === null ? "–" : Math.abs(v) < 1e4 && (Math.abs(v) >= 1e-3 || v === 0) ? v.toFixed(4) : number(v));
}

function columnsOf(facts) {
  const { trials } = facts, repeated = trials.n.some((n) => n > 1), rank = new Map(facts.ranked.map((t, i) => [t, i]));
  const status = (t) => trials.status[t] + (trials.kind[t] ? ` (${trials.kind[t]})` : "");
  const spread = (metric, t) => (trials.deviation[metric][t] === null ? "" : ` ±${number(trials.deviation[metric][t], 2)}`);
  return [
    { key: "rank", title: "#", value: (t) => rank.get(t) ?? null, show: (t) => (rank.has(t) ? rank.get(t) + 1 : "–"), number: true },
    { key: "trial", title: "trial", value: (t) => t, show: (t) => trials.name[t], whole: true },
    { key: "status", title: "status", value: status, show: status, whole: true },
    ...(repeated ? [{ key: "n", title: "n", value: (t) => trials.n[t], show: (t) => trials.n[t], number: true }] : []),
    ...facts.metrics.map((m) => {
      const written = decimals(m, trials.mean[m]);
      return { key: `metric ${m}`, title: m, value: (t) => trials.mean[m][t], show: (t) => written(trials.mean[m][t]) + spread(m, t), number: true, down: !facts.lower.includes(m) };
    }),
    ...facts.hparams.map((hparam, i) => ({ key: `hparam ${hparam.name}`, title: hparam.name, value: (t) => (hparam.category ? trials.levels[i][t] : trials.values[i][t]), show: (t) => (valueOf(facts, i, t) === null ? "–" : hparam.category ? valueOf(facts, i, t) : number(valueOf(facts, i, t), 12)), number: !hparam.category })),
  ];
}

function leaderboard(holder, { facts, visible, sort, all, highlight, onSort, onAll, onRow }) {
  const columns = columnsOf(facts), column = columns.find((c) => c.key === sort.key) || columns[0], sign = sort.down ? -1 : 1;
  const rows = facts.trials.name.map((_, t) => t).filter((t) => visible[t]);
  const keys = new Map(rows.map((t) => [t, column.value(t)]));
  rows.sort((a, b) => {
    const x = keys.get(a), y = keys.get(b);
    if (x === y) return a - b;
    if (x === null || x === undefined) return 1; // what has no value stays last, whichever the direction
    if (y === null || y === undefined) return -1;
    return (x < y ? -1 : 1) * sign;
  });
  const shown = all ? rows : rows.slice(0, AT_ONCE);
  const head = h("tr", {}, columns.map((c) => h("th", { scope: "col", "aria-sort": c === column ? (sort.down ? "descending" : "ascending") : null, class: c.number ? "number" : null },
    h("button", { type: "button", title: c.title, "data-column": c.key, onclick: () => onSort(c === column ? { key: c.key, down: !sort.down } : { key: c.key, down: Boolean(c.down) }) }, h("span", {}, c.title), h("i", { "aria-hidden": "true" }, c === column ? (sort.down ? "▾" : "▴") : "")))));
  const body = shown.map((t) => h("tr", { "data-trial": facts.trials.name[t], class: [facts.trials.status[t], t === highlight ? "lit" : ""].join(" "), onmouseenter: () => onRow(t), onmouseleave: () => onRow(null) },
    columns.map((c) => {
      const text = String(c.show(t)), cell = h("td", { class: c.number ? "number" : c.whole ? "whole" : null, title: text.length > 24 ? text : null });
      if (c.key === "trial") cell.append(h("button", { type: "button", onfocus: () => onRow(t), onblur: () => onRow(null) }, text)); else cell.append(text);
      return cell;
    })));
  const box = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Leaderboard" }, h("table", { class: "board" }, h("thead", {}, head), h("tbody", {}, body)));
  if (shown.length > ON_PAPER) box.append(h("p", { class: "paper-only" }, `The first ${ON_PAPER} of ${plural(rows.length, "trial")}.`));
  const more = rows.length > shown.length ? h("button", { type: "button", class: "more", onclick: onAll }, `Show the other ${(rows.length - shown.length).toLocaleString("en")}`) : null;
  holder.replaceChildren(...[rows.length ? box : none("No trial passes the filter."), more].filter(Boolean));
}

const columnsOfWidth = (...widths) => h("colgroup", {}, widths.map((width) => h("col", { style: width ? { width } : {} })));

function importanceTable(holder, { facts, metric }) {
  const found = facts.analysis[metric];
  if (!found) return holder.replaceChildren(none("No trial has this metric yet."));
  if (found.importance.refused) return holder.replaceChildren(none(found.importance.refused));
  const linear = found.correlation.found || {};
  const bar = (share) => h("span", { class: "bar" }, h("i", { style: { width: `${100 * share}%` } }));
  const signed = (r) => h("span", { class: "signed" }, h("i", { class: r < 0 ? "minus" : "plus", style: { width: `${50 * Math.abs(r)}%`, left: `${r < 0 ? 50 - 50 * Math.abs(r) : 50}%` } }));
  const one = (label, r) => h("div", { class: "r" }, label === null ? null : h("span", { class: "level", title: label }, label), signed(r || 0), h("span", { class: "n" }, r === null ? "–" : (r > 0 ? "+" : "") + r.toFixed(3)));
  holder.replaceChildren(
    h("table", { class: "importance" },
      columnsOfWidth("24%", null, "56px", "42%"), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "HParam"), h("th", { scope: "col", colspan: 2 }, "importance"), h("th", { scope: "col" }, "correlation"))),
      h("tbody", {}, Object.entries(found.importance.found).map(([name, share]) => h("tr", {}, h("th", { scope: "row", title: name }, h("span", {}, name)), h("td", { class: "wide" }, bar(share)), h("td", { class: "n" }, share.toFixed(3)),
        h("td", { class: "wide" }, linear[name] !== null && typeof linear[name] === "object" ? Object.entries(linear[name]).map(([level, r]) => one(level, r)) : one(null, linear[name] ?? null)))))),
    h("p", { class: "method" }, `Importance: ${facts.method}. Correlation: Pearson's, for categories of each level. ${plural(found.n, "trial")}.`, found.left_out.length ? ` Left out, since some trials have no value of it: ${found.left_out.join(", ")}.` : ""),
  );
}

function varianceTable(holder, { facts, metric }) {
  const found = facts.analysis[metric];
  if (!found) return holder.replaceChildren(none("No trial has this metric yet."));
  if (!found.variance.found) return holder.replaceChildren(none(found.variance.refused));
  const { effects, higher, error, repeats, n } = found.variance.found;
  const row = (label, source) => h("tr", {}, h("th", { scope: "row", title: label }, h("span", {}, label)), h("td", { class: "wide" }, h("span", { class: "bar" }, h("i", { style: { width: `${100 * source.share}%` } }))), h("td", { class: "n" }, `${(100 * source.share).toFixed(1)} %`), h("td", { class: "n" }, source.degrees), h("td", { class: "n" }, number(source.f, 3)), h("td", { class: "n" }, source.p === null ? "–" : source.p < 1e-4 ? "< 0.0001" : source.p.toFixed(4)));
  const listed = [...effects].sort((a, b) => b.share - a.share), most = 15, rest = listed.slice(most);
  holder.replaceChildren(
    h("table", { class: "importance" },
      columnsOfWidth("40%", null, "64px", "48px", "60px", "70px"), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "source of variance"), h("th", { scope: "col", colspan: 2 }, "share"), ...["df", "F", "p"].map((t) => h("th", { scope: "col", class: "n" }, t)))),
      h("tbody", {}, listed.slice(0, most).map((e) => row(e.names.join(" × "), e)),
        rest.length ? row(`${rest.length} further effects`, { share: rest.reduce((sum, e) => sum + e.share, 0), degrees: rest.reduce((sum, e) => sum + e.degrees, 0), f: null, p: null }) : null,
        higher.degrees ? row("three and more together", higher) : null, error.degrees ? row("repeats (error)", error) : null)),
    h("p", { class: "method" }, `Exact, over the complete grid: ${plural(n, "session")}, ${repeats === 1 ? "each combination once, so there is no error to test against" : `each combination ${repeats} times`}.`),
  );
}

function failures(holder, { facts }) {
  if (!facts.failures.length) return holder.replaceChildren(none("None."));
  holder.replaceChildren(...facts.failures.map((failure) => h("details", { class: "failure" },
    h("summary", {}, h("b", {}, failure.session), ` ${failure.kind}: `, h("span", {}, failure.message || "no message")),
    h("pre", { tabindex: 0 }, failure.log || "No log was kept here; see the trial's log.txt."))));
}

function pairs(rows) {
  return h("table", { class: "facts" }, h("tbody", {}, rows.map(([key, value]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, value)))));
}
