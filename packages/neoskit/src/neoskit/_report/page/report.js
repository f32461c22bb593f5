"use strict";
// The page of a run: `data` is what `report_document` wrote; nothing is loaded.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const POI = data.settings.poi === "mu" ? "μ" : data.settings.poi;
const TITLES = {
  expected_cls: "expected CLs", upper_limit: "95 % limit", poi_uncertainty: `σ(${POI})`,
  significance: "significance", loss: "loss",
};
const objective = (name) => TITLES[name] ?? name.replaceAll("_", " ");
const NUMBERS = ["expected_cls", "upper_limit", "poi_uncertainty", "significance"];
const state = {};

// --- numbers and words ---------------------------------------------------------------
const SUPER = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) {
    const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
    return value.toFixed(Math.min(places, 8)).replace("-", "−");
  }
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const raised = [...String(Number(power))].map((c) => SUPER[c]).join("");
  return `${mantissa.replace("-", "−")}·10${raised}`;
}
const whole = (x) => Math.round(x).toLocaleString("en").replaceAll(",", "\u202f");
const percent = (x, digits = 1) =>
  x === null || !Number.isFinite(x) ? "–" : `${x > 0 ? "+" : x < 0 ? "−" : ""}${Math.abs(100 * x).toFixed(digits)}\u00a0%`;
const bare = (id) => { const node = at(id); node.replaceChildren(); return node; };
function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
function options(id, values, chosen, words = (x) => x) {
  const select = bare(id);
  for (const value of values) select.append(element("option", words(value), { value }));
  if (values.length) select.value = values.includes(chosen) ? chosen : values[0];
  return select.value;
}
function table(id, head, rows) {
  const node = bare(id);
  const first = node.createTHead().insertRow();
  const left = rows[0]?.left ?? 1;
  head.forEach((cell, i) => first.append(element("th", cell, i < left ? { class: "text" } : {})));
  const body = node.createTBody();
  for (const { cells, kind = "", left = 1 } of rows) {
    const row = body.insertRow();
    row.className = kind;
    cells.forEach((cell, i) => row.append(element("td", cell, i < left ? { class: "text" } : {})));
  }
}

// --- looks ---------------------------------------------------------------------------
const darkScreen = matchMedia("(prefers-color-scheme: dark)");
const onPaper = matchMedia("print");
const isDark = () => darkScreen.matches && !onPaper.matches;
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// Petroff's colours (arXiv:2107.02270), with the signal's red kept for the signal.
const COLOURS = ["#3f90da", "#ffa90e", "#832db6", "#94a4a2", "#a96b59", "#e76300", "#92dadd", "#b9ac70", "#717581"];
const REDS = { light: ["#bd1f01", "#e2563a", "#8a1500"], dark: ["#ff5a40", "#ff9482", "#d8341a"] };
const processes = [...new Set(data.seeds.flatMap((s) => Object.values(s.templates).flatMap((c) => Object.keys(c.processes))))];
function colour(process) {
  const signals = data.settings.signals;
  if (signals.includes(process)) return REDS[isDark() ? "dark" : "light"][signals.indexOf(process) % 3];
  const place = processes.filter((p) => !signals.includes(p)).indexOf(process);
  const found = COLOURS[((place % COLOURS.length) + COLOURS.length) % COLOURS.length];
  return isDark() && found === "#832db6" ? "#b07be0" : found;
}
const mixed = (hex, alpha) => {
  const n = parseInt(hex.slice(1), 16);
  return `rgba(${n >> 16},${(n >> 8) & 255},${n & 255},${alpha})`;
};
function axis(extra = {}) {
  return {
    gridcolor: variable("--grid"), linecolor: variable("--dim"), zeroline: false, showline: true, mirror: true,
    ticks: "inside", tickcolor: variable("--dim"), automargin: true, title: { standoff: 8 }, ...extra,
  };
}
const titled = (text) => ({ text, standoff: 8 });
function layout(extra = {}) {
  return {
    margin: { l: 52, r: 14, t: 10, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: variable("--text") },
    legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom", font: { size: 11.5 }, itemwidth: 30 },
    hovermode: "closest", hoverlabel: { font: { size: 12 } }, bargap: 0, ...extra,
  };
}
const CONFIG = {
  responsive: true, displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};
const narrow = () => innerWidth < 720;
function draw(id, traces, look) {
  // Paper has other sizes than the screen, and nobody resizes a window before printing.
  const size = { width: at(id).offsetWidth, height: at(id).offsetHeight };
  Plotly.react(at(id), traces, { ...look, ...size }, { ...CONFIG, displayModeBar: narrow() ? false : "hover" });
}

