// Curves: axes with numbers and a label, bands with their names, a legend. A panel is {label, x, curves: [{name, y}],
// log, log_y}; a curve may have x, colour and dashes of its own, the panel low and high.
const pen = document.createElement("canvas").getContext("2d");

function widthOf(text) {
  pen.font = "12px system-ui, sans-serif";
  return pen.measureText(text).width;
}

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
  if (log && high / low > 3) {
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
  let path = "", down = false, column = [];
  const draw = () => {
    let [low, high] = [0, 0];
    column.forEach((i, k) => {
      if (ys[i] < ys[column[low]]) low = k;
      if (ys[i] > ys[column[high]]) high = k;
    });
    const some = column.length > 4 ? [...new Set([0, low, high, column.length - 1])].sort((a, b) => a - b) : column.keys();
    for (const k of some) {
      const at = `${X(xs[column[k]]).toFixed(2)} ${Y(ys[column[k]]).toFixed(2)}`;
      path += down ? `L${at}` : `M${at}h0`; // with h0 a point without neighbours is a dot
      down = true;
    }
    column = [];
  };
  xs.forEach((x, i) => {
    if (column.length && (!fits(i) || Math.floor(X(x)) !== Math.floor(X(xs[column[0]])))) draw();
    if (fits(i)) column.push(i);
    else down = false;
  });
  if (column.length) draw();
  return path;
}

// Names over bands, each in the lowest row where it is on no other: [{name, at, row}]
function inRows(bands, left, right) {
  const taken = [];
  return bands.map(({ name, middle }) => {
    const half = widthOf(name) / 2, at = Math.max(left + half, Math.min(right - half, middle));
    const free = taken.findIndex((end) => end + 10 <= at - half), row = free < 0 ? taken.length : free;
    taken[row] = at + half;
    return { name, at, row };
  });
}

function legendOf(panel, paths, named) {
  const legend = make("div", { class: "legend" });
  panel.curves.forEach((curve, c) => {
    const swatch = draw("svg", { viewBox: "0 0 26 8", width: 26, height: 8, "aria-hidden": "true" });
    swatch.append(draw("line", { x2: 26, y1: 4, y2: 4, stroke: paths[c].getAttribute("stroke"), "stroke-width": 3, "stroke-dasharray": paths[c].getAttribute("stroke-dasharray") }));
    const entry = make("span", { "data-curve": `${named}-${c}` }, swatch, make("span", {}, panel.values === false ? curve.name : `${curve.name}: `), make("output", {}));
    entry.addEventListener("pointerenter", () => paths[c].classList.add("lift"));
    entry.addEventListener("pointerleave", () => paths[c].classList.remove("lift"));
    legend.append(entry);
  });
  return legend;
}

// The picture of a panel, so wide, and its legend; `moved` shows a cursor at x. stages: [{from, to, name}].
function chart(panel, wide, { stages = [], unit = "", named = 0 } = {}) {
  const { log, log_y } = panel, xOf = (curve) => curve.x || panel.x;
  const sees = (curve, i) => curve.y[i] !== null && (!log || xOf(curve)[i] > 0) && (!log_y || curve.y[i] > 0);
  const [x0, x1] = range(panel.curves.flatMap((curve) => range(xOf(curve).filter((x) => !log || x > 0))));
  const [least, most] = range(panel.curves.flatMap((curve) => range(curve.y.filter((_, i) => sees(curve, i)))));
  const y0 = panel.low ?? (log_y ? least : Math.min(least, 0)), y1 = panel.high ?? most;
  const up = ticks(y0, y1, log_y), left = 26 + Math.max(0, ...up.map((y) => widthOf(brief(y)))), right = wide - 10;
  const X = scale(x0, x1, left, right, log), bands = [];
  for (const stage of stages) {
    const [from, to] = [Math.max(stage.from, x0), Math.min(stage.to, x1)];
    if (to > from) bands.push({ ...stage, left: X(from), right: X(to), middle: (X(from) + X(to)) / 2 });
  }
  const names = inRows(bands, 0, wide), rows = Math.max(0, ...names.map((one) => one.row + 1));
  const top = 10 + 15 * rows, foot = top + 172, high = foot + (unit ? 36 : 22), Y = scale(y0, y1, foot, top, log_y);
  const told = panel.curves.map((curve) => curve.name).join(", ");
  const svg = draw("svg", { class: "chart", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `${panel.label} over ${unit}: ${told}` });
  bands.forEach((band, i) => { if (i % 2 === 0) svg.append(draw("rect", { class: "band", x: band.left, y: top, width: band.right - band.left, height: foot - top })); });
  const titles = names.map(({ name, at, row }) => draw("text", { class: "stage", x: at, y: top - 5 - 15 * row, "text-anchor": "middle" }, name));
  svg.append(...titles, draw("path", { class: "axis", d: `M${left} ${top} V${foot} H${right}` }));
  let end = -Infinity;
  for (const x of ticks(x0, x1, log)) {
    const half = widthOf(brief(x)) / 2, at = Math.max(half, Math.min(wide - half, X(x)));
    if (at - half < end + 6) continue; // no number on another
    svg.append(draw("path", { class: "axis", d: `M${X(x)} ${foot} v4` }), draw("text", { x: at, y: foot + 16, "text-anchor": "middle" }, brief(x)));
    end = at + half;
  }
  for (const y of up) svg.append(draw("path", { class: "axis", d: `M${left} ${Y(y)} h-4` }), draw("text", { x: left - 6, y: Y(y) + 4, "text-anchor": "end" }, brief(y)));
  svg.append(draw("text", { x: (left + right) / 2, y: high - 3, "text-anchor": "middle" }, log ? `${unit} (logarithmic)` : unit));
  svg.append(draw("text", { class: "label", transform: `translate(12 ${(top + foot) / 2}) rotate(-90)`, "text-anchor": "middle" }, panel.label));
  const paths = panel.curves.map((curve, c) => draw("path", {
    class: "curve", d: pathOf(xOf(curve), curve.y, (i) => sees(curve, i), X, Y), stroke: curve.colour || colour(c), "stroke-dasharray": curve.dashes ?? dashes(c), "data-name": curve.name,
  }));
  const cursor = draw("line", { class: "cursor", y1: top, y2: foot, visibility: "hidden" });
  svg.append(...paths, cursor);
  const moved = (x) => {
    const at = X(Math.max(x, x0));
    cursor.setAttribute("visibility", "visible");
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, at);
    titles.forEach((title, i) => title.classList.toggle("on", bands[i].from <= x && x < bands[i].to));
  };
  return { svg, legend: legendOf(panel, paths, named), moved, X, Y };
}
