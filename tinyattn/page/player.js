// The player: one slider over training, maps of all heads and curves that follow it. The data is the JSON that
// player.py writes: {title, text, choice, options: [{name, maps, panels, stages, tour}], palette, hidden, colours}.
const bytes = (packed) => Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
const palette = bytes(data.palette); // 256 colours, three bytes each

// ---- state: which option, which frame, which heads, which pair of tokens, which row is followed
const state = { option: 0, frame: 0, heads: new Set(), query: 0, key: 0, followed: null, timer: null };
let maps = null; // of the present option: {steps, H, T, S, values, first_query, tokens}
let steps = []; // what the slider runs over

function choose(option) {
  state.option = option;
  find("#choice").value = option;
  const chosen = data.options[option];
  maps = chosen.maps && { ...chosen.maps, values: bytes(chosen.maps.packed), covered: chosen.maps.covered && bytes(chosen.maps.covered) };
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
const covered = (query, key) => Boolean(maps.covered) && maps.covered[query * maps.S + key] === 1;
const token = (position) => (maps.tokens ? `${position} “${maps.tokens[position]}”` : String(position));

// ---- maps
// value: (row, column) -> attention, or null where a key is hidden from the query
function paint(canvas, width, height, value) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const here = value(y, x), at = 3 * Math.round(255 * here); // null: hidden
      const rgb = here === null ? Array(3).fill(data.hidden) : palette.subarray(at, at + 3);
      image.data.set([...rgb, 255], 4 * (y * width + x));
    }
  }
  context.putImageData(image, 0, 0);
}

function place(canvas, event, width, height) {
  const box = canvas.getBoundingClientRect();
  const within = (share, n) => Math.max(0, Math.min(n - 1, Math.floor(share * n)));
  return [within((event.clientY - box.top) / box.height, height), within((event.clientX - box.left) / box.width, width)];
}

// A map with the numbers of its first and last row and column
function numbered(canvas, rows, columns) {
  const ends = (side, both) => make("span", { class: side }, ...both.map((one) => make("small", {}, String(one))));
  return make("div", { class: "numbered" }, ends("down", rows), canvas, ends("along", columns));
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
    const drawn = numbered(canvas, [maps.first_query, maps.first_query + maps.T - 1], [0, maps.S - 1]);
    all.append(make("figure", { "data-head": head }, drawn, make("figcaption", {}, make("b", {}, maps.names[head]), " rows: queries, columns: keys")));
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
    const figure = find(`#maps figure[data-head="${head}"]`), canvas = find(`#map-${head}`);
    figure.hidden = !state.heads.has(head);
    if (figure.hidden) continue;
    paint(canvas, maps.S, maps.T, (y, x) => (covered(y, x) ? null : attention(frame, head, y, x)));
    const said = `${maps.names[head]} at ${data.unit} ${steps[frame]}: query ${token(query + maps.first_query)} attends ${brief(attention(frame, head, query, key))} to key ${token(key)}`;
    canvas.setAttribute("aria-label", said);
  }
  const each = [...state.heads].sort((a, b) => a - b).map((head) => `${maps.names[head]}: ${attention(frame, head, query, key).toFixed(3)}`);
  const told = covered(query, key) ? "hidden from this query" : each.join(", ");
  find("#pair").textContent = `Query ${token(query + maps.first_query)}, key ${token(key)}. ${told}`;
  find("#hidden-key").hidden = !maps.covered;
  const rows = find("#rows");
  rows.replaceChildren();
  find("#row-part").hidden = state.followed === null;
  if (state.followed === null) return;
  find("#row-title").textContent = `Query ${token(state.followed + maps.first_query)} through training`;
  for (const head of [...state.heads].sort((a, b) => a - b)) {
    const canvas = make("canvas", { role: "img", "aria-label": `${maps.names[head]}: attention of this query on each key over training` });
    canvas.style.height = "9rem";
    paint(canvas, steps.length, maps.S, (y, x) => (covered(state.followed, y) ? null : attention(x, head, state.followed, y)));
    const drawn = numbered(canvas, [0, maps.S - 1], [steps[0], steps.at(-1)].map(brief));
    rows.append(make("figure", {}, drawn, make("figcaption", {}, make("b", {}, maps.names[head]), ` rows: keys, columns: ${data.unit}s`)));
  }
}

