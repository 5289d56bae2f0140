"use strict";
// Selects a call or a slot of the page. All text was written with the page.
const data = JSON.parse(document.getElementById("data").textContent);
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const still = matchMedia("(prefers-reduced-motion: reduce)");
const figure = document.querySelector("figure");
const switches = document.querySelector(".switches");
const FLAGS = ["return_dict", "labels", "output_hidden_states", "output_attentions"];
let current = data.start;

// Which call is shown

const box = (name) => switches.querySelector(`[name=${name}]`);
const isPlain = (call) => call.spec[0] === null;

function chosenSpec() {
  const base = data.calls[current].spec;
  const main = isPlain(data.calls[current]) ? data.calls[data.start].spec : base;
  return FLAGS.map((flag, i) => {
    if (box("plain")?.checked && flag !== "labels") return null;
    return box(flag) ? box(flag).checked : main[i];
  });
}

const find = (spec) => data.calls.findIndex((call) => call.spec.every((v, i) => v === spec[i]));

const slotKey = (slot) => slot.closest("svg").classList + slot.dataset.slot;

function tops() {
  return Object.fromEntries(all(`[data-call="${current}"].call .position`).map((slot) =>
    [slotKey(slot), slot.querySelector(".slot").y.baseVal.value]));
}

function show(number) {
  const before = tops();
  current = number;
  for (const call of all(".call")) call.toggleAttribute("hidden", call.dataset.call !== String(number));
  const call = data.calls[number];
  for (const [i, flag] of FLAGS.entries()) {
    if (!box(flag)) continue;
    if (call.spec[i] !== null) box(flag).checked = call.spec[i];
    box(flag).disabled = isPlain(call) && flag !== "labels";
  }
  if (box("plain")) box("plain").checked = isPlain(call);
  document.querySelector("figcaption").textContent = call.described;
  for (const row of all("tr[aria-current]")) row.removeAttribute("aria-current");
  for (const cell of all(`td[data-call="${number}"]`)) cell.parentNode.setAttribute("aria-current", "true");
  light(figure.dataset.lit);
  if (!still.matches) move(before, tops());
}

function move(before, after) {
  for (const slot of all(`[data-call="${current}"].call .position`)) {
    const key = slotKey(slot);
    const frames = key in before
      ? [{ transform: `translateY(${before[key] - after[key]}px)` }, { transform: "none" }]
      : [{ opacity: 0 }, { opacity: 1 }];
    slot.animate(frames, { duration: 350, easing: "ease-out" });
  }
}

// Which slot is pointed at

function light(name) {
  for (const element of all(".lit", figure)) element.classList.remove("lit");
  delete figure.dataset.lit;
  const slots = all(".call:not([hidden]) .position", figure).filter((slot) => slot.dataset.slot === name);
  if (!slots.length) return;
  figure.dataset.lit = name;
  for (const slot of slots) {
    slot.classList.add("lit");
    const route = new Set(JSON.parse(slot.dataset.modules));
    for (const element of all("[data-module]", figure)) {
      if (route.has(element.dataset.module)) element.classList.add("lit");
    }
  }
}

function open(name) {
  for (const details of all(".slots details")) details.open = details.dataset.slot === name;
}

function point(name) {
  if (figure.dataset.lit === name) return;
  light(name);
  open(name);
}

const slotOf = (event) => event.target.closest?.(".position")?.dataset.slot;

for (const kind of ["pointerover", "focusin"]) {
  figure.addEventListener(kind, (event) => slotOf(event) && point(slotOf(event)));
}
figure.addEventListener("click", (event) => slotOf(event) && reveal(slotOf(event)));
figure.addEventListener("keydown", (event) => {
  if (event.key === "Escape") light(undefined);
  if (!slotOf(event) || !["Enter", " "].includes(event.key)) return;
  event.preventDefault();
  reveal(slotOf(event));
});

function reveal(name) {
  point(name);
  open(name);
  const details = all(".slots details").find((element) => element.dataset.slot === name);
  details?.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
}

// What an expression is: outputs[1][-1], logits, hidden_states[-1][:, 0], CLS

const EXPRESSION = /^(?:(outputs?)\b)?(?:\.?([A-Za-z_]\w*)|\["(\w+)"\]|\['(\w+)'\])?((?:\[[-\d:, ]+\])*)$/;

function parse(text) {
  const bare = /^-?\d+$/.test(text) ? `outputs[${text}]` : text;
  const match = EXPRESSION.exec(bare);
  if (!match) return null;
  const name = match[2] ?? match[3] ?? match[4];
  const path = [...match[5].matchAll(/\[([^\]]+)\]/g)].map((index) => index[1].replaceAll(" ", ""));
  return name || match[1] ? { name, path } : null;
}

