// Lesson 01, live: three scores, three values and a target; attention, output, the gradient of the scores and one step.
const main = find("main");
find("h1").textContent = data.title;

// a_j scores, v_j values: s = softmax(a), y = sum s v, L = (y - wanted)^2 / 2, da = s dy (v - y)
function head(a, v, wanted) {
  const most = Math.max(...a), e = a.map((x) => Math.exp(x - most)), sum = e.reduce((p, q) => p + q);
  const s = e.map((x) => x / sum), y = s.reduce((p, x, j) => p + x * v[j], 0), dy = y - wanted;
  return { s, y, loss: (dy * dy) / 2, da: s.map((x, j) => x * dy * (v[j] - y)) };
}

const controls = make("section", { "aria-label": "what can be dragged" });
const scores = [Math.log(2), 0, 0].map((a, j) => slider(controls, `a${j}`, `score of key ${j + 1}`, a, -4, 4, 2, show));
const values = [2, 4, 8].map((v, j) => slider(controls, `v${j}`, `value of key ${j + 1}`, v, -2, 10, 2, show));
const wanted = slider(controls, "wanted", "wanted", 5, -2, 10, 2, show);
const rate = slider(controls, "rate", "learning rate η", 0.1, 0, 2, 2, show);
const svg = draw("svg", { viewBox: "0 0 640 300", role: "img", "aria-label": "bars as wide as attention and as high as values; lines: output and what is wanted" });
const table = make("table", {}, make("caption", {}, "descent subtracts da: a score rises where its pull −da is positive"));
const said = make("p", { id: "said", role: "status" });
const how = make("p", {}, "Drag a bar up or down, or use the sliders. A bar is a key: its width is the attention, its height the value. Shaded: s (v − y), which times y − wanted is da.");
main.append(make("div", {}, how, controls, said, table), svg);

let dragged = null;
const Y = (v) => 280 - ((v + 2) / 12) * 260;
svg.addEventListener("pointerdown", (event) => { if (event.target.dataset.key) { dragged = event.target.dataset.key; svg.setPointerCapture(event.pointerId); } });
svg.addEventListener("pointerup", () => { dragged = null; });
svg.addEventListener("pointermove", (event) => {
  if (dragged === null) return;
  const box = svg.getBoundingClientRect(), at = ((event.clientY - box.top) / box.height) * 300;
  values[dragged].set(Math.max(-2, Math.min(10, ((280 - at) / 260) * 12 - 2)));
  show();
});

function show() {
  const a = scores.map((one) => one.get()), v = values.map((one) => one.get()), aim = wanted.get();
  const now = head(a, v, aim), next = head(a.map((x, j) => x - rate.get() * now.da[j]), v, aim);
  svg.replaceChildren();
  let left = 20;
  now.s.forEach((s, j) => {
    const width = 480 * s, x = left + width / 2, up = -now.da[j] * 30, below = v[j] < now.y;
    const bar = (from, to, fill, opacity) => draw("rect", { x: left, width, y: Math.min(Y(from), Y(to)), height: Math.abs(Y(from) - Y(to)), fill, "fill-opacity": opacity, stroke: "currentColor", "stroke-width": 0.5 });
    const whole = bar(0, v[j], data.colours[5], 0.4);
    const hold = draw("rect", { x: left, width, y: 20, height: 260, fill: "transparent", "data-key": j });
    hold.style.cursor = "ns-resize";
    hold.style.touchAction = "none";
    svg.append(whole, bar(now.y, v[j], data.colours[below ? 4 : 1], 0.75));
    const tip = Y(v[j]) - up, head = up > 0 ? 8 : -8;
    if (Math.abs(up) > 1) {
      svg.append(draw("line", { x1: x, x2: x, y1: Y(v[j]), y2: tip, stroke: data.colours[3], "stroke-width": 3 }));
      svg.append(draw("path", { d: `M${x - 6} ${tip + head} L${x} ${tip} L${x + 6} ${tip + head}`, fill: "none", stroke: data.colours[3], "stroke-width": 3 }));
    }
    if (width > 40) svg.append(draw("text", { x, y: 296, "text-anchor": "middle" }, `${j + 1} ${up > 0.03 ? "rises" : up < -0.03 ? "falls" : "stays"}`));
    svg.append(hold);
    left += width;
  });
  for (const [value, name, dash] of [[now.y, "output y", ""], [aim, "wanted", "6 4"]]) {
    svg.append(draw("line", { x1: 20, x2: 500, y1: Y(value), y2: Y(value), stroke: "currentColor", "stroke-width": dash ? 1 : 2, "stroke-dasharray": dash, "pointer-events": "none" }));
    svg.append(draw("text", { x: 506, y: Y(value) + 4 + (Math.abs(Y(now.y) - Y(aim)) < 14 ? (name === "wanted" ? -1 : 1) * (now.y < aim ? 1 : -1) * 8 : 0) }, `${name} ${value.toFixed(2)}`));
  }
  table.replaceChildren(table.caption);
  table.append(make("tr", {}, ...["key", "score a", "attention s", "value v", "v − y", "da"].map((name) => make("th", { scope: "col" }, name))));
  [0, 1, 2].forEach((j) => {
    const numbers = { a: a[j], s: now.s[j], v: v[j], off: v[j] - now.y, da: now.da[j] };
    table.append(make("tr", {}, make("th", { scope: "row" }, String(j + 1)), ...Object.entries(numbers).map(([name, x]) => make("td", { "data-name": `${name}${j}`, "data-value": x }, x.toFixed(4)))));
  });
  said.textContent = `Output ${now.y.toFixed(4)}, loss ${now.loss.toFixed(4)}; after one step of descent ${next.loss.toFixed(4)}.`;
  Object.assign(said.dataset, { y: now.y, loss: now.loss, next: next.loss });
}

const cell = (name) => Number(find(`[data-name="${name}"]`).dataset.value).toFixed(3);
const told = (name) => Number(said.dataset[name]).toFixed(3);
firstMinute(show, [
  { look: "main svg", say: () => `The output is ${told("y")}, and ${wanted.get()} is wanted. Key 3 says ${values[2].get()}, ${values[2].get() > said.dataset.y ? "more" : "less"} than the output: its da is ${cell("da2")}, and descent subtracts da.` },
  { set: { a2: -3 }, look: "table", say: () => `Key 3 with little attention, s = ${cell("s2")}: its value would serve best, but its da is ${cell("da2")} only. A pull goes with the attention that is there.` },
  { set: { rate: 2 }, look: "#rate-line, #said", say: () => `With a learning rate of ${rate.get()} one step takes the loss from ${told("loss")} to ${told("next")}. Try others.` },
]);
liveTools(show);
