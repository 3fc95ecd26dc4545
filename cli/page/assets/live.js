// @ts-check
// A run in progress: takes a state and rows from its server, draws them, and goes to the report at
// the end. It sends nothing but requests for these.
'use strict';

/** Time between two requests where the server has no room for a stream, milliseconds. */
const POLL = 500;

/** Attempts after one that failed, each after twice the time. */
const ATTEMPTS = 5;

/** The charts with what arrived so far. */
class LivePage {
  constructor() {
    this.data = null;
    this.charts = null;
    this.shape = '';
  }

  /** All rows, or new ones. */
  take(data) {
    if (data.is_whole || !this.data) {
      this.data = data;
      // The charts have the arrays of before.
      this.shape = '';
    } else {
      this.append(data);
    }
    this.texts(data.now);
    this.draw();
  }

  append(data) {
    const all = this.data;
    const [rows, count] = [data.rows, data.rows.from.length];
    const known = all.rows.from.length;
    for (const key of Object.keys(all.rows)) {
      if (key !== 'outcomes' && Array.isArray(all.rows[key])) all.rows[key].push(...rows[key]);
    }
    // A kind of failure that is new was 0 before.
    for (const [name, column] of rows.outcomes) {
      const found = all.rows.outcomes.find(([other]) => other === name);
      if (found) found[1].push(...column);
      else all.rows.outcomes.push([name, [...Array(known).fill(0), ...column]]);
    }
    for (const column of all.rows.outcomes) if (column[1].length < known + count) column[1].push(...Array(count).fill(0));
    all.heat.cells.push(...data.heat.cells);
    for (const panel of all.panels) this.widen(panel, data.panels.find((one) => one.id === panel.id), count);
    [all.begin, all.end] = [data.begin, data.end];
    this.trim(all.rows.from.length - all.rows_max);
  }

  /** New values of a chart; a line that is new had none before. */
  widen(panel, more, count) {
    const known = panel.x.length;
    panel.x.push(...more.x);
    panel.reach = [...panel.reach, ...more.reach];
    if (panel.reach.length > 2) panel.reach = [Math.min(...panel.reach), Math.max(...panel.reach)];
    for (const line of more.lines) {
      const found = panel.lines.find((one) => one.label === line.label);
      if (found) found.values.push(...line.values);
      else panel.lines.push({ ...line, values: [...Array(known).fill(null), ...line.values] });
    }
    for (const line of panel.lines) if (line.values.length < known + count) line.values.push(...Array(count).fill(null));
  }

  /** Rows that are too old. */
  trim(count) {
    if (count <= 0) return;
    const { rows, heat, panels } = this.data;
    for (const key of Object.keys(rows)) if (key !== 'outcomes' && Array.isArray(rows[key])) rows[key].splice(0, count);
    for (const [, column] of rows.outcomes) column.splice(0, count);
    heat.cells.splice(0, count);
    for (const panel of panels) for (const column of [panel.x, ...panel.lines.map((line) => line.values)]) column.splice(0, count);
  }

  texts({ word, passed, tiles, objectives, signs }) {
    document.getElementById('word').textContent = `${word} ${passed}`;
    document.title = `${word} ${passed}`;
    const say = (id, text) => {
      const host = document.getElementById(id);
      if (host.textContent !== text) host.textContent = text;
    };
    say('signs', signs.length > 0 ? `Look: ${signs.join('; ')}.` : '');
    say('lost', '');
    document.getElementById('tiles').replaceChildren(...tiles.map(([label, value, beside]) => element(
      'div', { class: 'tile' },
      element('p', { class: 'label' }, label),
      element('p', { class: 'value' }, value),
      element('p', { class: 'beside' }, beside),
    )));
    document.getElementById('objectives').replaceChildren(...objectives.map(([tone, text]) => element('li', { class: tone }, text)));
  }

  draw() {
    const shown = this.data.panels.filter((panel) => panel.lines.some((line) => line.values.some((value) => value !== null && value !== 0)));
    const shape = JSON.stringify(shown.map((panel) => [panel.id, panel.lines.map((line) => line.label)]));
    if (shape === this.shape && this.charts) {
      this.keep_up(this.charts.state);
      this.charts.plots.forEach((plot, at) => plot.setData([shown[at].x, ...shown[at].lines.map((line) => line.values)]));
      return;
    }
    this.shape = shape;
    if (this.charts) for (const plot of this.charts.plots) plot.destroy();
    for (const panel of this.data.panels) {
      const figure = document.querySelector(`[data-figure-of="${panel.id}"]`);
      figure.hidden = !shown.includes(panel);
      figure.querySelector('.legend').replaceChildren(...panel.lines.map(legend));
      // A place without the listeners of the charts before.
      const place = figure.querySelector('.plot');
      place.replaceWith(place.cloneNode(false));
    }
    this.charts = new TimeCharts(new State({ ...this.data, panels: shown }));
  }

  /** The rows are the same arrays; what was computed of them is not. */
  keep_up(state) {
    const { begin, end, rows } = this.data;
    Object.assign(state.data, { begin, end });
    state.all = rows.from.map((_, at) => at);
    state.measured = state.all.filter((at) => rows.phase[at] === 'measure');
  }

  redraw() {
    if (this.charts) this.charts.draw();
  }
}

/** The name of a line with its stroke. */
function legend(line) {
  const key = element('span', { class: `key k${line.ink}${line.is_dashed ? ' dashes' : ''}` });
  return element('li', {}, key, line.label);
}

function follow() {
  const page = new LivePage();
  const lost = (text) => { document.getElementById('lost').textContent = text; };
  let is_over = false;
  const over = () => {
    is_over = true;
    location.replace('report.html');
  };
  const take = (event) => page.take(JSON.parse(event.data));
  const events = new EventSource('events');
  events.addEventListener('state', take);
  events.addEventListener('row', take);
  events.addEventListener('done', () => {
    events.close();
    over();
  });
  const failed = () => {
    is_over = true;
    events.close();
    lost('The run ended without a result: its terminal says why.');
  };
  events.addEventListener('failed', failed);
  let failures = 0;
  const poll = async () => {
    if (is_over) return;
    let state;
    try {
      state = await (await fetch('state.json')).json();
    } catch {
      failures += 1;
      if (failures <= ATTEMPTS) setTimeout(poll, POLL * 2 ** failures);
      else lost('The run does not answer any more: its process has ended, or is stopped.');
      return;
    }
    failures = 0;
    if (state.is_over) return void (state.has_report ? over() : failed());
    page.take(state);
    setTimeout(poll, POLL);
  };
  events.addEventListener('error', () => {
    if (is_over) return;
    lost('The connection to the run is lost; trying again.');
    // The server had no room for one more stream.
    if (events.readyState === EventSource.CLOSED) setTimeout(poll, POLL);
  });
  for (const query of ['(prefers-color-scheme: dark)', 'print']) matchMedia(query).addEventListener('change', () => page.redraw());
  document.documentElement.dataset.ready = 'yes';
}

follow();
