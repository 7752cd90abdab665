// Keeps the page fresh: words come ready-made from the server, this file only puts them in place, runs the clock and draws.
import { Plot, relative, seconds } from "./plot.js";
import { drawSky } from "./sky.js";
import { LogLog, ratio } from "./loglog.js";

const STALE_MS = 4000;
const root = document.documentElement;
const byName = (attribute) => {
  const found = new Map();
  for (const element of document.querySelectorAll(`[${attribute}]`)) {
    const name = element.getAttribute(attribute);
    found.set(name, [...(found.get(name) ?? []), element]);
  }
  return found;
};
const texts = byName("data-t");
const rows = byName("data-rows");
const parts = byName("data-if");
const clock = document.getElementById("clock");
const date = document.getElementById("date");
const browser = document.getElementById("browser");
const stale = document.getElementById("stale");

// The clock's own elements are run by tick(); what the server wrote into them was for pages without a script.
texts.delete("clock");
texts.delete("date");
root.classList.add("live");

// --- the clock: server's time minus ours, from the messages that travelled fastest ------------------------------------------
const RECENT = 30;
let differences = [];
let difference = null;
let heard = performance.now();

function learn(utcMs) {
  const now = Date.now();
  // A message can only arrive late, so the largest difference of the recent ones is the least delayed. A step of either clock
  // shows as a jump beyond what a network does, and starts over.
  const latest = utcMs - now;
  if (difference !== null && Math.abs(latest - difference) > 2000) differences = [];
  differences = [...differences.slice(1 - RECENT), latest];
  difference = Math.max(...differences);
  heard = performance.now();
  const off = Math.abs(difference);
  const size = off < 1000 ? `${off.toFixed(0)} ms` : off < 120e3 ? `${(off / 1000).toFixed(1)} s` : `${(off / 60e3).toFixed(0)} minutes`;
  browser.textContent = off < 20
    ? "Your device's clock agrees, as far as the network lets us see."
    : `Your device's clock is ${size} ${difference > 0 ? "behind" : "ahead"}.`;
}

function tick() {
  if (difference !== null) {
    const now = new Date(Date.now() + difference).toISOString();
    clock.textContent = now.slice(11, 19);
    clock.dateTime = `${now.slice(0, 19)}Z`;
    date.textContent = now.slice(0, 10);
  }
  const silence = performance.now() - heard;
  const old = silence > STALE_MS;
  if (old) {
    document.getElementById("stale-text").textContent =
      `The server has been silent for ${Math.round(silence / 1000)} s. What stands below is old.`;
  }
  if (stale.hidden === old) {
    stale.hidden = !old;
    root.classList.toggle("old", old);
  }
  const now = Date.now() + (difference ?? 0);
  setTimeout(tick, 1000 - (now % 1000) + 5);
}

// --- words ---------------------------------------------------------------------------------------------------------------
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function fill(body, lines) {
  const list = body.tagName === "UL";
  while (body.children.length > lines.length) body.lastElementChild.remove();
  lines.forEach((cells, i) => {
    const line = body.children[i] ?? body.appendChild(document.createElement(list ? "li" : "tr"));
    if (list) return put(line, cells[0]);
    while (line.children.length < cells.length) line.append(document.createElement("td"));
    cells.forEach((cell, j) => put(line.children[j], cell));
  });
}

function show(view) {
  for (const [name, elements] of texts) for (const element of elements) put(element, view.texts[name] ?? "");
  for (const [name, elements] of rows) for (const element of elements) fill(element, view.rows[name] ?? []);
  for (const [name, elements] of parts) for (const element of elements) element.hidden = !view.shown[name];
  root.dataset.state = view.data.state;
  document.title = `${view.texts.state}: ${view.texts.hostname}`;
}

// --- plots and the stream --------------------------------------------------------------------------------------------------
const plots = [
  [new Plot(document.getElementById("plot-offset"), "--accent", seconds), "offset"],
  [new Plot(document.getElementById("plot-frequency"), "--accent-2", relative), "frequency_ppm"],
];

const curves = [
  [new LogLog(document.getElementById("plot-adev"), ratio), ["adev_clock", "adev_pulses"]],
  [new LogLog(document.getElementById("plot-tdev"), seconds), ["tdev_clock", "mtie_clock"]],
];

async function history() {
  try {
    const answer = await fetch("/api/v1/series");
    if (!answer.ok) return;
    const series = await answer.json();
    const at = series.at.map((text) => Date.parse(text));
    for (const [plot, name] of plots) plot.load(at, series[name]);
  } catch {
    // The stream brings new points all the same.
  }
}

function receive(event) {
  const view = JSON.parse(event.data);
  learn(view.data.utc_ms);
  show(view);
  for (const [plot, name] of plots) plot.add(view.data.utc_ms, view.data[name]);
  for (const [plot, names] of curves) plot.show(names.map((name) => view.data.stability[name]));
  drawSky(view.data.satellites);
}

let stream = null;

function connect() {
  if (stream !== null && stream.readyState !== EventSource.CLOSED) return;
  stream?.close();
  stream = new EventSource("/live");
  stream.addEventListener("view", receive);
}

function disconnect() {
  stream?.close();
  stream = null;
}

// A page that nobody sees costs the server nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return disconnect();
  heard = performance.now();
  differences = [];
  history();
  connect();
});
// A 503 (too many listeners) ends an EventSource for good.
setInterval(() => { if (!document.hidden) connect(); }, 15000);

tick();
await history();
connect();
