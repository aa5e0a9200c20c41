// The player: one slider over training, maps of all heads and curves that follow it. The data is the JSON that
// player.py writes: {title, text, choice, options: [{name, maps, panels, stages}], palette, colours}.
const bytes = (packed) => Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
const palette = bytes(data.palette); // 256 colours, three bytes each
const shown = (x) => (Math.abs(x) >= 1e4 || (x !== 0 && Math.abs(x) < 1e-3) ? x.toExponential(3) : String(+x.toPrecision(5)));

// ---- state: which option, which frame, which heads, which pair of tokens, which row is followed
const state = { option: 0, frame: 0, heads: new Set(), query: 0, key: 0, followed: null, timer: null };
let maps = null; // of the present option: {steps, H, T, S, values, first_query, tokens}
let steps = []; // what the slider runs over

function choose(option) {
  state.option = option;
  const chosen = data.options[option];
  maps = chosen.maps && { ...chosen.maps, values: bytes(chosen.maps.packed) };
  const old = steps[state.frame];
  steps = maps ? maps.steps : chosen.panels[0].x;
  state.frame = old === undefined ? 0 : nearest(steps, old);
  state.heads = new Set(maps ? Array.from({ length: maps.H }, (_, h) => h) : []);
  if (maps) [state.query, state.key] = [Math.min(state.query, maps.T - 1), Math.min(state.key, maps.S - 1)];
  state.followed = null;
  build();
  show();
}

function nearest(xs, x) {
  let best = 0;
  xs.forEach((one, i) => { if (Math.abs(one - x) < Math.abs(xs[best] - x)) best = i; });
  return best;
}

const attention = (frame, head, query, key) => maps.values[((frame * maps.H + head) * maps.T + query) * maps.S + key] / 255;
const token = (position) => (maps.tokens ? `${position} “${maps.tokens[position]}”` : String(position));

// ---- maps
function paint(canvas, width, height, value) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 3 * Math.round(255 * value(y, x));
      image.data.set([palette[at], palette[at + 1], palette[at + 2], 255], 4 * (y * width + x));
    }
  }
  context.putImageData(image, 0, 0);
}

function place(canvas, event, width, height) {
  const box = canvas.getBoundingClientRect();
  const within = (share, n) => Math.max(0, Math.min(n - 1, Math.floor(share * n)));
  return [within((event.clientY - box.top) / box.height, height), within((event.clientX - box.left) / box.width, width)];
}

function buildMaps() {
  const all = find("#maps"), heads = find("#heads");
  all.replaceChildren();
  heads.replaceChildren();
  find("#map-part").hidden = find("#map-keys").hidden = !maps;
  if (!maps) return;
  for (let head = 0; head < maps.H; head++) {
    const box = make("input", { type: "checkbox", checked: "", id: `head-${head}` });
    box.addEventListener("change", () => { box.checked ? state.heads.add(head) : state.heads.delete(head); show(); });
    heads.append(make("label", { for: box.id }, box, ` ${maps.names[head]}`));
    const canvas = make("canvas", { tabindex: "0", role: "img", id: `map-${head}` });
    canvas.style.aspectRatio = `${maps.S} / ${maps.T}`;
    canvas.addEventListener("pointermove", (event) => { [state.query, state.key] = place(canvas, event, maps.S, maps.T); show(); });
    canvas.addEventListener("click", (event) => { // a finger does not hover: it chooses the pair and follows its row at once
      [state.query, state.key] = place(canvas, event, maps.S, maps.T);
      state.followed = state.query;
      show();
    });
    canvas.addEventListener("keydown", (event) => moveInMap(event));
    all.append(make("figure", { "data-head": head }, canvas, make("figcaption", {}, make("b", {}, maps.names[head]), " rows: queries, columns: keys")));
  }
}

function moveInMap(event) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (event.key === "Enter") state.followed = state.query;
  else if (step) {
    state.query = Math.max(0, Math.min(maps.T - 1, state.query + step[0]));
    state.key = Math.max(0, Math.min(maps.S - 1, state.key + step[1]));
  } else return;
  event.preventDefault();
  event.stopPropagation();
  show();
}

