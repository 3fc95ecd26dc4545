// @ts-check
// Joins the parts: figures that follow the stretch, choices, print and colours.
'use strict';

/** Figures at the top: how to read each from sums. */
const FIGURES = {
  rate: (sums) => (sums.seconds > 0 ? show.per_s(sums.ok / sums.seconds) : '-'),
  p50: (sums) => time(sums.quantile(0.5)),
  p99: (sums) => time(sums.quantile(0.99)),
  errors: (sums) => (sums.ended > 0 ? show.share(sums.errors / sums.ended) : '-'),
  cpu: (sums) => {
    const nanos = cost(sums);
    return nanos === null ? null : time(nanos);
  },
  lateness: (sums) => time(sums.lateness < 0 ? null : sums.lateness),
};

/** Rows of the table of a stretch against the rest: label, value of sums, format. */
const ROWS = [
  ['requests that ended', (sums) => sums.ended, show.count],
  ['answers', (sums) => sums.completed, show.count],
  ['passed per second', (sums) => (sums.seconds > 0 ? sums.ok / sums.seconds : null), show.per_s],
  ['errors', (sums) => sums.errors, show.count],
  ['share of errors', (sums) => (sums.ended > 0 ? sums.errors / sums.ended : null), show.share],
  ['p50', (sums) => sums.quantile(0.5), show.ns],
  ['p90', (sums) => sums.quantile(0.9), show.ns],
  ['p99', (sums) => sums.quantile(0.99), show.ns],
  ['p99.9', (sums) => sums.quantile(0.999), show.ns],
  ['slowest', (sums) => (sums.max < 0 ? null : sums.max), show.ns],
  ['lateness p99, the worst interval', (sums) => (sums.lateness < 0 ? null : sums.lateness), show.ns],
  ['in flight, mean', (sums) => sums.in_flight, (value) => value.toFixed(1)],
  ['CPUs of the target', (sums) => sums.mean('target_cpu', 'own code', 'kernel'), show.cpus],
  ['target CPU per request', (sums) => cost(sums), show.ns],
  ['private memory of the target', (sums) => sums.mean('target_memory', 'private'), show.bytes],
];

function time(nanos) {
  return nanos === null ? '-' : show.ns(nanos);
}

/** CPU time of the target per answer, nanoseconds. */
function cost(sums) {
  const cpus = sums.mean('target_cpu', 'own code', 'kernel');
  return cpus === null || sums.completed === 0 ? null : (cpus * sums.seconds * 1e9) / sums.completed;
}

/** The figures at the top are those of the stretch, beside those of the whole run. */
function follow_tiles(state) {
  for (const tile of document.querySelectorAll('.tile')) {
    const [value, beside] = [tile.querySelector('.value'), tile.querySelector('.beside')];
    const figure = FIGURES[tile.dataset.figure];
    tile.classList.toggle('part', state.chosen !== null);
    if (!state.chosen) {
      value.textContent = value.dataset.whole;
      beside.textContent = beside.dataset.whole;
      continue;
    }
    const text = figure ? figure(state.inside) : null;
    value.textContent = text ?? value.dataset.whole;
    beside.textContent = text === null ? 'of the whole run' : `whole run: ${value.dataset.whole}`;
  }
}

/** What cannot follow says of what it is. */
function follow_scopes(state) {
  for (const scope of document.querySelectorAll('[data-scope]')) {
    scope.dataset.whole ??= scope.textContent;
    const [from, to] = state.span();
    const follows = scope.dataset.scope === 'follows';
    const note = follows ? `; the stretch ${show.stretch(from, to)} beside it` : ', not the stretch';
    scope.textContent = scope.dataset.whole + (state.chosen ? note : '');
  }
}

