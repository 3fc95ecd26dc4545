// @ts-check
// The charts over time and the percentile curve, drawn by uPlot in the place of the pictures.
'use strict';

const HEIGHT = 190;
const DASH = [6, 4];
/** Steps between labels of time. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** Options of an axis that follow the colours of the page. */
function axis(more) {
  const line = { stroke: () => colour('--grid'), width: 1 };
  return { stroke: () => colour('--text'), font: '12px system-ui, sans-serif', grid: line, ticks: line, ...more };
}

/** A curve's stroke. */
function stroke(line, points) {
  return {
    label: line.label,
    stroke: () => colour(`--c${line.ink}`),
    width: 1.6,
    dash: line.is_dashed ? DASH : undefined,
    points: { show: points, size: 4, fill: () => colour(`--c${line.ink}`) },
  };
}

/** Smallest and largest height of a chart over time, as in the picture before. */
function heights(panel) {
  const sums = panel.x.map((_, at) => panel.lines.reduce((all, line) => all + (line.values[at] ?? 0), 0));
  const values = panel.shape === 'stacked' ? sums : panel.lines.flatMap((line) => line.values);
  const bounds = [...panel.limits.map((limit) => limit.value), ...panel.reach];
  const log = panel.scale === 'log';
  let [low, high] = [Infinity, -Infinity];
  for (const value of [...values, ...bounds]) {
    if (value === null || (log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (log) return [low / 1.3, high * 1.3];
  return [0, high > 0 ? high * 1.08 : 1];
}

/** Round values for the labels of a logarithmic axis. */
function log_splits(low, high, most) {
  const factors = Math.log10(high / low) < 2 ? [1, 2, 5] : [1];
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    all.push(...factors.map((factor) => factor * 10 ** power));
  }
  const inside = all.filter((value) => low <= value && value <= high);
  const step = Math.max(1, Math.ceil(inside.length / most));
  return inside.filter((_, at) => at % step === 0);
}

/** Options of the axis of heights. */
function heights_axis(unit, is_log) {
  const format = show[unit];
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500];
  const more = is_log ? { splits: (_plot, _axis, low, high) => log_splits(low, high, 6), filter: (_, splits) => splits } : {};
  if (unit === 'bytes') more.incrs = [1, 1024, 1024 ** 2, 1024 ** 3].flatMap((power) => steps.map((step) => step * power));
  return axis({ values: (_, splits) => splits.map((it) => (it === null ? '' : format(it))), size: 72, space: 34, ...more });
}

/** Draw on a chart's canvas, within its plot. */
function within(plot, draw) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw(ctx, bbox);
  ctx.restore();
}

/** Phases that are not measured, and spikes as marks at the top. */
function draw_phases(plot, data) {
  within(plot, (ctx, bbox) => {
    const x = (seconds) => plot.valToPos(seconds, 'x', true);
    ctx.fillStyle = colour('--outside');
    data.rows.phase.forEach((phase, at) => {
      if (phase !== 'warmup' && phase !== 'drain') return;
      const from = x(data.rows.from[at]);
      ctx.fillRect(from, bbox.top, x(data.rows.from[at] + data.rows.length[at]) - from, bbox.height);
    });
    ctx.fillStyle = colour('--c4');
    for (const [from, to] of data.spikes) {
      ctx.fillRect(x(from), bbox.top, Math.max(2, x(to) - x(from)), 5 * devicePixelRatio);
    }
  });
}

