// The sky seen from the antenna (north up, the horizon is the outer ring) and the strength of each signal.
const NAMES = { G: "GPS", R: "GLONASS", E: "Galileo", C: "BeiDou", J: "QZSS", I: "NavIC", S: "SBAS" };
const FULL = 55; // dB-Hz: hardly any receiver sees more
const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

function code([constellation, number]) {
  return `${constellation}${String(number).padStart(2, "0")}`;
}

function title([constellation, number, azimuth, elevation, cn0, used]) {
  const known = (value, unit) => (value === null ? "unknown" : `${value}${unit}`);
  return make("title", {}, `${NAMES[constellation] ?? constellation} ${number}: elevation ${known(elevation, "°")}, azimuth ${known(azimuth, "°")}, `
    + `C/N0 ${known(cn0, " dB-Hz")}, ${used ? "used" : "not used"}`);
}

function dome(satellites) {
  const parts = [30, 60, 90].map((r) => make("circle", { class: "ring", r }));
  parts.push(make("path", { class: "ring", d: "M-90 0H90M0-90V90" }));
  for (const [text, x, y] of [["N", 0, -97], ["S", 0, 104], ["E", 101, 4], ["W", -101, 4]]) {
    parts.push(make("text", { x, y, "text-anchor": "middle" }, text));
  }
  for (const satellite of satellites) {
    const [constellation, , azimuth, elevation, , used] = satellite;
    if (azimuth === null || elevation === null) continue;
    const angle = azimuth * Math.PI / 180, radius = 90 - Math.max(0, elevation);
    const group = make("g", { class: `c-${constellation}`, transform: `translate(${(radius * Math.sin(angle)).toFixed(1)} ${(-radius * Math.cos(angle)).toFixed(1)})` });
    group.append(make("circle", { class: used ? "on" : "off", r: 10, "stroke-width": 1.5 }));
    group.append(make("text", { class: "inside", y: 3, "text-anchor": "middle", "font-size": 8 }, code(satellite).slice(1)), title(satellite));
    parts.push(group);
  }
  document.getElementById("sky").replaceChildren(...parts);
}

function bars(satellites) {
  const box = document.getElementById("bars");
  const width = Math.max(200, box.clientWidth), height = 130, floor = height - 18, top = 14;
  const heard = satellites.filter(([, , , , cn0]) => cn0 !== null).sort((a, b) => code(a).localeCompare(code(b)));
  box.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const room = Math.min(34, width / Math.max(1, heard.length));
  const parts = [make("path", { class: "ring", d: `M0 ${floor + 0.5}H${width}` })];
  if (!heard.length) parts.push(make("text", { x: 0, y: floor - 8 }, "No signal is heard."));
  heard.forEach((satellite, i) => {
    const [constellation, , , , cn0, used] = satellite;
    const tall = Math.min(1, cn0 / FULL) * (floor - top), middle = (i + 0.5) * room;
    const group = make("g", { class: `c-${constellation}` });
    group.append(make("rect", { class: used ? "on" : "off", x: middle - room * 0.36, y: floor - tall, width: room * 0.72, height: tall, rx: 2 }));
    if (room >= 15) group.append(make("text", { x: middle, y: floor - tall - 3, "text-anchor": "middle" }, String(cn0)));
    if (room >= 20) group.append(make("text", { x: middle, y: height - 4, "text-anchor": "middle" }, code(satellite)));
    group.append(title(satellite));
    parts.push(group);
  });
  box.replaceChildren(...parts);
}

function legend(satellites) {
  const lines = Object.entries(NAMES).flatMap(([letter, name]) => {
    const mine = satellites.filter(([constellation]) => constellation === letter);
    if (!mine.length) return [];
    const line = document.createElement("li");
    line.className = `c-${letter}`;
    const text = document.createElement("span");
    text.textContent = `${name} ${mine.filter((each) => each[5]).length} of ${mine.length}`;
    line.append(document.createElement("i"), text);
    return [line];
  });
  document.getElementById("legend").replaceChildren(...lines);
}

let drawn = "";

export function drawSky(satellites) {
  const box = document.getElementById("bars");
  const now = JSON.stringify(satellites) + box.clientWidth;
  if (now === drawn) return;
  drawn = now;
  dome(satellites);
  bars(satellites);
  legend(satellites);
}