/** The stretch against the rest as a table. */
function follow_table(state, host) {
  host.hidden = state.chosen === null;
  host.replaceChildren();
  if (!state.chosen) return;
  const known = ROWS.map(([label, of, format]) => [label, of(state.inside), of(state.rest), format]);
  const heads = ['', 'stretch', 'rest of the measured window', 'difference'];
  const text = (value, format) => (value === null ? '-' : format(value));
  const difference = (a, b) => {
    if (a === null || b === null || b === 0) return '-';
    const percent = (a / b - 1) * 100;
    return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)} %`;
  };
  const rows = known.filter(([, inside, rest]) => inside !== null || rest !== null);
  const body = rows.map(([label, inside, rest, format], at) => element(
    'tr', { 'data-row': label },
    element('th', { scope: 'row' }, label),
    element('td', {}, text(inside, format)),
    element('td', {}, text(rest, format)),
    // Totals of stretches of other lengths do not compare.
    element('td', {}, ['requests that ended', 'answers', 'errors'].includes(label) ? '' : difference(inside, rest)),
  ));
  const head = element('tr', {}, ...heads.map((head_text) => element('th', { scope: 'col' }, head_text)));
  host.append(element('table', {}, element('thead', {}, head), element('tbody', {}, ...body)));
  const exact = state.inside.indices.length === 1 && state.data.rows.joined === 1;
  host.append(element('p', { class: 'about' }, exact
    ? 'Counts, p50, p99 and slowest of a single interval are exact.'
    : 'Counts and slowest are exact, quantiles within ± 4.5 %.'));
}

/** The sentence about the stretch, and buttons for those worth a look. */
function follow_choices(state, sentence, host) {
  const hint = sentence.textContent;
  const button = (label, act) => {
    const made = element('button', { type: 'button' }, label);
    made.addEventListener('click', act);
    return made;
  };
  const { rows, spikes } = state.data;
  const slowest = state.measured.reduce((best, at) => ((rows.p99[at] ?? -1) > (rows.p99[best] ?? -1) ? at : best), state.measured[0]);
  if (slowest !== undefined && rows.p99[slowest] !== null) {
    host.append(button(`Slowest: ${show.clock(rows.from[slowest])}`, () => state.choose(slowest, slowest)));
  }
  for (const [from, to] of spikes.slice(0, 5)) {
    host.append(button(`Spike ${show.clock(from)}`, () => state.choose(state.row_at(from), state.row_at(to - 1e-6))));
  }
  const failing = state.measured.reduce((best, at) => (rows.errors[at] > rows.errors[best] ? at : best), state.measured[0]);
  if (failing !== undefined && rows.errors[failing] > 0) {
    host.append(button(`Most errors: ${show.clock(rows.from[failing])}`, () => state.choose(failing, failing)));
  }
  const all = button('All of the run', () => state.clear());
  all.disabled = true;
  host.append(all);
  state.follow(() => {
    const [from, to] = state.span();
    all.disabled = state.chosen === null;
    if (!state.chosen) {
      sentence.textContent = hint;
      return;
    }
    const { inside, all: rows_of_run } = state;
    const part = `${inside.indices.length} of ${rows_of_run.length} rows`;
    const figures = `p99 ${time(inside.quantile(0.99))}, errors ${FIGURES.errors(inside)}`;
    sentence.textContent = `Stretch ${show.stretch(from, to)} (${part}): ${show.count(inside.ended)} requests, ${figures}.`;
  });
}

async function begin() {
  if (typeof DecompressionStream === 'undefined') return;
  const drawn = [...await draw_trees(), ...await draw_run()];
  const redraw = () => {
    for (const part of drawn) part.draw();
  };
  for (const query of ['(prefers-color-scheme: dark)', 'print']) matchMedia(query).addEventListener('change', redraw);
  addEventListener('beforeprint', () => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
  document.documentElement.dataset.ready = 'yes';
}

/** Draw what follows the chosen stretch of a run. */
async function draw_run() {
  const data = typeof uPlot === 'undefined' ? null : await unpack('data');
  if (!data) return [];
  const flame_data = await unpack('flame');
  const state = new State(data);
  const stretch = document.getElementById('stretch');
  const against = document.getElementById('against');
  if (stretch && against) {
    stretch.hidden = false;
    follow_choices(state, document.getElementById('chosen'), document.getElementById('choices'));
    state.follow(() => follow_table(state, against));
  }
  const charts = new TimeCharts(state);
  const curve = new CurveChart(state);
  const flame_host = document.querySelector('[data-plot="flame"]');
  const flame = flame_data && flame_host ? [new StretchFlame(state, flame_data, flame_host)] : [];
  state.follow(follow_tiles);
  state.follow(follow_scopes);
  new StepFilter(state, curve);
  return [charts, curve, ...flame];
}

begin();