/** The counts of response times behind the curves. */
function draw_heat(plot, data) {
  let most = 1;
  for (const cells of data.heat.cells) for (const [, count] of cells) most = Math.max(most, count);
  const shades = [1, 2, 3, 4, 5, 6].map((shade) => colour(`--h${shade}`));
  const shade = (count) => (most <= 1 ? 5 : Math.round((Math.log(count) / Math.log(most)) * 5));
  // Rows share the edges of cells.
  const edges = new Map();
  const edge = (cell) => {
    if (!edges.has(cell)) edges.set(cell, plot.valToPos(2 ** (cell / data.cells_per_octave), 'y', true));
    return edges.get(cell);
  };
  within(plot, (ctx) => {
    data.heat.cells.forEach((cells, at) => {
      const from = plot.valToPos(data.rows.from[at], 'x', true);
      const to = plot.valToPos(data.rows.from[at] + data.rows.length[at], 'x', true);
      for (const [cell, count] of cells) {
        const [top, bottom] = [edge(cell + 1), edge(cell)];
        ctx.fillStyle = shades[shade(count)];
        ctx.fillRect(from, top, Math.max(1, to - from), Math.max(1, bottom - top));
      }
    });
  });
}

/** Bars upon each other. */
function draw_stack(plot, panel, data) {
  within(plot, (ctx) => {
    const inks = panel.lines.map((line) => colour(`--c${line.ink}`));
    panel.x.forEach((_, at) => {
      const from = plot.valToPos(data.rows.from[at], 'x', true);
      const to = plot.valToPos(data.rows.from[at] + data.rows.length[at], 'x', true);
      let below = 0;
      for (const [index, line] of panel.lines.entries()) {
        const value = line.values[at] ?? 0;
        const [bottom, top] = [below, below + value].map((it) => plot.valToPos(it, 'y', true));
        ctx.fillStyle = inks[index];
        ctx.fillRect(from, top, Math.max(1, to - from - 1), bottom - top);
        below += value;
      }
    });
  });
}

/** The stroke and the letters of objectives. */
function bound_style(ctx) {
  ctx.strokeStyle = colour('--bad');
  ctx.fillStyle = colour('--bad');
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = 'right';
}

/** Objectives as lines with their names. */
function draw_bounds(plot, panel) {
  within(plot, (ctx, bbox) => {
    bound_style(ctx);
    for (const limit of panel.limits) {
      const y = plot.valToPos(limit.value, 'y', true);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.fillText(limit.label, bbox.left + bbox.width - 4, y - 4);
    }
  });
}

/** The charts over time: one axis, one cursor, one stretch. */
class TimeCharts {
  constructor(state) {
    this.state = state;
    this.plots = [];
    for (const panel of state.data.panels) {
      const host = document.querySelector(`[data-plot="${panel.id}"]`);
      if (host) this.plots.push(this.chart(panel, host));
    }
    state.follow(() => this.mark());
  }