// ---- curves
function buildPanels() {
  const all = find("#panels"), { panels, stages } = data.options[state.option];
  all.replaceChildren();
  const sections = panels.map((panel) => make("section", { "aria-label": panel.label }));
  all.append(...sections);
  const wide = Math.max(280, sections.length ? sections[0].clientWidth : 0);
  panels.forEach((panel, p) => {
    const { svg, legend, moved, X } = chart(panel, wide, { stages, unit: data.unit, named: p });
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      go(steps.reduce((best, x, i) => (Math.abs(X(x) - at) < Math.abs(X(steps[best]) - at) ? i : best), 0));
    });
    sections[p].append(svg, legend);
    panel.moved = moved;
  });
}

function showPanels() {
  data.options[state.option].panels.forEach((panel, p) => {
    panel.moved(steps[state.frame]);
    const i = nearest(panel.x, steps[state.frame]);
    panel.curves.forEach((curve, c) => {
      const y = curve.y[i], output = find(`[data-curve="${p}-${c}"] output`);
      output.textContent = y === null ? "–" : brief(y);
      output.dataset.value = y;
    });
  });
}

// ---- the whole page
let guide = null; // the tour of the present option

// The view in the address: step, head (or heads: 1,3), row, and the choice where there are several
const view = {
  get: () => ({
    step: steps[state.frame],
    ...(data.options.length > 1 ? { choice: data.options[state.option].name } : {}),
    ...(maps && state.heads.size < maps.H ? { head: [...state.heads].sort((a, b) => a - b).map((head) => head + 1).join() } : {}),
    ...(state.followed === null ? {} : { row: state.followed + maps.first_query }),
  }),
  set: (name, text) => {
    const x = Number(text), option = data.options.findIndex((one) => one.name === text);
    const heads = text.split(",").map((one) => Number(one) - 1).filter((head) => maps && Number.isInteger(head) && head >= 0 && head < maps.H);
    if (name === "choice" && option >= 0) choose(option);
    if (name === "step" && text !== "" && Number.isFinite(x)) go(nearest(steps, x));
    if (name === "head" && heads.length) state.heads = new Set(heads);
    if (name === "row" && maps && Number.isInteger(x)) state.followed = Math.max(0, Math.min(maps.T - 1, x - maps.first_query));
    tick();
    show();
  },
};

function build() {
  const slider = find("#slider");
  slider.max = steps.length - 1;
  buildMaps();
  buildPanels();
  const stops = data.options[state.option].tour.map(([frame, what, say]) => ({ go: () => { reveal(what); go(frame); }, look: () => named(what), say }));
  guide = stops.length ? tour(stops) : null;
  find("#tour").replaceChildren(...(guide ? [guide.bar] : []));
}

function tick() { // the boxes beside the heads' names
  document.querySelectorAll("#heads input").forEach((box, head) => { box.checked = state.heads.has(head); });
}

function reveal(what) { // a head that is to be looked at is shown
  const head = maps ? maps.names.indexOf(what) : -1;
  if (head >= 0) state.heads.add(head);
  tick();
}

// Everything of this name: a head's map, curves, a panel
function named(what) {
  const { panels } = data.options[state.option], all = [...document.querySelectorAll("#panels section")];
  const heads = maps ? [...document.querySelectorAll("#maps figure")].filter((_, head) => maps.names[head] === what) : [];
  const curves = panels.flatMap((panel, p) => panel.curves.flatMap((curve, c) => (curve.name === what ? [all[p].querySelectorAll(".curve")[c], find(`[data-curve="${p}-${c}"]`)] : [])));
  return [...heads, ...all.filter((_, p) => panels[p].label === what), ...curves];
}

function show() {
  const slider = find("#slider"), now = `${data.unit} ${brief(steps[state.frame])}`;
  slider.value = state.frame;
  slider.setAttribute("aria-valuetext", now);
  find("#now").textContent = now;
  const stage = data.options[state.option].stages.filter((one) => one.from <= steps[state.frame]).at(-1);
  find("#stage").textContent = stage ? stage.name : "";
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
  find(".hidden-key").style.background = `rgb(${data.hidden}, ${data.hidden}, ${data.hidden})`;
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
  whenResized(() => {
    buildPanels();
    showPanels();
    if (guide) guide.again();
  });
  choose(0);
  tools(view);
}

start();