// --- bins ----------------------------------------------------------------------------
const short = (x) => String(Number(x.toPrecision(3)));
function binAxis(count, edges, extra = {}) {
  // Of many bins every other edge, or fewer, so that the numbers stay upright.
  const every = Math.ceil(count / (narrow() ? 6 : 8));
  const chosen = [...Array(count + 1).keys()].filter((i) => i % every === 0 || i === count);
  const marks = edges && edges.length === count + 1
    ? { tickvals: chosen.map((i) => i - 0.5), ticktext: chosen.map((i) => short(edges[i])), tickangle: 0, title: titled("edges of the observable's bins") }
    : { tickvals: [...Array(count).keys()], title: titled("bin") };
  return axis({ range: [-0.5, count - 0.5], showgrid: false, ...marks, ...extra });
}
const ofChannel = (channel, edges) => (counted(channel) ? null : edges);
const counted = (channel) => data.settings.counted.includes(channel);
function sum(parts, count) {
  const total = Array(count).fill(0);
  for (const part of parts) part.forEach((y, i) => { total[i] += y; });
  return total;
}
// Stacked by hand, so that a logarithmic axis shows the sums.
function stacked(found, range) {
  const names = Object.keys(found.yields);
  const signals = data.settings.signals;
  const order = [...names.filter((n) => !signals.includes(n)), ...names.filter((n) => signals.includes(n))];
  const count = found.yields[names[0]].length;
  const bins = [...Array(count).keys()];
  const traces = [];
  let base = Array(count).fill(0);
  for (const name of order) {
    const y = found.yields[name].map((v) => Math.max(v, 0));
    traces.push({
      type: "bar", name, x: bins, y, base, width: 1, marker: { color: colour(name), line: { width: 0 } },
      customdata: found.yields[name].map((v) => number(v)), hovertemplate: `%{customdata}<extra>${escaped(name)}</extra>`,
    });
    base = base.map((b, i) => b + y[i]);
  }
  const background = sum(names.filter((n) => !signals.includes(n)).map((n) => found.yields[n]), count);
  const [down, up] = found.band;
  const low = background.map((b, i) => Math.max(b - down[i], range[0] / 3));
  traces.push({
    type: "bar", name: "uncertainty", x: bins, y: background.map((b, i) => Math.max(b + up[i] - low[i], 0)), base: low, width: 1,
    marker: { color: "rgba(0,0,0,0)", line: { width: 0 }, pattern: { shape: "/", size: 5, solidity: 0.18, fgcolor: variable("--text") } },
    customdata: background.map((b, i) => `${number(b)} −${number(down[i])} +${number(up[i])}`),
    hovertemplate: "%{customdata}<extra>background</extra>",
  });
  return traces;
}
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
function inLines(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length + 1 > most) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
  }
  return lines.map(escaped).join("<br>");
}
function heights(stacks) {
  const totals = stacks.flatMap((found) => {
    const count = found.band[0].length;
    return sum(Object.values(found.yields), count).map((y, i) => [y, y + found.band[1][i]]);
  });
  const top = Math.max(...totals.map(([, y]) => y), 1e-3);
  const low = Math.min(...totals.map(([y]) => y).filter((y) => y > 0), top);
  return [Math.max(0.4 * low, 1e-4 * top), 2.5 * top];
}

// --- the training --------------------------------------------------------------------
const run = () => state.seed.training;
// Whether bins were merged after it: the rule may have found nothing to merge.
const merged = () => data.settings.rebinned
  && state.seed.edges?.length !== run().frames.at(-1)?.edges?.length;
