// @ts-check
// The flame graphs of a page: a run's, cut again for every stretch; two runs' in one, per request;
// and a soak's, of memory.
'use strict';

/** What ran in the stretch, against the rest. */
class StretchFlame extends FlameGraph {
  constructor(state, data, host) {
    super(data, host, 'Flame graph');
    this.state = state;
    this.period = Infinity;
    this.steps = data.steps.map((gaps) => this.weights(gaps));
    state.follow(() => this.cut());
    this.cut();
  }

  /** Pairs of node and weight of a step. */
  weights(gaps) {
    const pairs = [];
    let node = 0;
    for (let at = 0; at < gaps.length; at += 2) {
      node += gaps[at];
      if (gaps[at + 1] > 0) this.period = Math.min(this.period, gaps[at + 1]);
      pairs.push([node, gaps[at + 1]]);
    }
    return pairs;
  }

  widths() {
    return this.inside ? this.inside.total : super.widths();
  }

  nothing() {
    return 'No samples in this stretch.';
  }

  /** The steps of rows, and those of the rest; a step counts if it was sampled. */
  split() {
    const { rows } = this.data;
    const { state } = this;
    const is_sampled = (step) => this.data.sampled[step];
    const all = this.steps.map((_, step) => step).filter(is_sampled);
    if (!state.chosen) return [all, []];
    const [first, last] = state.chosen.map((row) => Math.floor(row / rows));
    const measured = new Set(state.measured);
    const is_inside = (step) => first <= step && step <= last;
    return [all.filter(is_inside), all.filter((step) => !is_inside(step) && measured.has(step * rows))];
  }

  /** The requests that were answered in steps. */
  requests(steps) {
    const { completed } = this.state.data.rows;
    let sum = 0;
    for (const step of steps) {
      for (let row = step * this.data.rows; row < (step + 1) * this.data.rows; row += 1) sum += completed[row] ?? 0;
    }
    return sum;
  }

  /** Weights of nodes alone and with all that they call. */
  sum(steps) {
    const own = new Float64Array(this.count);
    for (const step of steps) for (const [node, weight] of this.steps[step]) own[node] += weight;
    return { own, total: this.with_callers(own), requests: this.requests(steps) };
  }

  cut() {
    const [inside, rest] = this.split();
    this.inside = this.sum(inside);
    this.rest = this.state.chosen ? this.sum(rest) : null;
    if (this.root !== 0 && this.inside.total[this.root] === 0) this.root = 0;
    const scope = document.getElementById('flame-scope');
    const [from, to] = this.state.span();
    const samples = Math.round(this.inside.total[0] / (this.period === Infinity ? 1 : this.period));
    if (scope) {
      scope.textContent = this.state.chosen
        ? `${show.stretch(from, to)}, about ${show.count(samples)} samples, against the rest; red: more per request`
        : 'whole recording';
    }
    this.moved();
    this.draw();
  }

  /** Microseconds per request of a node, in the stretch or the rest. */
  cost(sums, node) {
    return sums && sums.requests > 0 ? sums.total[node] / sums.requests : null;
  }

  /** How many standard deviations a cost lies above that of the rest. */
  excess(inside, rest) {
    if (!this.rest) return 0;
    const side = (weight, { requests }) => ({ weight, requests, period: this.period });
    return excess(side(inside, this.inside), side(rest, this.rest));
  }

  ink(node) {
    if (!this.rest) return super.ink(node);
    const excess_of = this.excess(this.inside.total[node], this.rest.total[node]);
    if (Math.abs(excess_of) < NOISE) return '--equal';
    return excess_of > 0 ? '--more' : '--less';
  }

  sentence(node) {
    const share = this.inside.total[0] > 0 ? this.inside.total[node] / this.inside.total[0] : 0;
    const own = this.inside.total[0] > 0 ? this.inside.own[node] / this.inside.total[0] : 0;
    const costs = [this.inside, this.rest].map((sums) => this.cost(sums, node));
    const cost = costs[0] === null ? '' : `, ${show.ns(costs[0] * 1000)}/request`;
    const against = costs[1] === null ? '' : ` against ${show.ns(costs[1] * 1000)}`;
    return `${this.full_name(node)}: ${show.share(share)} of the CPU time, ${show.share(own)} in itself${cost}${against}`;
  }

  /** Weight of each function in itself. */
  functions(sums) {
    const own = new Map();
    for (let node = 1; node < this.count; node += 1) {
      if (sums.own[node] === 0) continue;
      const function_of = this.data.functions[node - 1];
      own.set(function_of, (own.get(function_of) ?? 0) + sums.own[node]);
    }
    return own;
  }