function showMaps() {
  if (!maps) return;
  const { frame, query, key } = state;
  for (let head = 0; head < maps.H; head++) {
    const figure = find(`#maps figure[data-head="${head}"]`), canvas = figure.firstChild;
    figure.hidden = !state.heads.has(head);
    if (figure.hidden) continue;
    paint(canvas, maps.S, maps.T, (y, x) => attention(frame, head, y, x));
    const said = `${maps.names[head]} at ${data.unit} ${steps[frame]}: query ${token(query + maps.first_query)} attends ${shown(attention(frame, head, query, key))} to key ${token(key)}`;
    canvas.setAttribute("aria-label", said);
  }
  const each = [...state.heads].sort((a, b) => a - b).map((head) => `${maps.names[head]}: ${attention(frame, head, query, key).toFixed(3)}`);
  find("#pair").textContent = `Query ${token(query + maps.first_query)}, key ${token(key)}. ${each.join(", ")}`;
  const rows = find("#rows");
  rows.replaceChildren();
  find("#row-part").hidden = state.followed === null;
  if (state.followed === null) return;
  find("#row-title").textContent = `Query ${token(state.followed + maps.first_query)} through training`;
  for (const head of [...state.heads].sort((a, b) => a - b)) {
    const canvas = make("canvas", { role: "img", "aria-label": `${maps.names[head]}: attention of this query on each key over training` });
    canvas.style.height = "9rem";
    paint(canvas, steps.length, maps.S, (y, x) => attention(x, head, state.followed, y));
    rows.append(make("figure", {}, canvas, make("figcaption", {}, make("b", {}, maps.names[head]), ` rows: keys, columns: ${data.unit}s`)));
  }
}

// ---- curves
const WIDE = innerWidth < 500 ? 350 : 640, HIGH = 220, // as wide as the window lets it be, so that its letters keep their size
  PAD = { left: 46, right: 8, top: 18, bottom: 30 };

function scale(low, high, from, to, log) {
  const f = log ? Math.log10 : (x) => x;
  const span = f(high) - f(low) || 1;
  return (x) => from + ((f(x) - f(low)) / span) * (to - from);
}

// Least and greatest of a list of any length: what takes its numbers as arguments has room for some 100,000
function range(xs) {
  let [low, high] = [Infinity, -Infinity];
  for (const x of xs) { if (x < low) low = x; if (x > high) high = x; }
  return [low, high];
}

function ticks(low, high, log) {
  if (log) {
    const first = Math.floor(Math.log10(low)), decades = Math.ceil(Math.log10(high)) - first + 1;
    const of = Math.log10(high / low) > 2 ? [1] : [1, 2, 5];
    const all = Array.from({ length: decades }, (_, i) => of.map((m) => +(m * 10 ** (first + i)).toPrecision(12)));
    return all.flat().filter((x) => x >= low && x <= high);
  }
  const raw = (high - low) / 5 || 1, size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * size).find((m) => m >= raw), first = Math.ceil(low / step);
  if (low + step === low || high - step === high) return [low]; // numbers so large that they cannot tell a step
  const n = Math.max(0, Math.floor(high / step + 1e-9) - first + 1);
  return Array.from({ length: n }, (_, i) => +((first + i) * step).toPrecision(12));
}

// A curve as a path. Where several points fall on one column of the screen, the column's first, least, greatest and
// last are drawn, in their order: a line of any number of points looks as it would with all of them.
function pathOf(xs, ys, fits, X, Y) {
  let path = "", pen = false, column = [];
  const draw = () => {
    let [low, high] = [0, 0];
    column.forEach((i, k) => {
      if (ys[i] < ys[column[low]]) low = k;
      if (ys[i] > ys[column[high]]) high = k;
    });
    const some = column.length > 4 ? [...new Set([0, low, high, column.length - 1])].sort((a, b) => a - b) : column.keys();
    for (const k of some) {
      const at = `${X(xs[column[k]]).toFixed(2)} ${Y(ys[column[k]]).toFixed(2)}`;
      path += pen ? `L${at}` : `M${at}h0`; // with h0 a point without neighbours is a dot
      pen = true;
    }
    column = [];
  };
  xs.forEach((x, i) => {
    if (column.length && (!fits(i) || Math.floor(X(x)) !== Math.floor(X(xs[column[0]])))) draw();
    if (fits(i)) column.push(i);
    else pen = false;
  });
  if (column.length) draw();
  return path;
}

