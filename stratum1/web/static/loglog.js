// Two curves over logarithmic axes: spans of time across, decades of deviation upwards.
const COLOURS = ["--accent", "--accent-2"];
const TIMES = [[1, "1 s"], [10, "10 s"], [60, "1 min"], [600, "10 min"], [3600, "1 h"], [21600, "6 h"], [65536, "18 h"]];

// A ratio as a power of ten.
export const ratio = () => [1, ""];

export class LogLog {
  // units: the unit that suits a size, and its own size; for ratios the unit has no name.
  constructor(canvas, units) {
    this.canvas = canvas;
    this.units = units;
    this.curves = [];
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  show(curves) {
    const before = JSON.stringify(this.curves);
    this.curves = curves;
    if (JSON.stringify(curves) !== before) this.draw();
  }

  draw() {
    const dense = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0) return;
    this.canvas.width = Math.round(width * dense);
    this.canvas.height = Math.round(height * dense);
    const pen = this.canvas.getContext("2d");
    pen.scale(dense, dense);
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(name);
    pen.font = `12px ${style.fontFamily}`;
    pen.textBaseline = "middle";
    const points = this.curves.flat();
    if (points.length === 0) {
      pen.fillStyle = colour("--quiet");
      pen.fillText("Nothing measured yet.", 8, height / 2);
      return;
    }
    this.frame(pen, colour, points, width, height);
  }

  frame(pen, colour, points, width, height) {
    const log = points.map(([, value]) => Math.log10(value));
    const low = Math.floor(Math.min(...log)), high = Math.max(Math.ceil(Math.max(...log)), low + 1);
    const longest = Math.max(64, ...points.map(([tau]) => tau));
    const decades = Array.from({ length: high - low + 1 }, (_, i) => low + i);
    const every = Math.ceil(decades.length / 7);
    const left = Math.max(...decades.map((power) => pen.measureText(this.label(power)).width)) + 8;
    const right = width - 10, top = 8, bottom = height - 20;
    const x = (tau) => left + Math.log(tau) / Math.log(longest) * (right - left);
    const y = (power) => bottom - (power - low) / (high - low) * (bottom - top);
    pen.lineWidth = 1;
    pen.strokeStyle = colour("--grid");
    pen.fillStyle = colour("--quiet");
    pen.textAlign = "right";
    decades.forEach((power, i) => {
      if (i % every) return;
      stroke(pen, [[left, Math.round(y(power)) + 0.5], [right, Math.round(y(power)) + 0.5]]);
      pen.fillText(this.label(power), left - 6, y(power));
    });
    let free = -Infinity;
    for (const [tau, text] of TIMES) {
      if (tau > longest) break;
      const at = Math.round(x(tau)) + 0.5, half = pen.measureText(text).width / 2;
      stroke(pen, [[at, top], [at, bottom]]);
      const centre = Math.min(Math.max(at, left + half), width - half);
      if (centre - half < free) continue;
      pen.textAlign = "center";
      pen.fillText(text, centre, bottom + 12);
      free = centre + half + 6;
    }
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    this.curves.forEach((curve, i) => {
      pen.strokeStyle = pen.fillStyle = colour(COLOURS[i]);
      const places = curve.map(([tau, value]) => [x(tau), y(Math.log10(value))]);
      stroke(pen, places);
      for (const [px, py] of places) pen.fillRect(px - 1.5, py - 1.5, 3, 3);
    });
  }

  label(power) {
    const [scale, unit] = this.units(10 ** power * 1.0001);
    if (!unit) return `1e${power}`.replace("-", "\u2212");
    return `${Number((10 ** power / scale).toPrecision(1))} ${unit}`;
  }
}

function stroke(pen, places) {
  pen.beginPath();
  places.forEach(([px, py], i) => (i ? pen.lineTo(px, py) : pen.moveTo(px, py)));
  pen.stroke();
}
