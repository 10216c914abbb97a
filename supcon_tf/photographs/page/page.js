// What a page does in the browser: it shows images where a person points at
// marks and cells, finds neighbours, and filters. Text of the person's own,
// names of files and classes, only ever becomes text (textContent), never HTML.
"use strict";

const supconPage = (() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const { names, labels, classes, models } = facts;
  const all = labels.map((_, i) => i);
  const tip = document.getElementById("tip");
  const REACH = 14; // pixels from the pointer to the mark it means
  const STEP = 48; // images that a gallery shows at a time
  const chosenClasses = new Set(); // empty: all of them
  let isShown = all.map(() => true);
  let chosen = null; // the image whose neighbours are shown
  let bokeh = null; // the document of the figures

  // No prediction is shown as wholly sure.
  const percent = (x) =>
    `${(100 * Math.min(x, 0.999)).toFixed(x > 0.994 ? 1 : 0)}\u00a0%`;

  function element(tag, { text, parent, ...attributes } = {}) {
    const made = document.createElement(tag);
    Object.assign(made, attributes);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  }

  function picture(i, parent) {
    const src = "data:image/webp;base64," + facts.thumbnails[i];
    return element("img", { src, alt: names[i], parent });
  }

  // Lines on an image: its file, its class, what the encoders say. On a narrow
  // card the folders would hide the file's name: they are in its title.
  function describe(i, parent, only) {
    const line = (text, className, title = text) =>
      element("span", { text, className, title, parent });
    line(parent === tip ? names[i] : names[i].split("/").pop(), "file", names[i]);
    line(classes[labels[i]]);
    models.forEach((model, k) => {
      if (!model.predictions || (only !== undefined && only !== k)) return;
      const isRight = model.predictions[i] === labels[i];
      const sure = model.confidences ? `, ${percent(model.confidences[i])}` : "";
      const who = models.length > 1 && only === undefined ? `${model.name}: ` : "";
      line(
        `${isRight ? "✓" : "✗"} ${who}${classes[model.predictions[i]]}${sure}`,
        isRight ? "right" : "wrong",
      );
    });
  }

  function card(i, parent, { only, note } = {}) {
    const button = element("button", { className: "card", type: "button", parent });
    button.dataset.image = i;
    picture(i, button);
    if (note) element("span", { text: note, parent: button });
    describe(i, button, only);
    button.onclick = () => choose(i, true);
    return button;
  }

  function gallery(images, parent, options = {}) {
    const grid = element("div", { className: "gallery", parent });
    let count = 0;
    const more = element("button", { type: "button", parent });
    more.onclick = () => {
      const next = images.slice(count, count + (count ? STEP : options.first ?? STEP));
      next.forEach((i) => card(i, grid, options));
      count += next.length;
      more.hidden = count >= images.length;
      more.textContent = `Show more (${images.length - count})`;
    };
    more.onclick();
  }

  // --- the map ---

  function nearest(k, event) {
    const plot = bokeh.get_model_by_name(`map${k}`);
    const { data } = bokeh.get_model_by_name("images");
    const [xs, ys] = [data[`x${k}`], data[`y${k}`]];
    const perX = plot.inner_width / (plot.x_range.end - plot.x_range.start);
    const perY = plot.inner_height / (plot.y_range.end - plot.y_range.start);
    let best = null;
    let least = REACH ** 2;
    for (let i = 0; i < xs.length; i++) {
      const square = ((xs[i] - event.x) * perX) ** 2 + ((ys[i] - event.y) * perY) ** 2;
      if (square < least && isShown[i]) [best, least] = [i, square];
    }
    return best;
  }

  // Shows what `fill` puts there; `key` tells what that is.
  function showTip(event, key, fill) {
    if (tip.dataset.key !== key || tip.hidden) {
      tip.replaceChildren();
      fill(tip);
      tip.dataset.key = key;
      tip.hidden = false;
    }
    const place = document.querySelector(`[data-plot="${event.origin.name}"]`);
    const { left, top } = place.getBoundingClientRect();
    let x = left + event.sx + 16;
    let y = top + event.sy + 16;
    if (x + tip.offsetWidth > innerWidth - 8) x = left + event.sx - tip.offsetWidth - 16;
    if (y + tip.offsetHeight > innerHeight - 8) y = innerHeight - tip.offsetHeight - 8;
    tip.style.left = `${Math.max(4, x)}px`;
    tip.style.top = `${Math.max(4, y)}px`;
  }

  function hideTip() {
    tip.hidden = true;
  }

  function overMap(k, event) {
    const i = nearest(k, event);
    if (i === null) return hideTip();
    showTip(event, `image ${i}`, (parent) => {
      picture(i, parent);
      describe(i, parent);
    });
  }

  function tapMap(k, event) {
    const i = nearest(k, event);
    if (i !== null) choose(i);
  }

  // Shows the neighbours of an image by each of the encoders.
  function choose(i, comeNear = false) {
    chosen = i;
    const panel = document.getElementById("neighbors");
    panel.replaceChildren();
    element("h3", { text: `Nearest neighbours of ${names[i]}`, parent: panel });
    card(i, element("div", { className: "gallery", parent: panel }));
    models.forEach((model, k) => {
      const neighbors = model.neighbors[i];
      const same = neighbors.filter((j) => labels[j] === labels[i]).length;
      const text = `${models.length > 1 ? `${model.name}: ` : ""}${same} of ${neighbors.length} are of the class ${classes[labels[i]]}`;
      element("p", { text, className: "hint", parent: panel });
      const grid = element("div", { className: "gallery", parent: panel });
      neighbors.forEach((j, rank) => {
        const similarity = (model.similarities[i][rank] / 100).toFixed(2);
        card(j, grid, { only: k, note: `similarity ${similarity}` });
      });
    });
    drawRings();
    if (comeNear) panel.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }

  function drawRings() {
    if (!bokeh || chosen === null) return;
    const { data } = bokeh.get_model_by_name("images");
    models.forEach((model, k) => {
      const marks = [...model.neighbors[chosen].filter((j) => isShown[j]), chosen];
      bokeh.get_model_by_name(`rings${k}`).data = {
        x: marks.map((j) => data[`x${k}`][j]),
        y: marks.map((j) => data[`y${k}`][j]),
        size: marks.map((j) => (j === chosen ? 22 : 13)),
      };
    });
  }

  // --- the filter ---

  const isRight = (k, i) => models[k].predictions[i] === labels[i];
  const outcomes = [["all", () => true]];
  if (models[0].predictions) {
    models.forEach(({ name }, k) => {
      const who = models.length > 1 ? ` by ${name}` : "";
      outcomes.push([`wrong${who}`, (i) => !isRight(k, i)]);
      outcomes.push([`right${who}`, (i) => isRight(k, i)]);
    });
    for (const [a, b] of models.length > 1 ? [[0, 1], [1, 0]] : []) {
      outcomes.push([
        `right by ${models[a].name}, wrong by ${models[b].name}`,
        (i) => isRight(a, i) && !isRight(b, i),
      ]);
    }
  }

  // If a chosen class has no pair of colour and marker of its own, since there
  // are more classes than pairs, the chosen ones get the pairs.
  function appearances() {
    const { colors, markers, palette, shapes } = facts;
    const look = classes.map((_, label) => [colors[label], markers[label]]);
    const lacks = ([color]) => !palette.includes(color);
    if ([...chosenClasses].some((label) => lacks(look[label]))) {
      [...chosenClasses].sort((a, b) => a - b).forEach((label, rank) => {
        if (rank >= palette.length * shapes.length) return;
        look[label] = [palette[rank % palette.length], shapes[rank % shapes.length]];
      });
    }
    return look;
  }

  function paint() {
    const look = appearances();
    for (const chip of document.querySelectorAll("#classes button")) {
      const isPressed = !chosenClasses.size || chosenClasses.has(Number(chip.value));
      chip.setAttribute("aria-pressed", isPressed);
      chip.querySelector("svg").replaceWith(mark(...look[chip.value]));
    }
    if (classes.length <= facts.palette.length * facts.shapes.length) return;
    const source = bokeh.get_model_by_name("images");
    source.data = {
      ...source.data,
      color: labels.map((label) => look[label][0]),
      marker: labels.map((label) => look[label][1]),
    };
  }

  function filter() {
    const select = document.getElementById("outcome");
    const [, passes] = outcomes[select ? select.selectedIndex : 0];
    isShown = all.map(
      (i) => passes(i) && (!chosenClasses.size || chosenClasses.has(labels[i])),
    );
    const count = isShown.filter(Boolean).length;
    document.getElementById("shown").textContent =
      `${count.toLocaleString("en")} of ${all.length.toLocaleString("en")} images shown`;
    paint();
    bokeh.get_model_by_name("shown").booleans = isShown;
    drawRings();
  }

  function mark(color, name) {
    const shape = {
      circle: '<circle cx="6" cy="6" r="5"/>',
      square: '<rect x="1" y="1" width="10" height="10"/>',
      triangle: '<path d="M6 1 11.5 11 0.5 11Z"/>',
    }[name];
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 12 12");
    svg.setAttribute("fill", color);
    svg.setAttribute("aria-hidden", "true");
    svg.innerHTML = shape;
    return svg;
  }

  function makeControls() {
    const counts = classes.map(() => 0);
    labels.forEach((label) => counts[label]++);
    const chips = document.getElementById("classes");
    classes.forEach((name, label) => {
      if (!counts[label]) return;
      const chip = element("button", { type: "button", value: label, parent: chips });
      chip.append(mark(facts.colors[label], facts.markers[label]), name);
      element("small", { text: counts[label].toLocaleString("en"), parent: chip });
      chip.onclick = () => {
        if (!chosenClasses.delete(label)) chosenClasses.add(label);
        filter();
      };
    });
    document.getElementById("map-hint").textContent =
      "Click a class to see it alone, and further ones to see them beside it.";
    document.getElementById("all").onclick = () => {
      chosenClasses.clear();
      filter();
    };
    const select = document.getElementById("outcome");
    if (select) {
      outcomes.forEach(([text]) => element("option", { text, parent: select }));
      select.onchange = filter;
    }
    document.getElementById("projection").onchange = (event) => {
      const source = bokeh.get_model_by_name("images");
      const data = { ...source.data };
      models.forEach((_, k) => {
        data[`x${k}`] = data[`x${k}:${event.target.value}`] ?? data[`x${k}:PCA`];
        data[`y${k}`] = data[`y${k}:${event.target.value}`] ?? data[`y${k}:PCA`];
      });
      source.data = data;
      models.forEach((_, k) => bokeh.get_model_by_name(`map${k}`).reset.emit());
      drawRings();
    };
  }

  // --- the confusion matrix and the errors ---

  const bySureness = (k) => (i, j) =>
    models[k].confidences ? models[k].confidences[j] - models[k].confidences[i] : 0;

  function inCell(k, label, prediction) {
    return all
      .filter((i) => labels[i] === label && models[k].predictions[i] === prediction)
      .sort(bySureness(k));
  }

  function cellAt(event) {
    const [prediction, label] = [Math.round(event.x), Math.round(event.y)];
    const isCell = [prediction, label].every((n) => n >= 0 && n < classes.length);
    return isCell ? [label, prediction] : null;
  }

  const titleOfCell = (label, prediction) =>
    `class ${classes[label]}, predicted ${classes[prediction]}`;

  const numbered = (count) => `${count.toLocaleString("en")} image${count === 1 ? "" : "s"}`;

  function overCell(k, event) {
    const cell = cellAt(event);
    if (!cell) return hideTip();
    const counts = facts.cells[k];
    showTip(event, `cell ${k} ${cell}`, (parent) => {
      element("span", { text: titleOfCell(...cell), parent });
      element("span", { text: numbered(counts[cell.join()] ?? 0), parent });
    });
  }

  function tapCell(k, event) {
    const cell = cellAt(event);
    if (cell) openCell(k, ...cell);
  }

  function openCell(k, label, prediction) {
    const images = inCell(k, label, prediction);
    const panel = document.getElementById("cell");
    panel.replaceChildren();
    const who = models.length > 1 ? `${models[k].name}: ` : "";
    element("h3", { text: who + titleOfCell(label, prediction), parent: panel });
    const count = facts.cells[k][`${label},${prediction}`] ?? 0;
    const here = images.length < count ? `, ${images.length} of them on this page` : "";
    element("p", { text: numbered(count) + here, className: "hint", parent: panel });
    gallery(images, panel, { only: k });
    panel.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }

  function makeErrors(k) {
    const wrong = all.filter((i) => !isRight(k, i)).sort(bySureness(k));
    const worst = document.querySelector(`.worst[data-model="${k}"]`);
    if (wrong.length) gallery(wrong, worst, { only: k, first: 24 });
    else element("p", { text: "No image is wrong.", parent: worst });
    const largest = Object.entries(facts.cells[k])
      .map(([cell, count]) => [...cell.split(",").map(Number), count])
      .filter(([label, prediction]) => label !== prediction)
      .sort((a, b) => b[2] - a[2])
      .slice(0, 6);
    const list = document.querySelector(`.largest[data-model="${k}"]`);
    if (largest.length) element("span", { text: "most often confused:", parent: list });
    for (const [label, prediction, count] of largest) {
      const text = `${classes[label]} → ${classes[prediction]}: ${count}`;
      const button = element("button", { type: "button", text, parent: list });
      button.onclick = () => openCell(k, label, prediction);
    }
  }

  // --- Bokeh ---

  // Cells that show the paper have its ink.
  function useInk() {
    const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
    models.forEach((_, k) => {
      const renderer = bokeh.get_model_by_name(`faint${k}`);
      if (renderer) renderer.glyph.text_color = { value: ink };
    });
  }

  function begin(made) {
    bokeh = made;
    useInk();
    filter();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      useInk();
      // Bokeh reads the colours of page.css as it paints.
      bokeh.roots().forEach((plot) => plot.change.emit());
    });
    document.documentElement.dataset.ready = "yes";
  }

  makeControls();
  if (models[0].predictions) models.forEach((_, k) => makeErrors(k));
  return { begin, overMap, tapMap, overCell, tapCell, hideTip };
})();