function buildPanels() {
  const all = find("#panels"), { panels, stages } = data.options[state.option];
  all.replaceChildren();
  panels.forEach((panel, p) => {
    const xs = panel.x.filter((x) => !panel.log || x > 0);
    const ys = panel.curves.flatMap((curve) => curve.y.filter((y) => y !== null && (!panel.log_y || y > 0)));
    const [x0, x1] = [xs[0], xs[xs.length - 1]], [least, y1] = range(ys), y0 = panel.log_y ? least : Math.min(least, 0);
    const X = scale(x0, x1, PAD.left, WIDE - PAD.right, panel.log), Y = scale(y0, y1, HIGH - PAD.bottom, PAD.top, panel.log_y);
    const svg = draw("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${panel.label} over ${data.unit}s: ${panel.curves.map((c) => c.name).join(", ")}` });
    (stages || []).forEach((stage, i) => {
      const [left, right] = [Math.max(stage.from, x0), Math.min(stage.to, x1)];
      if (right <= left) return;
      if (i % 2 === 0) svg.append(draw("rect", { class: "band", x: X(left), y: PAD.top, width: X(right) - X(left), height: HIGH - PAD.top - PAD.bottom }));
      const middle = (X(left) + X(right)) / 2, half = 3 * stage.name.length; // a name stays inside the picture
      svg.append(draw("text", { x: Math.max(half, Math.min(WIDE - half, middle)), y: PAD.top - 6, "text-anchor": "middle" }, stage.name));
    });
    svg.append(draw("path", { class: "axis", d: `M${PAD.left} ${PAD.top} V${HIGH - PAD.bottom} H${WIDE - PAD.right}` }));
    ticks(x0, x1, panel.log).forEach((x) => svg.append(draw("text", { x: X(x), y: HIGH - PAD.bottom + 14, "text-anchor": "middle" }, shown(x))));
    ticks(y0, y1, panel.log_y).forEach((y) => svg.append(draw("text", { x: PAD.left - 5, y: Y(y) + 4, "text-anchor": "end" }, shown(y))));
    svg.append(draw("text", { x: WIDE - PAD.right, y: HIGH - 3, "text-anchor": "end" }, data.unit));
    const legend = make("div", { class: "legend" });
    panel.curves.forEach((curve, c) => {
      const fits = (i) => curve.y[i] !== null && (!panel.log || panel.x[i] > 0) && (!panel.log_y || curve.y[i] > 0);
      const path = pathOf(panel.x, curve.y, fits, X, Y);
      svg.append(draw("path", { class: "curve", d: path, stroke: data.colours[c % data.colours.length] }));
      const swatch = make("i");
      swatch.style.background = data.colours[c % data.colours.length];
      legend.append(make("span", { "data-curve": `${p}-${c}` }, swatch, make("span", {}, `${curve.name}: `), make("output", {})));
    });
    const cursor = draw("line", { class: "cursor", y1: PAD.top, y2: HIGH - PAD.bottom });
    svg.append(cursor);
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * WIDE;
      go(steps.reduce((best, x, i) => (Math.abs(X(x) - at) < Math.abs(X(steps[best]) - at) ? i : best), 0));
    });
    all.append(make("section", {}, make("h2", {}, panel.label), svg, legend));
    panel.moved = (x) => { const at = X(Math.max(x, x0)); cursor.setAttribute("x1", at); cursor.setAttribute("x2", at); };
  });
}

function showPanels() {
  data.options[state.option].panels.forEach((panel, p) => {
    panel.moved(steps[state.frame]);
    const i = nearest(panel.x, steps[state.frame]);
    panel.curves.forEach((curve, c) => {
      const y = curve.y[i], output = find(`[data-curve="${p}-${c}"] output`);
      output.textContent = y === null ? "–" : shown(y);
      output.dataset.value = y;
    });
  });
}

// ---- the whole page
function build() {
  const slider = find("#slider");
  slider.max = steps.length - 1;
  buildMaps();
  buildPanels();
}

function show() {
  const slider = find("#slider"), now = `${data.unit} ${shown(steps[state.frame])}`;
  slider.value = state.frame;
  slider.setAttribute("aria-valuetext", now);
  find("#now").textContent = now;
  showMaps();
  showPanels();
}

function go(frame) {
  state.frame = Math.max(0, Math.min(steps.length - 1, frame));
  show();
}

function play(on) {
  clearInterval(state.timer);
  state.timer = on ? setInterval(() => (state.frame < steps.length - 1 ? go(state.frame + 1) : play(false)), 400 / Number(find("#speed").value)) : null;
  find("#play").textContent = on ? "Pause" : "Play";
}

function start() {
  document.title = data.title;
  find("h1").textContent = data.title;
  find("#text").textContent = data.text;
  paint(find("#scale"), 256, 1, (_, x) => x / 255);
  const select = find("#choice");
  find("#choice-part").hidden = data.options.length < 2;
  find("#choice-name").textContent = data.choice;
  data.options.forEach((option, i) => select.append(make("option", { value: i }, option.name)));
  select.addEventListener("change", () => choose(Number(select.value)));
  find("#slider").addEventListener("input", (event) => go(Number(event.target.value)));
  find("#play").addEventListener("click", () => {
    if (state.timer === null && state.frame === steps.length - 1) go(0);
    play(state.timer === null);
  });
  find("#speed").addEventListener("change", () => { if (state.timer !== null) play(true); });
  document.addEventListener("keydown", (event) => {
    if (/^(SELECT|BUTTON)$/.test(event.target.tagName)) return;
    const to = { ArrowLeft: state.frame - 1, ArrowRight: state.frame + 1, Home: 0, End: steps.length - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); go(to); }
    else if (event.key === " " && event.target.type !== "checkbox") { event.preventDefault(); find("#play").click(); }
  });
  choose(0);
}

start();