  chart(panel, host) {
    const { state } = this;
    const { data } = state;
    const line = element('p', { class: 'line' });
    // All charts share a cursor, but only the one in use speaks.
    host.addEventListener('focusin', () => line.setAttribute('aria-live', 'polite'));
    host.addEventListener('focusout', () => line.removeAttribute('aria-live'));
    const is_heat = panel.shape === 'heat' && data.heat;
    const behind = (plot) => {
      draw_phases(plot, data);
      if (is_heat) draw_heat(plot, data);
      if (panel.shape === 'stacked') draw_stack(plot, panel, data);
    };
    const stacked = panel.shape === 'stacked';
    host.replaceChildren();
    const plot = new uPlot({
      width: Math.max(200, host.clientWidth),
      height: is_heat ? HEIGHT + 60 : HEIGHT,
      legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false }, sync: { key: 'time' }, y: false },
      scales: {
        x: { time: false, range: () => [data.begin ?? 0, data.end] },
        y: { distr: panel.scale === 'log' ? 3 : 1, range: () => heights(panel) },
      },
      axes: [
        axis({ values: (_, splits) => splits.map(show.clock), incrs: SECONDS, space: 60, size: 34 }),
        heights_axis(panel.unit, panel.scale === 'log'),
      ],
      series: [{}, ...panel.lines.map((it) => ({ ...stroke(it, panel.x.length <= 60), show: !stacked }))],
      hooks: {
        drawClear: [behind],
        draw: [(drawn) => draw_bounds(drawn, panel)],
        setSelect: [(drawn) => this.selected(drawn)],
        setCursor: [(drawn) => { line.textContent = this.at_cursor(drawn, panel); }],
      },
    }, [panel.x, ...panel.lines.map((it) => it.values)], host);
    host.append(line);
    keys(host, state, this);
    host.setAttribute('aria-label', `${panel.title}: left and right move, with shift they choose a stretch, escape ends it`);
    new ResizeObserver(() => {
      // The first report is of the width that it has.
      if (host.clientWidth > 0 && host.clientWidth !== plot.width) plot.setSize({ width: host.clientWidth, height: plot.height });
      this.mark();
    }).observe(host);
    return plot;
  }

  at_cursor(plot, panel) {
    const { idx } = plot.cursor;
    if (idx === null || idx === undefined) return '';
    const format = show[panel.unit];
    const values = panel.lines.map((line) => [line.label, line.values[idx]]);
    const known = values.filter(([, value]) => value !== null).map(([label, value]) => `${label} ${format(value)}`);
    return `at ${show.clock(panel.x[idx])}: ${known.join(', ')}`;
  }

  /** The user has drawn a stretch in one chart; the others report the same. */
  selected(plot) {
    if (this.is_marking || plot.select.width < 2) return;
    const { left, width } = plot.select;
    const [from, to] = [left, left + width].map((at) => plot.posToVal(at, 'x'));
    // A row of which less than a tenth was drawn over is not meant.
    const { rows } = this.state.data;
    const meant = this.state.all.filter((row) => {
      const overlap = Math.min(to, rows.from[row] + rows.length[row]) - Math.max(from, rows.from[row]);
      return overlap > rows.length[row] / 10;
    });
    const at = this.state.row_at(from);
    const [first, last] = meant.length > 0 ? [meant[0], meant[meant.length - 1]] : [at, at];
    [this.state.anchor, this.state.cursor] = [first, last];
    this.state.choose(first, last);
  }

  /** Show the chosen stretch in every chart. */
  mark() {
    this.is_marking = true;
    const [from, to] = this.state.span();
    for (const plot of this.plots) {
      const left = plot.valToPos(from, 'x');
      const width = this.state.chosen ? plot.valToPos(to, 'x') - left : 0;
      plot.setSelect({ left, width, top: 0, height: plot.over.clientHeight }, false);
    }
    this.is_marking = false;
  }

  /** Move the cursor of every chart to a row. */
  point(row) {
    const { from, length } = this.state.data.rows;
    const seconds = from[row] + length[row] / 2;
    this.state.cursor = row;
    for (const plot of this.plots) {
      plot.setCursor({ left: plot.valToPos(seconds, 'x'), top: plot.over.clientHeight / 2 });
    }
  }

  draw() {
    for (const plot of this.plots) plot.redraw(false);
  }
}

/** The keys of a chart over time. */
function keys(host, state, charts) {
  host.tabIndex = 0;
  host.setAttribute('role', 'group');
  host.addEventListener('keydown', (event) => {
    const last = state.all.length - 1;
    const at = state.cursor ?? (state.chosen ? state.chosen[1] : state.measured[0] ?? 0);
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -last, End: last };
    if (event.key === 'Escape') {
      state.clear();
    } else if (event.key === 'Enter' || event.key === ' ') {
      state.choose(at, at);
      state.anchor = at;
    } else if (event.key in moves) {
      // The first key shows where the cursor is.
      const to = state.cursor === null && !event.shiftKey ? at : at + moves[event.key];
      const row = Math.min(last, Math.max(0, to));
      if (event.shiftKey) {
        if (!state.chosen) state.anchor = at;
        state.choose(state.anchor ?? at, row);
      }
      charts.point(row);
    } else {
      return;
    }
    event.preventDefault();
  });
}