  /** The functions whose own cost per request differs most from that of the rest. */
  moved() {
    const host = document.getElementById('moved');
    if (!host) return;
    host.replaceChildren();
    if (!this.rest || this.inside.requests === 0 || this.rest.requests === 0) return;
    const [inside, rest] = [this.functions(this.inside), this.functions(this.rest)];
    const rows = [...new Set([...inside.keys(), ...rest.keys()])].map((at) => {
      const [here, there] = [inside.get(at) ?? 0, rest.get(at) ?? 0];
      const costs = [here / this.inside.requests, there / this.rest.requests];
      return { name: this.data.frames[at][0], costs, excess: this.excess(here, there) };
    });
    rows.sort((a, b) => Math.abs(b.costs[0] - b.costs[1]) - Math.abs(a.costs[0] - a.costs[1]));
    const heads = ['function itself', 'stretch', 'rest', 'more per request', ''];
    const head = element('tr', {}, ...heads.map((text) => element('th', { scope: 'col' }, text)));
    const body = rows.slice(0, 10).map(({ name, costs, excess: excess_of }) => {
      const difference = costs[0] - costs[1];
      const sign = difference < 0 ? '−' : '+';
      const cells = [show.ns(costs[0] * 1000), show.ns(costs[1] * 1000), sign + show.ns(Math.abs(difference) * 1000)];
      const word = Math.abs(excess_of) < NOISE ? 'within noise' : excess_of > 0 ? '▲ more' : '▼ less';
      return element('tr', {}, element('th', { scope: 'row' }, name), ...[...cells, word].map((text) => element('td', {}, text)));
    });
    host.append(element('table', {}, element('thead', {}, head), element('tbody', {}, ...body)));
  }
}

/** Two profiles per request: as wide as after or before. */
class DifferenceFlame extends FlameGraph {
  constructor(data, host) {
    super(data, host, 'Flame graph of the difference');
    this.names = [host.dataset.before, host.dataset.after];
    this.sides = data.own.map((own) => this.with_callers(Float64Array.from(own)));
    this.side = 1;
    this.draw();
  }

  more_tools() {
    const button = element('button', { type: 'button', 'aria-pressed': 'false' }, `Widths of ${this.host.dataset.before}`);
    button.addEventListener('click', () => {
      this.side = 1 - this.side;
      button.setAttribute('aria-pressed', String(this.side === 0));
      if (this.sides[this.side][this.root] === 0) this.root = 0;
      this.go(this.focus);
    });
    return [button];
  }

  widths() {
    return this.sides ? this.sides[this.side] : super.widths();
  }

  /** Nanoseconds per request, before and after. */
  costs(node) {
    return this.sides.map((total, side) => total[node] / this.data.requests[side]);
  }

  /** -1, 0 or 1: whether a node costs less, the same or more than before. */
  change(node) {
    const side = (at) => ({ weight: this.sides[at][node], requests: this.data.requests[at], period: this.data.period[at] });
    const excess_of = excess(side(1), side(0));
    return Math.abs(excess_of) <= NOISE ? 0 : Math.sign(excess_of);
  }

  ink(node) {
    return ['--less', '--equal', '--more'][this.change(node) + 1];
  }

  sign(node) {
    return ['▼ ', '', '▲ '][this.change(node) + 1];
  }

  sentence(node) {
    const [before, after] = this.costs(node);
    const sign = after < before ? '−' : '+';
    const share = before > 0 ? `${sign}${show.share(Math.abs(after / before - 1))}` : 'new';
    const word = ['less', 'within noise', 'more'][this.change(node) + 1];
    return `${this.full_name(node)}: ${show.ns(after)}/request in ${this.names[1]}, ${show.ns(before)} in ${this.names[0]} `
      + `(${sign}${show.ns(Math.abs(after - before))}, ${share}): ${word}`;
  }
}

/** Memory that stays. */
class LeakFlame extends FlameGraph {
  constructor(data, host) {
    super(data, host, 'Flame graph of memory that stays');
    this.total = this.with_callers(Float64Array.from(data.own[0]));
    this.draw();
  }

  widths() {
    return this.total ?? super.widths();
  }

  sentence(node) {
    const [bytes, [requests]] = [this.total[node], this.data.requests];
    const cost = requests > 0 ? `, ${(bytes / requests).toPrecision(3)} bytes/request` : '';
    return `${this.full_name(node)}: ${show.bytes(bytes)}, ${show.share(bytes / (this.total[0] || 1))} of what stays${cost}`;
  }
}

/** Draw the trees of the page that follow no stretch. */
async function draw_trees() {
  const kinds = { difference: DifferenceFlame, leak: LeakFlame };
  const drawn = [];
  for (const host of document.querySelectorAll('[data-tree]')) {
    const data = await unpack(host.dataset.plot);
    if (data) drawn.push(new kinds[host.dataset.tree](data, host));
  }
  return drawn;
}
