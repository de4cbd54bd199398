"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const chars = data.characters;
const canvas = document.getElementById("map");
const pen = canvas.getContext("2d");
const panel = document.getElementById("panel");

const code = (char) => "U+" + char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
// what leaves no mark on the screen shows its code point; a combining mark sits on a circle
const ink = (char) => (/[\p{C}\p{Z}]/u.test(char) ? code(char) : /^\p{M}/u.test(char) ? "\u25cc" + char : char);
const inks = chars.map((each) => ink(each.char));
const place = new Map(chars.map((each, at) => [each.char, at]));

// scripts, the commonest first, each with a colour of its own as long as colours can be told apart
const numbers = new Map();
for (const each of chars) numbers.set(each.script, (numbers.get(each.script) || 0) + 1);
const scripts = [...numbers.keys()].sort((one, other) => numbers.get(other) - numbers.get(one));
const HUES = [210, 20, 140, 280, 330, 55, 180];
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (script) => {
  const at = scripts.indexOf(script);
  return at < HUES.length ? `hsl(${HUES[at]} 70% ${dark.matches ? 68 : 36}%)` : dark.matches ? "#aaa" : "#666";
};
const hidden = new Set();

const most = Math.max(1, ...chars.map((each) => each.count));
const sizes = chars.map((each) => 12 + (each.count ? (10 * Math.log1p(each.count)) / Math.log1p(most) : 0));

let across = 0, up = 1, chosen = -1, hovered = -1;
const view = { scale: 1, x: 0, y: 0 };

const screen = (at) => [
  canvas.clientWidth / 2 + (chars[at].places[across] - view.x) * view.scale,
  canvas.clientHeight / 2 - (chars[at].places[up] - view.y) * view.scale,
];

function fit() {
  const range = (axis) => {
    let low = Infinity, high = -Infinity;
    for (const each of chars) {
      if (hidden.has(each.script)) continue;
      low = Math.min(low, each.places[axis]);
      high = Math.max(high, each.places[axis]);
    }
    return low > high ? [0, 0] : [low, high];
  };
  const [left, right] = range(across), [bottom, top] = range(up);
  view.x = (left + right) / 2;
  view.y = (bottom + top) / 2;
  const margin = 40;
  view.scale = Math.min(
    (canvas.clientWidth - margin) / (right - left || 1),
    (canvas.clientHeight - margin) / (top - bottom || 1),
  );
  paint();
}

function paint() {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const near = new Set(chosen < 0 ? [] : [chosen, ...chars[chosen].nearest]);
  // the rarest first, so that the commonest lie on top
  for (let at = chars.length - 1; at >= 0; at--) if (!near.has(at)) glyph(at, near.size ? 0.22 : 0.85, 1);
  if (chosen >= 0) {
    const [x, y] = screen(chosen);
    pen.strokeStyle = dark.matches ? "#777" : "#999";
    for (const other of chars[chosen].nearest) {
      if (hidden.has(chars[other].script)) continue;
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(...screen(other));
      pen.stroke();
    }
  }
  for (const at of near) glyph(at, 1, at === chosen ? 2 : 1.4);
  if (hovered >= 0 && !near.has(hovered)) glyph(hovered, 1, 1.6);
}

function glyph(at, alpha, times) {
  if (hidden.has(chars[at].script)) return;
  const [x, y] = screen(at);
  if (x < -30 || y < -30 || x > canvas.clientWidth + 30 || y > canvas.clientHeight + 30) return;
  pen.globalAlpha = alpha;
  pen.fillStyle = colour(chars[at].script);
  const plain = inks[at].startsWith("U+");
  pen.font = `${plain ? 9 * times : sizes[at] * times}px system-ui, sans-serif`;
  pen.fillText(inks[at], x, y);
  pen.globalAlpha = 1;
}

function under(event) {
  let found = -1, best = 18 ** 2;
  const box = canvas.getBoundingClientRect();
  for (let at = 0; at < chars.length; at++) {
    if (hidden.has(chars[at].script)) continue;
    const [x, y] = screen(at);
    const away = (x - event.clientX + box.left) ** 2 + (y - event.clientY + box.top) ** 2;
    if (away < best) [found, best] = [at, away];
  }
  return found;
}

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function choose(at, move) {
  chosen = at;
  panel.replaceChildren();
  if (at >= 0) {
    const each = chars[at];
    if (move) [view.x, view.y] = [each.places[across], each.places[up]];
    element("h2", inks[at], panel).style.color = colour(each.script);
    element("p", [code(each.char), each.script, each.count ? each.count.toLocaleString() + " x" : ""].filter(Boolean).join(" \u00b7 "), panel);
    const list = element("ol", "", panel);
    each.nearest.forEach((other, rank) => {
      const button = element("button", inks[other], element("li", "", list));
      button.title = code(chars[other].char);
      button.addEventListener("click", () => choose(other, true));
      element("span", each.cosines[rank].toFixed(4), button.parentNode);
    });
  } else element("p", "Choose a character to see those nearest to it.", panel);
  paint();
}