function frame() { return run().frames[state.frame]; }
function grid(found, plane, i, j) {
  if (!found.grids) {
    const bytes = Uint8Array.from(atob(found.places), (c) => c.charCodeAt(0));
    const all = new Int16Array(bytes.buffer), count = plane.axes[0].length;
    found.grids = plane.pairs.map((_, p) => [...Array(count).keys()].map((y) =>
      Array.from(all.subarray((p * count + y) * count, (p * count + y + 1) * count), (v) => v / 1000)));
  }
  const place = (a, b) => plane.pairs.findIndex(([x, y]) => x === a && y === b);
  if (i < j) return found.grids[place(i, j)];
  const other = found.grids[place(j, i)];
  return other[0].map((_, y) => other.map((row) => row[y]));
}
function drawContours() {
  const { plane } = run(), now = frame();
  const shown = plane && plane.pairs.length > 0 && now.places.length > 0;
  at("plot-contours").closest("figure").hidden = !shown;
  if (!shown) return;
  const [i, j] = state.axes;
  const z = grid(now, plane, i, j);
  const scored = Object.keys(now.channels).find((c) => !counted(c));
  const count = Object.values(now.channels[scored].yields)[0].length;
  const edges = now.edges;
  const traces = [{
    type: "contour", x: plane.axes[i], y: plane.axes[j], z, zmin: 0, zmax: count, hoverinfo: "skip",
    contours: { coloring: "fill", start: 0, end: count, size: 1 }, line: { width: 1, color: variable("--dim") },
    colorscale: [[0, variable("--fill-low")], [1, variable("--fill-high")]], showscale: !narrow(),
    colorbar: {
      thickness: 9, outlinewidth: 0, title: { text: "bins", font: { size: 11 } }, tickfont: { size: 11 },
      tickvals: edges ? edges.map((_, k) => k) : [...Array(count).keys()].map((k) => k + 0.5),
      ticktext: edges ? edges.map(short) : [...Array(count).keys()].map(String),
    },
  }];
  const symbols = { "": "circle", up: "triangle-up", down: "triangle-down" };
  const known = new Set();
  for (const sample of plane.samples) {
    const side = sample.shift.split(":").pop();
    const name = sample.process;
    traces.push({
      type: "scatter", mode: "markers", name, legendgroup: name, showlegend: !known.has(name) && !sample.shift, hoverinfo: "skip",
      x: sample.features[i], y: sample.features[j],
      marker: { size: 4, symbol: symbols[side] ?? "circle", color: colour(sample.process), opacity: sample.shift ? 0.45 : 0.75 },
    });
    if (!sample.shift) known.add(name);
  }
  draw("plot-contours", traces, layout({
    xaxis: axis({ range: ends(plane.axes[i]), title: titled(escaped(plane.names[i])), showgrid: false }),
    yaxis: axis({ range: ends(plane.axes[j]), title: titled(escaped(plane.names[j])), showgrid: false }),
  }));
}
const ends = (values) => [values[0], values[values.length - 1]];
function logarithmic(values) {
  const positive = values.filter((v) => v !== null && v > 0);
  return positive.length === values.filter((v) => v !== null).length && Math.max(...positive) > 4 * Math.min(...positive);
}
// Over so many powers of ten: some of them, or 1, 2 and 5 of each.
const logTicks = (powers) => (powers > 1.6 ? Math.max(1, Math.ceil(powers / 7)) : "D2");
function drawCurve() {
  const { curves } = run(), found = curves[state.curve];
  if (!found) return;
  const now = frame().step;
  const last = found.steps.filter((s) => s <= now).length;
  const log = logarithmic(found.values), red = colour(data.settings.signals[0]);
  const values = found.values.filter((v) => v !== null && (!log || v > 0));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = log ? 0.08 * Math.log10(high / low) + 0.1 : 0.1 * (high - low) || 0.1 * Math.abs(high) || 0.1;
  const range = log ? [Math.log10(low) - pad, Math.log10(high) + pad] : [low - pad, high + pad];
  const marks = found.steps.length < 60 ? "lines+markers" : "lines";
  const traces = [
    { x: found.steps, y: found.values, mode: "lines", line: { color: variable("--line"), width: 1.5 }, hoverinfo: "skip", showlegend: false },
    {
      x: found.steps.slice(0, last), y: found.values.slice(0, last), mode: marks, showlegend: false,
      line: { color: "#3f90da", width: 2 }, marker: { size: 5 }, hovertemplate: "step %{x}: %{y:.4g}<extra></extra>",
    },
    { x: [found.steps[last - 1]], y: [found.values[last - 1]], mode: "markers", marker: { size: 10, color: red }, showlegend: false, hoverinfo: "skip" },
  ];
  const shapes = [], annotations = [];
  let start = 0;
  data.settings.stages.forEach((stage, i) => {
    if (i) shapes.push({ type: "line", x0: start, x1: start, y0: 0, y1: 1, yref: "paper", line: { dash: "dot", width: 1, color: variable("--dim") } });
    const steps = found.steps[found.steps.length - 1];
    // One that begins late would run out of the picture: it ends where that does.
    const late = start > 0.5 * steps;
    if (data.settings.stages.length > 1 && start < steps) annotations.push({
      // Side by side they would run into each other: every other one stands lower.
      x: late ? 1 : start, y: 1, xref: late ? "paper" : "x", yref: "paper", yanchor: i % 2 ? "top" : "bottom",
      xanchor: late ? "right" : "left", showarrow: false,
      text: escaped(objective(stage.objective)), font: { size: 11, color: variable("--dim") },
    });
    start += stage.steps;
  });
  draw("plot-curve", traces, layout({
    margin: { l: 52, r: 14, t: 24, b: 44 }, shapes, annotations,
    xaxis: axis({ title: titled("step"), range: [-0.02 * found.steps.at(-1), 1.03 * found.steps.at(-1)] }),
    yaxis: axis({ title: titled(escaped(TITLES[state.curve])), type: log ? "log" : "linear", range, exponentformat: "power", dtick: log ? logTicks(range[1] - range[0]) : undefined }),
  }));
  at("curve-remark").textContent = state.curve === "loss"
    ? "What is minimised: smooth bins, the events of each step" + (data.settings.folds ? ", of the first fold." : ".")
    : "Held-out events, hard bins of the training.";
}
function drawModel() {
  const channel = state.frameChannel, found = frame().channels[channel];
  const range = heights(run().frames.map((one) => one.channels[channel]));
  const count = found.band[0].length;
  draw("plot-model", stacked(found, range), layout({
    barmode: "overlay", xaxis: binAxis(count, ofChannel(channel, frame().edges)),
    yaxis: axis({ type: "log", range: range.map(Math.log10), title: titled("expected events"), exponentformat: "power", dtick: 1 }),
  }));
}
function drawNow() {
  const now = frame(), node = bare("now");
  const stage = data.settings.stages[Math.min(now.stage, data.settings.stages.length - 1)];
  at("now-step").textContent = `step ${now.step}`;
  at("now-step").dataset.step = now.step;
  at("now-step").title = stage.objective;
  for (const name of [...NUMBERS, "loss"]) {
    // With folds each has a loss of its own, at the steps of all there is none.
    if (!(name in run().curves) || (name === "loss" && data.settings.folds)) continue;
    const value = now.numbers[name];
    const box = element("div");
    box.append(element("dt", TITLES[name]));
    const shown = element("dd", number(value), { id: `now-${name}` });
    // The number itself, as it stands in metrics.jsonl.
    if (value !== undefined) shown.dataset.value = JSON.stringify(value);
    box.append(shown);
    node.append(box);
  }
}
function drawFrame() {
  if (!run().frames.length) return;
  at("slider").value = state.frame;
  drawNow(); drawContours(); drawCurve(); drawModel();
}
let waiting = false;
function moveTo(index) {
  state.frame = Math.min(Math.max(index, 0), run().frames.length - 1);
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawFrame(); });
}
let timer = null;
function play() {
  if (timer) { clearInterval(timer); timer = null; at("play").textContent = "▶"; return; }
  at("play").textContent = "⏸";
  if (state.frame === run().frames.length - 1) moveTo(0);
  timer = setInterval(() => {
    if (state.frame >= run().frames.length - 1) play(); else moveTo(state.frame + 1);
  }, 220);
}
function setUpTraining() {
  const has = run().frames.length > 0;
  at("no-training").hidden = has;
  at("training-lead").hidden = !has || !merged();
  at("with-training").hidden = !has;
  if (!has) return;
  const { plane, frames, curves } = run();
  at("slider").max = frames.length - 1;
  state.frame = frames.length - 1;
  state.curve = options("curve", Object.keys(curves), state.curve ?? "expected_cls", (n) => TITLES[n]);
  const channels = Object.keys(frames[0].channels);
  state.frameChannel = options("frame-channel", channels, state.frameChannel ?? channels.find((c) => !counted(c)));
  at("frame-channel").hidden = channels.length < 2;
  if (plane) {
    const all = plane.names.map((_, i) => String(i));
    state.axes = [0, 1];
    options("axis-x", all, "0", (i) => plane.names[i]);
    options("axis-y", all, "1", (i) => plane.names[i]);
    at("axes-controls").hidden = plane.names.length < 3;
    at("contours-remark").textContent = [
      plane.samples.some((s) => s.shift) ? "Triangles: events of a variation, up and down." : "",
      plane.slices ? "A slice through the median event; the events are projected onto it." : "",
      data.settings.folds ? "The observable of the first fold." : "",
    ].join(" ");
  }
}
function chooseAxis(which, value) {
  const other = state.axes[1 - which];
  state.axes[which] = Number(value);
  if (state.axes[0] === state.axes[1]) {
    state.axes[1 - which] = other === 0 ? 1 : 0;
    if (state.axes[0] === state.axes[1]) state.axes[1 - which] = 2;
  }
  at("axis-x").value = state.axes[0];
  at("axis-y").value = state.axes[1];
  drawContours();
}

