// What is there besides the drawing: a tour of it, an address that leads back to it, and a picture to keep.

// ---- what to look at: framed, a curve thicker than the others
function lookAt(elements) {
  document.querySelectorAll(".look").forEach((one) => one.classList.remove("look"));
  elements.forEach((one) => one.classList.add("look"));
  const first = elements.find((one) => one.getBoundingClientRect().height > 0);
  if (first && !framed) first.scrollIntoView({ block: "nearest" });
}

// A few stops with buttons: [{go: () => the page is moved there, look: () => elements, say: text, or () => text}].
// `again` looks once more, where a drawing has been made anew.
function tour(stops) {
  let now = -1;
  const back = make("button", { type: "button", id: "tour-back" }, "Back"), next = make("button", { type: "button", id: "tour-next" }, "Tour");
  const count = make("span", { id: "tour-count" }), said = make("span", { id: "tour-said", role: "status" });
  const move = (to) => {
    now = to === stops.length ? -1 : to;
    back.disabled = now < 1;
    next.textContent = now < 0 ? "Tour" : now === stops.length - 1 ? "End" : "Next";
    count.textContent = now < 0 ? `${stops.length} steps` : `${now + 1} of ${stops.length}`;
    if (now >= 0) stops[now].go();
    const say = now < 0 ? "" : stops[now].say;
    said.textContent = typeof say === "function" ? say() : say;
    lookAt(now < 0 ? [] : stops[now].look());
  };
  back.addEventListener("click", () => move(now - 1));
  next.addEventListener("click", () => move(now + 1));
  move(-1);
  return { bar: make("div", { class: "tour", role: "group", "aria-label": "tour" }, back, next, count, said), again: () => { if (now >= 0) lookAt(stops[now].look()); } };
}

// The first minute of a live page: stops {set: {name: value}, look: selector, say}, each from what was set at first
function firstMinute(show, stops) {
  const led = tour(stops.map(({ set = {}, look, say }) => ({
    go: () => {
      settings.forEach((one, name) => one.set(set[name] ?? one.first));
      show();
    },
    look: () => [...document.querySelectorAll(look)],
    say,
  })));
  find("h1").after(led.bar);
  show();
}

// ---- the address of a view. In a frame of a book or notebook the address is that of the page around it.
const framed = window.parent !== window;

function around() {
  try {
    return framed && parent.location.hash !== undefined ? parent : window;
  } catch {
    return window;
  }
}

// A frame is as high as what it shows, also when that grows
function fitFrame() {
  try {
    const frame = window.frameElement;
    if (frame) new ResizeObserver(() => { frame.height = Math.ceil(document.body.getBoundingClientRect().height); }).observe(document.body);
  } catch {
    return; // a frame of another site
  }
}

// Acts once the width has changed and come to rest
function whenResized(act) {
  let [wide, timer] = [innerWidth, 0];
  addEventListener("resize", () => {
    if (wide === innerWidth) return;
    wide = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(act, 100);
  });
}

// view: {get: () => {name: value}, set: (name, text) => whatever it says, known or not}
function tools(view) {
  const outer = around(), said = make("output", { id: "copied" });
  const button = (name, id, act) => {
    const one = make("button", { type: "button", id }, name);
    one.addEventListener("click", act);
    return one;
  };
  const copy = () => {
    const there = new URL(outer.location.href);
    there.hash = new URLSearchParams(view.get()).toString();
    const told = (text) => { said.textContent = text; };
    const asked = navigator.clipboard ? navigator.clipboard.writeText(there.href) : Promise.reject();
    asked.then(() => told("copied"), () => told(there.href)); // where it may not be copied it is shown
    said.dataset.address = there.href;
  };
  const keep = (name, made) => made.then((blob) => {
    const link = make("a", { download: name });
    link.href = URL.createObjectURL(blob);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1e4);
  });
  const name = data.title.replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_+|_+$/g, "") || "page";
  const svg = () => Promise.resolve(new Blob([picture()], { type: "image/svg+xml" }));
  const foot = make("footer", {}, button("Copy address of this view", "address", copy), " ", button("Save PNG", "png", () => keep(`${name}.png`, pixels())), " ", button("Save SVG", "svg", () => keep(`${name}.svg`, svg())), " ", said);
  if (data.source) {
    const book = outer !== window && outer.location.pathname.endsWith(`/${data.source.page}.html`);
    const from = book ? make("a", { target: "_top" }, data.source.text) : make("span", {}, data.source.text);
    if (book) from.href = `${outer.location.pathname}#`;
    foot.append(make("p", { id: "source" }, from));
  }
  document.body.append(foot);
  const follow = () => {
    const told = [...new URLSearchParams(outer.location.hash.slice(1))];
    told.sort(([a], [b]) => (b === "choice") - (a === "choice")); // what is chosen has steps and heads of its own
    for (const [key, text] of told) view.set(key, text);
  };
  outer.addEventListener("hashchange", follow);
  follow();
  fitFrame();
}

