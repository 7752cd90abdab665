// A strip of the last quarter of an hour on a canvas: one line, a zero line, ticks in the unit that suits, a reading under the pointer.
const WINDOW_MS = 900e3;
const UNITS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];

// The unit that suits the largest value on an axis, and its size: for seconds, and for relative frequencies in ppm.
export const seconds = (size) => UNITS.find(([least]) => size >= least) ?? UNITS.at(-1);
export const relative = (size) => (size < 0.1 ? [1e-3, "ppb"] : [1, "ppm"]);

export class Plot {
  constructor(canvas, colour, units) {
    this.canvas = canvas;
    this.colour = colour;
    this.units = units;
    this.points = [];
    this.pointer = null;
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    canvas.addEventListener("pointerleave", () => this.point(null));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  load(at, values) {
    const newest = at.at(-1) ?? 0;
    this.points = [...at.map((t, i) => [t, values[i]]), ...this.points.filter(([t]) => t > newest)];
    this.draw();
  }

  add(at, value) {
    const newest = this.points.at(-1)?.[0] ?? 0;
    if (at < newest) this.points = []; // the clock was stepped back: the old points have no place on this axis
    this.points.push([at, value]);
    while (this.points.length > 1 && this.points[0][0] < at - WINDOW_MS) this.points.shift();
    this.draw();
  }

  point(x) {
    this.pointer = x;
    this.draw();
  }

  range() {
    const values = this.points.map(([, v]) => v).filter((v) => v !== null);
    if (values.length === 0) return null;
    // The latest third sets the scale: what happened before the lock would flatten it. Older values beyond it leave at the edge.
    const latest = values.slice(-Math.max(10, Math.ceil(values.length / 3)));
    let low = Math.min(...latest), high = Math.max(...latest);
    const reach = Math.max(high - low, Math.abs(high) * 1e-6);
    low = Math.max(Math.min(...values), low - reach);
    high = Math.min(Math.max(...values), high + reach);
    const room = Math.max((high - low) * 0.1, Math.abs(high) * 1e-6, 1e-12);
    return [low - room, high + room];
  }

  draw() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(this.canvas);
    const colours = Object.fromEntries(["--grid", "--quiet", "--ink", "--card", this.colour].map((name) => [name, style.getPropertyValue(name)]));
    pen.font = `12px ${style.fontFamily}`;
    pen.textBaseline = "middle";
    const range = this.range();
    if (range === null) {
      pen.fillStyle = colours["--quiet"];
      pen.fillText("Nothing measured yet.", 8, height / 2);
      return;
    }
    this.frame(pen, colours, range, width, height);
  }

  frame(pen, colours, [low, high], width, height) {
    const [ticks, step] = steps(low, high);
    const size = Math.max(Math.abs(low), Math.abs(high));
    const labels = ticks.map((tick) => this.label(tick, size, step));
    const left = Math.max(...labels.map((text) => pen.measureText(text).width)) + 8;
    const right = width - 6, top = 8, bottom = height - 20;
    const end = this.points.at(-1)[0];
    const minutes = end - this.points[0][0] < 180e3 ? 3 : 15;
    const x = (t) => right - (end - t) / (minutes * 60e3) * (right - left);
    const y = (v) => bottom - (v - low) / (high - low) * (bottom - top);
    pen.lineWidth = 1;
    ticks.forEach((tick, i) => {
      pen.strokeStyle = tick === 0 ? colours["--quiet"] : colours["--grid"];
      line(pen, [[left, Math.round(y(tick)) + 0.5], [right, Math.round(y(tick)) + 0.5]]);
      pen.fillStyle = colours["--quiet"];
      pen.textAlign = "right";
      pen.fillText(labels[i], left - 6, y(tick));
    });
    this.times(pen, colours, x, top, bottom, end, minutes);
    pen.strokeStyle = colours[this.colour];
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.save();
    pen.beginPath();
    pen.rect(left, top, right - left, bottom - top);
    pen.clip();
    for (const run of runs(this.points)) line(pen, run.map(([t, v]) => [x(t), y(v)]));
    pen.restore();
    this.reading(pen, colours, x, y, left, right, (v) => this.label(v, size, step / 20));
  }

  // Ticks of one axis share a unit; the finer the step, the more digits.
  label(tick, size, step) {
    const [scale, unit] = this.units(size);
    return `${trim(tick / scale, step / scale)} ${unit}`;
  }

  times(pen, colours, x, top, bottom, end, span) {
    const narrow = x(end) - x(end - span * 60e3) < 260;
    for (let minutes = span; minutes >= 0; minutes -= span > 3 ? 5 : 1) {
      const at = Math.round(x(end - minutes * 60e3)) + 0.5;
      pen.strokeStyle = colours["--grid"];
      line(pen, [[at, top], [at, bottom]]);
      if (narrow && minutes % span) continue;
      pen.textAlign = minutes === 0 ? "right" : minutes === span ? "left" : "center";
      pen.fillStyle = colours["--quiet"];
      pen.fillText(minutes ? `−${minutes} min` : "now", at, bottom + 12);
    }
  }

  reading(pen, colours, x, y, left, right, words) {
    if (this.pointer === null || this.pointer < left || this.pointer > right) return;
    const known = this.points.filter(([, v]) => v !== null);
    const [t, v] = known.reduce((best, each) => Math.abs(x(each[0]) - this.pointer) < Math.abs(x(best[0]) - this.pointer) ? each : best);
    const text = `${new Date(t).toISOString().slice(11, 19)}  ${words(v)}`;
    const room = pen.measureText(text).width + 12;
    const at = Math.min(Math.max(x(t) - room / 2, left), right - room);
    pen.fillStyle = colours[this.colour];
    pen.beginPath();
    pen.arc(x(t), y(v), 3.5, 0, 7);
    pen.fill();
    pen.fillStyle = colours["--ink"];
    pen.fillRect(at, 2, room, 18);
    pen.fillStyle = colours["--card"];
    pen.textAlign = "left";
    pen.fillText(text, at + 6, 11.5);
  }
}

function line(pen, places) {
  pen.beginPath();
  places.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  if (places.length === 1) pen.lineTo(places[0][0] + 1, places[0][1]);
  pen.stroke();
}

// Stretches without a gap: a missing value, or more than three seconds between two points, breaks the line.
function* runs(points) {
  let run = [];
  for (const point of points) {
    if (point[1] === null || (run.length && point[0] - run.at(-1)[0] > 3000)) {
      if (run.length) yield run;
      run = [];
    }
    if (point[1] !== null) run.push(point);
  }
  if (run.length) yield run;
}

function steps(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i === 0 ? 0 : i * step);
  return [found, step];
}

function trim(value, step) {
  const digits = Math.min(9, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return value.toFixed(digits).replace("-", "−");
}
