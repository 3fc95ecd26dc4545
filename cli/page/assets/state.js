// @ts-check
// The data of the page, and its one state: the chosen stretch of rows, which every figure follows.
'use strict';

/** Figures as text, as the page itself writes them. */
const show = {
  count: (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ','),
  three: (value, unit) => {
    const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return `${value.toFixed(digits)} ${unit}`;
  },
  ns: (value) => {
    if (value < 1e3) return `${Math.round(value)} ns`;
    if (value < 1e6) return show.three(value / 1e3, 'µs');
    return value < 1e9 ? show.three(value / 1e6, 'ms') : show.three(value / 1e9, 's');
  },
  per_s: (value) => {
    if (value === 0) return '0/s';
    return value < 100 ? `${value.toFixed(1)}/s` : `${show.count(value)}/s`;
  },
  bytes: (value) => {
    const sign = value < 0 ? '-' : '';
    const units = ['B', 'KiB', 'MiB', 'GiB'];
    let [size, at] = [Math.abs(value), 0];
    for (; size >= 1024 && at < units.length - 1; at += 1) size /= 1024;
    return `${sign}${size.toFixed(at === 0 ? 0 : 1)} ${units[at]}`;
  },
  share: (value) => {
    const percent = value * 100;
    if (percent === 0) return '0 %';
    if (percent < 0.005) return '<0.01 %';
    if (percent < 0.995) return `${percent.toFixed(2)} %`;
    return percent < 100 ? `${Math.min(percent, 99.9).toFixed(1)} %` : `${percent.toFixed(0)} %`;
  },
  cpus: (value) => `${value.toFixed(2)} CPU`,
  threads: (value) => value.toFixed(3),
  clock: (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    const two = (number) => String(number).padStart(2, '0');
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    const rest = two(whole % 60);
    return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
  },
  /** Start and end of a stretch, exact where it is short. */
  stretch: (from, to) => {
    const exact = (seconds) => `${Number(seconds.toFixed(2))} s`;
    return to - from < 60 ? `${exact(from)} – ${exact(to)}` : `${show.clock(from)} – ${show.clock(to)}`;
  },
};

/** An element with its attributes and children; texts are never read as markup. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The colour of a variable of the style. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The data of a block: base64 of deflated JSON. */
async function unpack(id) {
  const block = document.getElementById(id);
  if (!block || !block.textContent) return null;
  const bytes = Uint8Array.from(atob(block.textContent), (letter) => letter.charCodeAt(0));
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return JSON.parse(await new Response(inflated).text());
}

/** The sums of some rows. */
class Sums {
  /**
   * @param {any} data
   * @param {number[]} indices
   */
  constructor(data, indices) {
    const rows = data.rows;
    const sum = (column) => indices.reduce((all, at) => all + column[at], 0);
    const most = (column) => indices.reduce((all, at) => Math.max(all, column[at] ?? -1), -1);
    this.data = data;
    this.indices = indices;
    this.seconds = sum(rows.length);
    this.released = sum(rows.released);
    this.completed = sum(rows.completed);
    this.errors = sum(rows.errors);
    this.outcomes = new Map(rows.outcomes.map(([name, column]) => [name, sum(column)]));
    this.ended = [...this.outcomes.values()].reduce((all, count) => all + count, 0);
    this.ok = this.outcomes.get('ok') ?? 0;
    this.max = most(rows.max);
    this.lateness = most(rows.lateness);
    this.in_flight = indices.length ? sum(rows.in_flight) / indices.length : 0;
    this.cells = new Map();
    this.times = 0;
    for (const at of data.heat ? indices : []) {
      for (const [cell, count] of data.heat.cells[at]) {
        this.cells.set(cell, (this.cells.get(cell) ?? 0) + count);
        this.times += count;
      }
    }
    this.sorted = [...this.cells].sort((a, b) => a[0] - b[0]);
  }