// The address of a live page: what is set otherwise than at first
function liveTools(show) {
  const get = () => Object.fromEntries([...settings].filter(([, one]) => one.get() !== one.first).map(([name, one]) => [name, one.get()]));
  const set = (name, text) => {
    const x = Number(text);
    if (!settings.has(name) || text === "" || !Number.isFinite(x)) return;
    settings.get(name).set(x);
    show();
  };
  tools({ get, set });
  whenResized(show);
}

// ---- a picture of what is seen, as SVG: every drawing, map and line of text at its place, without what can be pressed
function picture() {
  const root = getComputedStyle(document.documentElement), body = getComputedStyle(document.body);
  const wide = document.documentElement.clientWidth, high = document.querySelector("footer").offsetTop + 8;
  const svg = draw("svg", { xmlns: "http://www.w3.org/2000/svg", width: wide, height: high, viewBox: `0 0 ${wide} ${high}` });
  const colours = ["ink", "paper", "soft", "line", "band", "mark"].map((name) => `--${name}: ${root.getPropertyValue(`--${name}`)}`);
  svg.setAttribute("style", `${colours.join("; ")}; color: ${body.color}; font: ${body.fontSize} system-ui, sans-serif`);
  const rules = [...document.styleSheets[0].cssRules].map((rule) => rule.cssText).filter((rule) => /^(main )?svg /.test(rule));
  svg.append(draw("style", {}, rules.join("\n").replaceAll("main svg", "svg")), draw("rect", { width: wide, height: high, fill: body.backgroundColor }));
  const at = (node) => {
    const box = node.getBoundingClientRect();
    return { x: box.left + scrollX, y: box.top + scrollY, width: box.width, height: box.height };
  };
  const left = "button, select, footer, .keys, .controls, #tour-count, svg svg, svg text, script, style, option";
  for (const node of document.body.querySelectorAll("svg, canvas, main input, main select, .hidden-key")) {
    if (!node.getClientRects().length) continue;
    if (node.tagName === "CANVAS") svg.append(draw("image", { ...at(node), href: node.toDataURL(), preserveAspectRatio: "none", style: "image-rendering: pixelated" }));
    else if (node.tagName === "I") svg.append(draw("rect", { ...at(node), fill: node.style.background }));
    else if (node.type === "range") continue;
    else if (/INPUT|SELECT/.test(node.tagName)) {
      const value = node.type === "checkbox" ? (node.checked ? "☑" : "☐") : node.selectedOptions ? node.selectedOptions[0].text : node.value;
      svg.append(draw("text", { x: at(node).x + 2, y: at(node).y + 0.72 * at(node).height, style: `font-size: ${body.fontSize}; fill: ${body.color}` }, value));
    } else {
      const copy = node.cloneNode(true);
      for (const [name, value] of Object.entries(at(node))) copy.setAttribute(name, value);
      svg.append(copy);
    }
  }
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), part = document.createRange();
  for (let node = words.nextNode(); node; node = words.nextNode()) {
    const within = node.parentElement;
    if (within.closest(left) && !within.closest("#now, #stage")) continue;
    const style = getComputedStyle(within), lines = new Map(); // the words of a text on each line of the screen
    for (const word of node.data.matchAll(/\S+/g)) {
      part.setStart(node, word.index);
      part.setEnd(node, word.index + word[0].length);
      const box = part.getClientRects()[0];
      if (!box) continue;
      const line = lines.get(box.top) || { x: box.left + scrollX, y: box.top + scrollY + 0.78 * box.height, words: [] };
      line.words.push(word[0]);
      lines.set(box.top, line);
    }
    for (const { x, y, words: said } of lines.values()) svg.append(draw("text", { x, y, style: `font-size: ${style.fontSize}; font-weight: ${style.fontWeight}; fill: ${style.color}` }, said.join(" ")));
  }
  return new XMLSerializer().serializeToString(svg);
}

// The same as pixels, two for one of the screen: a promise of a PNG
function pixels() {
  return new Promise((done, failed) => {
    const image = new Image(), canvas = document.createElement("canvas");
    image.onload = () => {
      [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(done);
    };
    image.onerror = failed;
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture())}`;
  });
}