function slotIn(call, { name, path }) {
  if (call.error) return { failure: call.error };
  if (name) {
    const number = call.keys[name] ?? call.names[name];
    return number === undefined ? { failure: `this container has no ${name}` } : { slot: data.slots[number], rest: path };
  }
  if (!path.length) return { failure: `is a container of ${call.positions.length}` };
  const place = position(path[0], call.positions.length);
  if (place === null) return { failure: `no such index: it has ${call.positions.length}` };
  return { slot: data.slots[call.positions[place]], rest: path.slice(1) };
}

function position(index, length) {
  const number = Number(index);
  const place = number < 0 ? number + length : number;
  return Number.isInteger(number) && place >= 0 && place < length ? place : null;
}

function described(slot, rest) {
  let inside = slot, words = slot.name;
  for (const index of rest) {
    if (inside.axes) {
      const remaining = indexed(inside, index.split(","));
      if (!remaining) return `${words}[${index}]: no such index of ${inside.what}`;
      inside = remaining;
      words += `[${index}]`;
    } else {
      const place = position(index, inside.items.length);
      if (place === null) return `${words}[${index}]: no such index of ${inside.what}`;
      inside = { from: inside.from, ...inside.items[place] };
      words += `[${place}]`;
    }
  }
  const from = inside.from ? `, returned by ${inside.from}` : "";
  const meaning = rest.length || !slot.meaning ? "" : `: ${slot.meaning}`;
  return `${words}${meaning}: ${inside.what}${from}`;
}

function indexed(tensor, indices) {
  if (indices.length > tensor.axes.length) return null;
  const axes = [], shape = [];
  for (const [i, axis] of tensor.axes.entries()) {
    const index = indices[i] ?? ":";
    if (index.includes(":")) {
      if (index !== ":") return null;
      axes.push(axis);
      shape.push(tensor.shape[i]);
    } else if (position(index, tensor.shape[i]) === null) return null;
  }
  const sizes = axes.map((axis, i) => `${axis} ${shape[i].toLocaleString("en")}`);
  return { axes, shape, items: [], from: "", what: `(${sizes.join(", ")}) of ${tensor.from ? `what ${tensor.from} returned` : tensor.what}` };
}

function answers(query) {
  const text = query.trim();
  if (!text) return [];
  const results = data.consumers.filter((part) => part.access === text)
    .map((part) => ({ where: part.who, words: `${part.access} is ${part.is}` }));
  const [, term] = Object.entries(data.words).find(([word]) => word === text.toLowerCase()) ?? [];
  if (term?.[1]) results.push({ where: text, words: term[1] });
  const parsed = parse(term?.[0] || (term ? "" : text));
  if (!parsed) return results;
  const specs = [false, true].map((labels) => data.calls[current].spec.map((v, i) => (i === 1 ? labels : v)));
  for (const number of specs.map(find).filter((index) => index >= 0)) {
    const call = data.calls[number];
    const { slot, rest, failure } = slotIn(call, parsed);
    results.push({ where: call.words, words: failure ?? described(slot, rest), name: slot?.name, number });
  }
  const useful = results.some((result) => result.name) || term || text.startsWith("output");
  return useful ? results : results.filter((result) => !result.number);
}

function matching(text) {
  const word = text.trim().toLowerCase();
  if (word.length < 3) return [];
  return all(".slots details, .findings li").filter((element) => element.textContent.toLowerCase().includes(word))
    .slice(0, 6)
    .map((element) => ({ where: element.dataset.slot ?? "findings", words: sentence(element, word), name: element.dataset.slot }));
}

function sentence(inside, word) {
  const lines = all("dd, p, .claim, summary", inside).map((element) => element.textContent);
  return (lines.find((line) => line.toLowerCase().includes(word)) ?? inside.textContent).trim().slice(0, 240);
}

function answer(query) {
  const area = document.getElementById("answers");
  let results = answers(query);
  if (!results.length) results = matching(query);
  if (!results.length && query.trim()) results = [{ where: "nothing", words: `nothing here is called ${query.trim()}` }];
  area.replaceChildren(...results.map(({ where, words }) => {
    const line = document.createElement("p");
    const place = document.createElement("small");
    place.textContent = where;
    line.append(place, document.createElement("br"), words);
    return line;
  }));
  const named = results.filter((result) => result.name);
  const shown = named.find((result) => (result.number ?? current) === current) ?? named[0];
  if (shown) point(shown.name);
}

// Controls that need a script stay hidden until it runs; everything is open in print.

document.querySelector("form").hidden = false;
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("query").addEventListener("input", (event) => answer(event.target.value));
if (switches.querySelector("input")) switches.hidden = false;
switches.addEventListener("change", () => {
  const number = find(chosenSpec());
  if (number >= 0) show(number);
  answer(document.getElementById("query").value);
});
let opened = [];
addEventListener("beforeprint", () => {
  opened = all("details").filter((details) => !details.open);
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
for (const details of all(".matrix")) details.open = false;
show(current);
open((all(".slots details").find((details) => details.querySelector(".refuted")) ?? document.querySelector(".slots details"))?.dataset.slot);