// --- the result ----------------------------------------------------------------------
function drawResult() {
  const { numbers } = state.seed, cards = bare("cards");
  const band = (values) => values.every((v) => v !== null)
    ? [`±1 σ: ${number(values[1])} … ${number(values[3])}`, `±2 σ: ${number(values[0])} … ${number(values[4])}`] : [];
  const texts = {
    expected_cls: [`expected CLs of ${POI} = ${short(numbers.mu)}`, band(numbers.cls)],
    upper_limit: [`expected 95 % CL limit on ${POI}`, band(numbers.upper_limit)],
    poi_uncertainty: [`expected σ(${POI})`, [`at ${POI} = ${short(numbers.mu)}, with all uncertainties`]],
    significance: ["expected discovery significance", [`of ${POI} = ${short(numbers.mu)}`]],
  };
  for (const name of NUMBERS) {
    const card = element("div", null, { class: "card" });
    const value = numbers.medians[name];
    card.append(element("div", texts[name][0], { class: "label" }));
    const shown = element("div", number(value) + (name === "significance" && value !== null ? " σ" : ""), { class: "value", id: `card-${name}` });
    if (value !== null) shown.dataset.value = JSON.stringify(value);
    // From the finite sample of events, by bootstrap.
    const error = numbers.errors[name];
    if (error) shown.append(element("span", ` ± ${number(error, 2)}`, { class: "error", title: "from the finite sample, by bootstrap" }));
    card.append(shown, ...texts[name][1].map((text) => element("div", text, { class: "band" })));
    const won = gains(name);
    if (won) card.append(element("div", won.text, { class: `gain ${won.verdict}` }));
    cards.append(card);
  }
  const missing = bare("missing");
  missing.hidden = true;
  for (const [name, why] of Object.entries(numbers.missing)) {
    missing.hidden = false;
    missing.append(element("li", `no ${TITLES[name] ?? name}: ${why}`));
  }
  at("seeds").hidden = data.seeds.length < 2;
  if (data.seeds.length < 2) return;
  const rows = data.seeds.map((one) => ({
    cells: [String(one.seed), ...NUMBERS.map((n) => number(one.numbers.medians[n]))], kind: one === state.seed ? "total" : "",
  }));
  rows.push({ cells: ["median", ...NUMBERS.map((n) => number(median(data.seeds.map((s) => s.numbers.medians[n]))))], kind: "total" });
  table("seeds", ["seed", ...NUMBERS.map((n) => TITLES[n])], rows);
}
function median(values) {
  const sorted = values.filter((v) => v !== null).sort((a, b) => a - b);
  if (!sorted.length) return null;
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// --- templates -----------------------------------------------------------------------
function setUpTemplates() {
  const channels = Object.keys(state.seed.templates);
  state.channel = options("channel", channels, state.channel ?? channels.find((c) => !counted(c)));
  const names = Object.keys(state.seed.templates[state.channel].processes);
  const hasSome = (n) => Object.keys(state.seed.templates[state.channel].processes[n].variations).length;
  const varied = names.find((n) => hasSome(n) && !data.settings.signals.includes(n)) ?? names.find(hasSome);
  state.process = options("process", names, names.includes(state.process) ? state.process : varied);
  const variations = Object.keys(state.seed.templates[state.channel].processes[state.process].variations);
  state.variation = options("variation", ["all", ...variations], state.variation);
  at("templates-lead").textContent = (merged() ? "In the merged bins that numbers are quoted from. " : "")
    + "Sums of weights as they are, before the measurement raises bins to its floor or treats a variation.";
}
function drawTemplates() {
  const channel = state.seed.templates[state.channel], process = channel.processes[state.process];
  const count = process.yields.length, edges = ofChannel(state.channel, state.seed.edges);
  const range = heights([channel.stack]);
  draw("plot-stack", stacked(channel.stack, range), layout({
    barmode: "overlay", xaxis: binAxis(count, edges),
    yaxis: axis({ type: "log", range: range.map(Math.log10), title: titled("expected events"), exponentformat: "power", dtick: 1 }),
  }));
  // Both edges of each bin: a bin without a value is a gap, and not half of one.
  const x = [...Array(count).keys()].flatMap((i) => [i - 0.5, i + 0.5]);
  const wide = (y) => y.flatMap((v) => [v, v]);
  const line = (y, name, look, extra = {}) => ({ x, y: wide(y), name, mode: "lines", line: { width: 1.8, ...look }, hoverinfo: "skip", ...extra });
  const ratio = (y) => y.map((v, i) => (process.yields[i] ? v / process.yields[i] : null));
  const relative = process.errors.map((e, i) => (process.yields[i] ? Math.abs(e / process.yields[i]) : 0));
  const traces = [line(process.yields, "nominal", { color: variable("--text") })];
  const lower = { yaxis: "y2", showlegend: false };
  traces.push({
    type: "bar", x: [...Array(count).keys()], y: relative.map((r) => 2 * r), base: relative.map((r) => 1 - r), width: 1, name: "finite sample",
    marker: { color: mixed("#888888", 0.28), line: { width: 0 } }, yaxis: "y2", hoverinfo: "skip",
  });
  const shown = Object.entries(process.variations).filter(([n]) => state.variation === "all" || n === state.variation);
  shown.forEach(([name, { up, down }], k) => {
    const tone = COLOURS[k % COLOURS.length];
    const group = { legendgroup: name };
    traces.push(line(up.yields, escaped(name), { color: tone }, group));
    traces.push(line(down.yields, `${name} down`, { color: tone, dash: "dot" }, { ...group, showlegend: false }));
    traces.push(line(ratio(up.yields), name, { color: tone }, { ...lower, ...group }));
    traces.push(line(ratio(down.yields), name, { color: tone, dash: "dot" }, { ...lower, ...group }));
  });
  const sides = shown.flatMap(([, v]) => [...ratio(v.up.yields), ...ratio(v.down.yields)]).filter((v) => v !== null).map((v) => Math.abs(v - 1));
  const reach = Math.min(1, 1.15 * Math.max(0.02, ...sides, ...relative.filter((r) => r < 0.6)));
  const every = [process.yields, ...shown.flatMap(([, v]) => [v.up.yields, v.down.yields])].flat().filter((v) => v > 0);
  const log = every.length > 0 && Math.max(...every) > 30 * Math.min(...every);
  at("variation-title").textContent = `${state.process}: up solid, down dotted`;
  draw("plot-variation", traces, layout({
    xaxis: binAxis(count, edges, { anchor: "y2", mirror: "all" }),
    yaxis: axis({ domain: [0.4, 1], title: titled("expected events"), type: log ? "log" : "linear", rangemode: "tozero", exponentformat: "power" }),
    yaxis2: axis({ domain: [0, 0.34], title: titled("ratio"), range: [1 - reach, 1 + reach], nticks: 5 }),
  }));
}

// --- the fit -------------------------------------------------------------------------
function drawFit() {
  const { fit, numbers } = state.seed;
  if (fit.missing) {
    at("fit-lead").textContent = `There is no fit: ${fit.missing}`;
    at("plot-fit").hidden = true;
    return;
  }
  at("plot-fit").hidden = false;
  at("fit-lead").textContent = `The fit to what is expected at ${POI} = ${short(fit.mu)}: how far the data constrain `
    + `each nuisance parameter, and what it does to ${POI}. Its uncertainty is ${number(fit.total)}; fluctuations of the counts make ${number(fit.statistical)} of it, `
    + "and all else the rest, in quadrature.";
  const most = 24, all = fit.ranking, chosen = all.slice(0, most).reverse();
  const names = chosen.map((one) => one.name);
  const red = colour(data.settings.signals[0]), blue = "#3f90da";
  const traces = [
    {
      type: "scatter", mode: "markers", x: chosen.map((one) => one.pull), y: names, xaxis: "x", showlegend: false,
      error_x: { type: "data", array: chosen.map((one) => one.width), color: variable("--text"), thickness: 1.5, width: 3 },
      marker: { color: variable("--text"), size: 6 }, hovertemplate: "%{y}: %{x:.3f} ± %{error_x.array:.3f}<extra></extra>",
    },
    ...[["prefit_up", blue], ["prefit_down", red]].map(([side, tone]) => ({
      type: "bar", orientation: "h", x: chosen.map((one) => one[side]), y: names, xaxis: "x2", width: 0.8, showlegend: false, hoverinfo: "skip",
      marker: { color: "rgba(0,0,0,0)", line: { color: tone, width: 1 } },
    })),
    ...[["up", "+1 σ", blue], ["down", "−1 σ", red]].map(([side, word, tone]) => ({
      type: "bar", orientation: "h", x: chosen.map((one) => one[side]), y: names, xaxis: "x2", name: `parameter at ${word}`, width: 0.55,
      marker: { color: tone, opacity: 0.85 }, hovertemplate: `%{y}, ${word}: %{x:.4g}<extra></extra>`,
    })),
  ];
  const phone = narrow();
  at("plot-fit").style.height = `${Math.max(240, 110 + 24 * names.length)}px`;
  draw("plot-fit", traces, layout({
    margin: { l: 60, r: 18, t: 34, b: 48 }, barmode: "overlay", bargap: 0.2,
    xaxis: axis({ domain: phone ? [0, 0.44] : [0, 0.47], range: [-1.6, 1.6], title: titled("pull") }),
    xaxis2: axis({ domain: phone ? [0.5, 1] : [0.51, 1], title: titled(`impact on ${escaped(POI)}`), nticks: phone ? 3 : 7, tickangle: 0, zeroline: true, zerolinecolor: variable("--dim") }),
    yaxis: axis({ showgrid: false, tickfont: { size: 11.5 }, ticks: "", range: [-0.6, names.length - 0.4] }),
    shapes: [-1, 1].map((x) => ({ type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line: { dash: "dot", width: 1, color: variable("--dim") } })),
    legend: { orientation: "h", x: phone ? 0 : 0.51, y: 1.01, yanchor: "bottom", font: { size: 11.5 } },
  }));
  const rest = all.length > most ? `The ${most} largest of ${all.length} impacts. ` : "";
  const free = fit.free.filter((one) => one.name !== numbers.poi).map((one) => `${one.name} = ${number(one.best)} ± ${number(one.error)}`);
  at("fit-free").textContent = rest + "Filled: after the fit; outlined: with the width of the constraint."
    + (free.length ? ` Determined by the data alone: ${free.join(", ")}.` : "");
}

// --- the gain ------------------------------------------------------------------------
function gains(name) {
  const found = data.comparison;
  if (!found || !found.baselines.length) return null;
  const [baseline] = found.baselines, one = found.difference[baseline][name];
  const scale = median(found.numbers[baseline][name].map((v) => (v === null ? null : Math.abs(v))));
  if (one.mean === null || !scale) return null;
  const error = Math.hypot(one.improvement_error_events ?? 0, one.improvement_error_seeds ?? 0);
  const word = one.verdict === "equal" ? "within errors equal to" : `${one.verdict} than`;
  const size = `${percent(one.mean / scale).replace(/\u00a0%$/, "")}\u00a0±\u00a0${(100 * error).toFixed(1)}\u00a0%`;
  return { verdict: one.verdict, text: `${word} ${objective(baseline)}: ${size}` };
}
function drawGain() {
  const found = data.comparison, room = found?.head_room ?? state.seed.costs;
  const own = !found?.head_room;
  at("gain-figure").hidden = !found;
  at("gain-pair").classList.toggle("alone", !found);
  at("gain-table").hidden = !found;
  const whose = own ? "this observable" : found.baselines[0];
  at("gain-lead").textContent = (room.missing ? `There is no head-room: ${room.missing} `
    : `σ(${POI}) of ${objective(whose)}: ${number(room.poi_uncertainty)} with all uncertainties, ${number(room.statistical)} with all other parameters `
      + `known exactly. No observable can win more than ${number(100 * (1 - 1 / room.ratio), 2)} % by avoiding uncertainties. `)
    + (found ? "" : "Whether the training beats a classifier is told by “neoskit compare CONFIG.toml”.");
  at("costs-title").textContent = `What each uncertainty costs ${own ? "this observable" : objective(whose)}`;
  if (!room.missing) {
    const costs = Object.entries(room.costs).slice(0, 14).reverse();
    draw("plot-costs", [{
      type: "bar", orientation: "h", y: costs.map(([n]) => n), x: costs.map(([, c]) => 100 * (c - 1)), marker: { color: "#3f90da" },
      hovertemplate: "%{y}: %{x:.2f} %<extra></extra>", width: 0.6,
    }], layout({
      bargap: 0.3, margin: { l: 60, r: 16, t: 10, b: 46 },
      xaxis: axis({ title: titled(`increase of σ(${escaped(POI)}) [%]`), rangemode: "tozero" }),
      yaxis: axis({ showgrid: false, ticks: "", tickfont: { size: 11.5 } }),
    }));
  } else Plotly.purge(at("plot-costs"));
  if (!found) return;
  const ways = [...found.baselines, found.objective];
  const values = ways.flatMap((way) => found.numbers[way][state.gain]);
  const log = logarithmic(values), positive = values.filter((v) => v > 0);
  // So many letters of a name have room in a line below its points.
  const letters = Math.floor((at("plot-gain").offsetWidth - 70) / ways.length / (narrow() ? 6 : 7));
  draw("plot-gain", ways.flatMap((way, k) => {
    const own = found.numbers[way][state.gain], tone = way === found.objective ? colour(data.settings.signals[0]) : COLOURS[k % COLOURS.length];
    return [
      { x: own.map((_, i) => k + (own.length > 1 ? 0.3 * (i / (own.length - 1) - 0.5) : 0)), y: own, mode: "markers", marker: { color: tone, size: 8 }, text: found.seeds.map((s) => `seed ${s}`), hovertemplate: "%{text}: %{y:.4g}<extra></extra>", showlegend: false },
      { x: [k - 0.32, k + 0.32], y: Array(2).fill(median(own)), mode: "lines", line: { color: tone, width: 2 }, hoverinfo: "skip", showlegend: false },
    ];
  }), layout({
    xaxis: axis({
      tickvals: ways.map((_, k) => k), ticktext: ways.map((way) => inLines(objective(way), letters)), tickangle: 0,
      tickfont: { size: narrow() ? 10.5 : 12 }, range: [-0.6, ways.length - 0.4], showgrid: false,
    }),
    yaxis: axis({
      title: titled(escaped(TITLES[state.gain])), type: log ? "log" : "linear", exponentformat: "power",
      dtick: log ? logTicks(Math.log10(Math.max(...positive) / Math.min(...positive))) : undefined,
    }),
  }));
  const rows = found.baselines.flatMap((baseline) => NUMBERS.map((name) => {
    const one = found.difference[baseline][name];
    const scale = median(found.numbers[baseline][name].map((v) => (v === null ? null : Math.abs(v))));
    return {
      cells: [TITLES[name], objective(baseline), number(median(found.numbers[baseline][name])), number(median(found.numbers[found.objective][name])),
        number(one.mean), number(one.bootstrap_error, 2), number(one.seed_spread, 2), scale ? percent(one.mean / scale) : "–", one.verdict], left: 2,
    };
  }));
  table("gain-table", ["number", "baseline", "its median", `median of ${objective(found.objective)}`, "difference", "± events", "± seeds", "relative", "verdict"], rows);
  for (const row of at("gain-table").tBodies[0].rows) row.lastChild.className = row.lastChild.textContent;
}

// --- soft versus hard, yields, how to repeat -------------------------------------------
function drawSoft() {
  const { soft } = state.seed, found = soft.channels[state.softChannel];
  const count = found.background.hard.length, bins = [...Array(count).keys()];
  const ratio = ({ soft: s, hard: h }) => s.map((v, i) => (h[i] > 0 ? v / h[i] : null));
  const error = ({ error: e, hard: h }) => e.map((v, i) => (h[i] > 0 ? v / h[i] : null));
  const one = (kind, tone, shift) => ({
    x: bins.map((b) => b + shift), y: ratio(found[kind]), mode: "markers", name: kind, marker: { color: tone, size: 8 },
    error_y: { type: "data", array: error(found[kind]), color: tone, thickness: 1.5, width: 3 },
    customdata: bins.map((b) => `${number(found[kind].soft[b])} soft, ${number(found[kind].hard[b])} hard`), hovertemplate: `bin %{x:.0f}: %{customdata}<extra>${kind}</extra>`,
  });
  const frames = run().frames, edges = frames.length ? frames.at(-1).edges : null;
  const values = [...ratio(found.signal), ...ratio(found.background)].filter((v) => v !== null);
  const top = Math.min(Math.max(1.5, 1.25 * Math.max(...values)), 20);
  draw("plot-soft", [one("background", "#3f90da", -0.08), one("signal", colour(data.settings.signals[0]), 0.08)], layout({
    xaxis: binAxis(count, ofChannel(state.softChannel, edges)), yaxis: axis({ title: titled("soft / hard"), range: [0, top] }),
    shapes: [{ type: "line", x0: -0.5, x1: count - 0.5, y0: 1, y1: 1, line: { width: 1, color: variable("--dim") } }],
  }));
  table("soft-table", ["number", "smooth bins", "hard bins", "difference"], NUMBERS.map((name) => {
    const [s, h] = [soft.numbers.soft[name], soft.numbers.hard[name]];
    return { cells: [TITLES[name], number(s), number(h), s !== null && h ? percent(s / h - 1) : "–"] };
  }));
}
function drawYields() {
  const rows = [];
  for (const channel of Object.keys(state.seed.templates)) {
    const own = state.seed.yields.filter((row) => row.channel === channel);
    const background = own.filter((row) => !row.signal);
    const cells = (row) => [channel, row.process, number(row.yield, 4), number(row.error, 2), whole(row.raw), number(row.effective, 4),
      worst(row)];
    for (const row of own) rows.push({ cells: cells(row), kind: row.signal ? "signal" : "", left: 2 });
    const total = background.reduce((s, row) => s + row.yield, 0);
    const error = Math.hypot(...background.map((row) => row.error));
    rows.push({ cells: [channel, "all backgrounds", number(total, 4), number(error, 2), whole(background.reduce((s, row) => s + row.raw, 0)), number(error ? (total / error) ** 2 : 0, 4), ""], kind: "total", left: 2 });
  }
  table("yields-table", ["channel", "process", "yield", "± finite sample", "raw events", "effective events", "largest change of the yield"], rows);
}
function worst(row) {
  const shifts = Object.entries(row.shifts).map(([name, sides]) => [name, sides.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0)]);
  if (!shifts.length || !row.yield) return "";
  const [name, change] = shifts.reduce((a, b) => (Math.abs(b[1]) > Math.abs(a[1]) ? b : a));
  return `${percent(change / row.yield)} ${name}`;
}
function drawRepeat() {
  const { repeat } = data;
  at("command").textContent = repeat.command;
  at("config").textContent = repeat.config;
  const seeds = Object.entries(repeat.seeds).filter(([, value]) => value !== null).map(([name, value]) => [`seed: ${name}`, Array.isArray(value) ? value.join(", ") : String(value)]);
  for (const [name, value] of [...Object.entries(repeat.versions), ...seeds]) {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value));
    at("versions").append(pair);
  }
  const digests = [...Object.entries(repeat.parameters), ...Object.entries(repeat.files), ...Object.entries(repeat.events)];
  table("digests", ["", "SHA-256"], digests.map(([name, value]) => ({ cells: [name, digest(value)] })));
  for (const row of at("digests").tBodies[0].rows) { row.lastChild.className = "digest"; row.lastChild.title = row.lastChild.textContent; row.lastChild.textContent = row.lastChild.textContent.slice(0, 16) + "…"; }
  at("footer").textContent = `Written by neoskit ${repeat.versions.neoskit ?? ""}` + (repeat.started ? `; trained ${new Date(repeat.started).toISOString().slice(0, 16).replace("T", " ")} UTC.` : ".");
}
const digest = (value) => (typeof value === "string" ? value : value.sha256 ?? JSON.stringify(value));