  /** The time that a share of the requests does not exceed; null with too few of them. */
  quantile(share) {
    if (this.times * (1 - share) < 10 - 1e-9) return null;
    const { rows } = this.data;
    if (this.indices.length === 1 && rows.joined === 1) {
      const known = share === 0.5 ? rows.p50 : share === 0.99 ? rows.p99 : null;
      if (known && known[this.indices[0]] !== null) return known[this.indices[0]];
    }
    return this.at(share);
  }

  /** The same by the cells alone, however few. */
  at(share) {
    let left = Math.max(1, Math.ceil(this.times * share));
    for (const [cell, count] of this.sorted) {
      left -= count;
      if (left <= 0) return 2 ** ((cell + 0.5) / this.data.cells_per_octave);
    }
    return null;
  }

  /** The mean of lines of a chart over time in these rows; null if it is not known. */
  mean(id, ...labels) {
    const panel = this.data.panels.find((one) => one.id === id);
    if (!panel) return null;
    const lines = panel.lines.filter((line) => labels.includes(line.label));
    const places = this.places(panel.x);
    let [sum, count] = [0, 0];
    for (const at of places) {
      const values = lines.map((line) => line.values[at]).filter((value) => value !== null);
      if (values.length === 0) continue;
      sum += values.reduce((all, value) => all + value, 0);
      count += 1;
    }
    return count > 0 ? sum / count : null;
  }

  /** The places of an axis that lie in these rows. */
  places(x) {
    // Both ascend.
    const { from, length } = this.data.rows;
    const rows = this.indices;
    let next = 0;
    const is_inside = (at) => {
      while (next < rows.length && from[rows[next]] + length[rows[next]] <= x[at]) next += 1;
      return next < rows.length && from[rows[next]] <= x[at];
    };
    return x.map((_, at) => at).filter(is_inside);
  }
}

/** The chosen stretch: first and last row, or null for all of the run. */
class State {
  constructor(data) {
    this.data = data;
    this.chosen = null;
    /** The row of the cursor, and the row from which keys widen the stretch. */
    this.cursor = null;
    this.anchor = null;
    this.listeners = [];
    const is_measured = (phase) => phase !== 'warmup' && phase !== 'drain';
    this.all = data.rows.from.map((_, at) => at);
    this.measured = this.all.filter((at) => is_measured(data.rows.phase[at]));
  }

  /** Call it with every change. */
  follow(listener) {
    this.listeners.push(listener);
  }

  choose(first, last) {
    const most = this.all.length - 1;
    const bounded = (row) => Math.min(most, Math.max(0, row));
    const next = [bounded(Math.min(first, last)), bounded(Math.max(first, last))];
    if (this.chosen && this.chosen[0] === next[0] && this.chosen[1] === next[1]) return;
    this.chosen = next;
    this.notify();
  }

  clear() {
    if (this.chosen === null) return;
    this.chosen = null;
    this.notify();
  }

  notify() {
    this.inside = this.chosen && this.sums((at) => this.is_chosen(at), this.all);
    this.rest = this.chosen && this.sums((at) => !this.is_chosen(at), this.measured);
    for (const listener of this.listeners) listener(this);
  }

  is_chosen(row) {
    return this.chosen !== null && this.chosen[0] <= row && row <= this.chosen[1];
  }

  sums(is_one, rows) {
    return new Sums(this.data, rows.filter(is_one));
  }

  /** The row in which a time lies. */
  row_at(seconds) {
    const { from, length } = this.data.rows;
    const at = from.findIndex((start, row) => seconds < start + length[row]);
    return at < 0 ? this.all.length - 1 : at;
  }

  /** Start and end of the stretch in seconds. */
  span() {
    const { from, length } = this.data.rows;
    if (!this.chosen) return [0, this.data.end];
    return [from[this.chosen[0]], from[this.chosen[1]] + length[this.chosen[1]]];
  }
}