function zoom(times, x, y) {
  const box = canvas.getBoundingClientRect();
  const right = (x === undefined ? 0 : x - box.left - canvas.clientWidth / 2);
  const down = (y === undefined ? 0 : y - box.top - canvas.clientHeight / 2);
  view.x += (right / view.scale) * (1 - 1 / times);
  view.y -= (down / view.scale) * (1 - 1 / times);
  view.scale *= times;
  paint();
}

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
}, { passive: false });
const fingers = new Map();
let moved = 0;
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, event);
  moved = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) {
    const at = under(event);
    if (at !== hovered) {
      hovered = at;
      canvas.title = at < 0 ? "" : `${inks[at]} ${code(chars[at].char)}`;
      paint();
    }
    return;
  }
  const other = [...fingers.values()].find((each) => each.pointerId !== event.pointerId);
  if (other) {
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    zoom(apart(event) / apart(before), other.clientX, other.clientY);
  } else {
    view.x -= (event.clientX - before.clientX) / view.scale;
    view.y += (event.clientY - before.clientY) / view.scale;
    paint();
  }
  moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
  fingers.set(event.pointerId, event);
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    fingers.delete(event.pointerId);
    if (end === "pointerup" && moved < 5) choose(under(event), false);
  });
}
canvas.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: [-60, 0], ArrowRight: [60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (steps) {
    view.x += steps[0] / view.scale;
    view.y += steps[1] / view.scale;
    paint();
  } else if (event.key === "+" || event.key === "=") zoom(1.3);
  else if (event.key === "-") zoom(1 / 1.3);
  else if (event.key === "0") fit();
  else if (event.key === "Escape") choose(-1, false);
  else return;
  event.preventDefault();
});

document.getElementById("in").addEventListener("click", () => zoom(1.3));
document.getElementById("out").addEventListener("click", () => zoom(1 / 1.3));
document.getElementById("all").addEventListener("click", fit);
const find = document.getElementById("find");
find.addEventListener("input", () => {
  const named = /^\s*u\+([0-9a-f]{1,6})\s*$/i.exec(find.value);
  const point = named ? parseInt(named[1], 16) : -1;
  const wanted = point >= 0 && point < 0x110000 ? String.fromCodePoint(point) : [...find.value.trim()][0];
  const at = wanted === undefined ? -1 : place.get(wanted) ?? -1;
  find.setCustomValidity(wanted === undefined || at >= 0 ? "" : "not on the map");
  if (at >= 0) choose(at, true);
});

for (const [id, first, set] of [["across", 0, (axis) => { across = axis; }], ["up", 1, (axis) => { up = axis; }]]) {
  const select = document.getElementById(id);
  data.shares.forEach((share, axis) => {
    const option = element("option", `${axis + 1}: ${(share * 100).toFixed(1)} %`, select);
    option.value = axis;
    option.selected = axis === first;
  });
  select.addEventListener("change", () => { set(Number(select.value)); fit(); });
}
const legend = document.getElementById("scripts");
for (const script of scripts) {
  const label = element("label", "", legend);
  const box = element("input", "", label);
  box.type = "checkbox";
  box.checked = true;
  box.addEventListener("change", () => { box.checked ? hidden.delete(script) : hidden.add(script); paint(); });
  element("span", `${script.replaceAll("_", " ")} ${numbers.get(script).toLocaleString()}`, label).dataset.script = script;
}
function colours() {
  for (const each of legend.querySelectorAll("span")) each.style.color = colour(each.dataset.script);
  choose(chosen, false);
}
dark.addEventListener("change", colours);
addEventListener("resize", paint);
// map.html#水 opens at a character
function named() {
  let char = "";
  try { char = decodeURIComponent(location.hash.slice(1)); } catch { /* no text in UTF-8 */ }
  if (place.has(char)) choose(place.get(char), true);
}
addEventListener("hashchange", named);
colours();
fit();
named();