// --- the page ------------------------------------------------------------------------
function drawAll() {
  drawResult(); drawFrame(); drawTemplates(); drawFit(); drawGain(); drawSoft(); drawYields();
}
function setUp(seed) {
  state.seed = data.seeds.find((one) => one.seed === seed);
  setUpTraining();
  setUpTemplates();
  const soft = Object.keys(state.seed.soft.channels);
  state.softChannel = options("soft-channel", soft, state.softChannel ?? soft[0]);
  at("soft-channel").hidden = soft.length < 2;
}
function begin() {
  const { settings } = data;
  at("name").textContent = data.name;
  at("summary").textContent = `Trained on ${settings.stages.map((s) => objective(s.objective)).join(", then ")}`
    + ` · ${settings.stages.reduce((n, s) => n + s.steps, 0)} steps`
    + (settings.folds ? ` · ${settings.folds} folds` : "") + ` · ${data.seeds.length} seed${data.seeds.length > 1 ? "s" : ""}`;
  if (data.untrained.length) at("summary").textContent += ` · not trained: seed ${data.untrained.join(", ")}`;
  if (data.repeat.note) { at("note").textContent = data.repeat.note; at("note").hidden = false; }
  for (const title of document.querySelectorAll("section h2")) {
    at("contents").append(element("a", title.textContent, { href: `#${title.parentElement.id}` }));
  }
  options("seed", data.seeds.map((one) => String(one.seed)), null);
  at("seed-label").hidden = data.seeds.length < 2;
  state.gain = options("gain-number", NUMBERS, "expected_cls", (n) => TITLES[n]);
  const on = (id, event, action) => at(id).addEventListener(event, (e) => action(e.target.value));
  on("seed", "change", (value) => { setUp(Number(value)); drawAll(); });
  on("slider", "input", (value) => moveTo(Number(value)));
  at("play").addEventListener("click", play);
  on("curve", "change", (value) => { state.curve = value; drawCurve(); });
  on("axis-x", "change", (value) => chooseAxis(0, value));
  on("axis-y", "change", (value) => chooseAxis(1, value));
  on("frame-channel", "change", (value) => { state.frameChannel = value; drawModel(); });
  for (const [id, name] of [["channel", "channel"], ["process", "process"], ["variation", "variation"]]) {
    on(id, "change", (value) => { state[name] = value; setUpTemplates(); drawTemplates(); });
  }
  on("gain-number", "change", (value) => { state.gain = value; drawGain(); });
  on("soft-channel", "change", (value) => { state.softChannel = value; drawSoft(); });
  darkScreen.addEventListener("change", drawAll);
  onPaper.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
  let wide = narrow();
  addEventListener("resize", () => { if (narrow() !== wide) { wide = narrow(); drawAll(); } });
  setUp(data.seeds[0].seed);
  drawRepeat();
  drawAll();
  document.documentElement.dataset.ready = "yes";
}
begin();