/** The percentile curve, with those of the stretch and of a step. */
class CurveChart {
  constructor(state) {
    this.state = state;
    this.curve = state.data.curve;
    this.host = document.querySelector('[data-plot="curve"]');
    this.step = null;
    if (!this.curve || !this.host) return;
    const { lines, corners } = this.curve;
    const values = [...lines.flatMap((line) => line.values), ...corners.map((corner) => corner.value)];
    const known = values.filter((value) => value !== null && value > 0);
    const range = [Math.min(...known) / 1.3, Math.max(...known) * 1.3];
    const last = Math.max(2, this.curve.one_in[this.curve.one_in.length - 1]);
    const names = new Map([[2, '50 %'], [10, '90 %'], [100, '99 %'], [1e3, '99.9 %'], [1e4, '99.99 %'], [1e5, '99.999 %'], [1e6, '99.9999 %']]);
    const more = [{ label: 'stretch', ink: 3, is_dashed: true }, { label: 'step', ink: 1, is_dashed: false }];
    this.host.replaceChildren();
    this.plot = new uPlot({
      width: Math.max(200, this.host.clientWidth),
      height: 280,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: { x: { time: false, distr: 3, range: () => [1, last] }, y: { distr: 3, range: () => range } },
      axes: [
        axis({
          splits: () => [...names.keys()].filter((at) => at <= last * 0.8),
          filter: (_, splits) => splits,
          values: (_, splits) => splits.map((at) => names.get(at) ?? ''),
          size: 34,
        }),
        heights_axis('ns', true),
      ],
      series: [{}, ...lines.map((line) => stroke(line, false)), ...more.map((line) => ({ ...stroke(line, line.ink === 1), spanGaps: true }))],
      hooks: {
        draw: [(plot) => this.draw_corners(plot)],
        setCursor: [(plot) => { if (this.line) this.line.textContent = this.at_cursor(plot); }],
      },
    }, this.values(), this.host);
    this.line = element('p', { class: 'line', 'aria-live': 'polite' });
    this.host.append(this.line);
    new ResizeObserver(() => {
      const width = Math.max(200, this.host.clientWidth);
      if (width !== this.plot.width) this.plot.setSize({ width, height: 280 });
    }).observe(this.host);
    state.follow(() => this.plot.setData(this.values()));
  }

  values() {
    const { one_in, lines } = this.curve;
    const { inside } = this.state;
    const of_stretch = (place) => (inside && inside.times >= place ? inside.at(1 - 1 / place) : null);
    const step = one_in.map(() => null);
    for (const [place, nanos] of this.step ? this.step.points : []) {
      const nearest = one_in.reduce((best, at, index) => (Math.abs(Math.log(at / place)) < Math.abs(Math.log(one_in[best] / place)) ? index : best), 0);
      step[nearest] = nanos;
    }
    return [one_in, ...lines.map((line) => line.values), one_in.map(of_stretch), step];
  }

  /** Show the quantiles of a step beside those of the run. */
  show_step(step) {
    this.step = step;
    if (this.plot) this.plot.setData(this.values());
  }

  at_cursor(plot) {
    const { idx } = plot.cursor;
    if (idx === null || idx === undefined) return '';
    const place = this.curve.one_in[idx];
    const names = [...this.curve.lines.map((line) => line.label), 'stretch', this.step ? this.step.label : 'step'];
    const known = names.map((name, at) => [name, plot.data[at + 1][idx]]).filter(([, value]) => value !== null && value !== undefined);
    const percent = (100 * (1 - 1 / place)).toPrecision(6);
    return `${Number(percent)} %: ${known.map(([name, value]) => `${name} ${show.ns(value)}`).join(', ')}`;
  }

  draw_corners(plot) {
    within(plot, (ctx, bbox) => {
      bound_style(ctx);
      for (const corner of this.curve.corners) {
        const [x, y] = [plot.valToPos(corner.one_in, 'x', true), plot.valToPos(corner.value, 'y', true)];
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(x, y);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        ctx.fillText(corner.label, x - 4, y - 4);
      }
    });
  }

  draw() {
    if (this.plot) this.plot.redraw(false);
  }
}
