// @ts-check
// The flame graph on a canvas, cut again for every stretch: what ran in it, against the rest.
'use strict';

const FRAME = 18;
/** Frames narrower than this many pixels are not drawn. */
const NARROW = 0.6;
/** Differences within so many standard deviations are noise. */
const NOISE = 2;

class Flame {
  constructor(state, data, host) {
    this.state = state;
    this.data = data;
    this.host = host;
    this.count = data.callers.length + 1;
    this.called = Array.from({ length: this.count }, () => []);
    data.callers.forEach((caller, at) => this.called[caller].push(at + 1));
    this.root = 0;
    this.focus = 0;
    this.found = '';
    this.period = Infinity;
    this.steps = data.steps.map((gaps) => this.weights(gaps));
    this.canvas = element('canvas', {});
    this.context = this.canvas.getContext('2d');
    this.line = document.getElementById('flame-line');
    host.replaceChildren(this.tools(), this.canvas);
    host.tabIndex = 0;
    host.setAttribute('role', 'group');
    host.setAttribute('aria-label', 'Flame graph: down goes to what a function calls, up to its caller, '
      + 'left and right to its neighbours; enter zooms, escape goes back');
    host.addEventListener('keydown', (event) => this.key(event));
    this.canvas.addEventListener('mousemove', (event) => this.over(event));
    this.canvas.addEventListener('click', () => this.zoom(this.focus));
    new ResizeObserver(() => this.draw()).observe(host);
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

  tools() {
    const search = element('input', { type: 'search', id: 'flame-search', size: '24' });
    search.addEventListener('input', () => {
      this.found = search.value.toLowerCase();
      this.draw();
    });
    const whole = element('button', { type: 'button' }, 'All functions');
    whole.addEventListener('click', () => this.zoom(0));
    const label = element('label', { for: 'flame-search' }, 'Find ');
    return element('div', { class: 'tools' }, label, search, whole);
  }

  /** The steps of rows, and those of the rest; a step counts if it was sampled. */
  split() {
    const { rows } = this.data;
    const { state } = this;
    const is_sampled = (step) => this.data.sampled[step];
    const all = this.steps.map((_, step) => step).filter(is_sampled);
    if (!state.chosen) return [all, []];
    const [first, last] = state.chosen.map((row) => Math.floor(row / rows));
    const is_inside = (step) => first <= step && step <= last;
    const is_measured = (step) => state.measured.includes(step * rows);
    return [all.filter(is_inside), all.filter((step) => !is_inside(step) && is_measured(step))];
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
    const total = own.slice();
    for (let node = this.count - 1; node > 0; node -= 1) total[this.data.callers[node - 1]] += total[node];
    return { own, total, requests: this.requests(steps) };
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

  name(node) {
    return node === 0 ? 'all' : this.data.frames[this.data.functions[node - 1]][0];
  }

  /** Microseconds per request of a node, in the stretch or the rest. */
  cost(sums, node) {
    return sums && sums.requests > 0 ? sums.total[node] / sums.requests : null;
  }

  /** How many standard deviations a cost lies above that of the rest. */
  excess(inside, rest) {
    if (!this.rest || this.inside.requests === 0 || this.rest.requests === 0) return 0;
    const variance = (weight, requests) => (Math.max(weight, this.period) * this.period) / requests ** 2;
    const difference = inside / this.inside.requests - rest / this.rest.requests;
    return difference / Math.sqrt(variance(inside, this.inside.requests) + variance(rest, this.rest.requests));
  }

  fill(node) {
    const [name, , origin] = this.data.frames[this.data.functions[node - 1]];
    if (this.found && name.toLowerCase().includes(this.found)) return colour('--found');
    if (!this.rest) return colour(`--${origin}`);
    const excess = this.excess(this.inside.total[node], this.rest.total[node]);
    if (Math.abs(excess) < NOISE) return colour('--equal');
    return colour(excess > 0 ? '--more' : '--less');
  }

  /** The frames to draw: node, depth, left and width as shares. */
  layout() {
    const { total } = this.inside;
    const whole = total[this.root] || 1;
    const width = Math.max(1, this.host.clientWidth);
    const frames = [];
    const open = this.root === 0 ? this.called[0].slice() : [this.root];
    const place = (nodes, depth, start) => {
      let left = start;
      for (const node of nodes.sort((a, b) => total[b] - total[a])) {
        const share = total[node] / whole;
        if (share * width < NARROW) continue;
        frames.push({ node, depth, left, share });
        place(this.called[node].slice(), depth + 1, left);
        left += share;
      }
    };
    place(open, 0, 0);
    return frames;
  }

  draw() {
    const width = Math.max(1, Math.min(this.host.clientWidth, 4000));
    this.frames = this.layout();
    const depth = this.frames.reduce((most, frame) => Math.max(most, frame.depth + 1), 1);
    const scale = Math.min(devicePixelRatio || 1, 3);
    const { canvas, context } = this;
    canvas.width = width * scale;
    canvas.height = depth * FRAME * scale;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${depth * FRAME}px`;
    context.scale(scale, scale);
    context.font = '12px system-ui, sans-serif';
    context.textBaseline = 'middle';
    if (this.frames.length === 0) {
      context.fillStyle = colour('--text');
      context.fillText('No samples in this stretch.', 4, FRAME / 2);
    }
    for (const { node, depth: row, left, share } of this.frames) {
      const [x, y, size] = [left * width, row * FRAME, share * width];
      context.fillStyle = this.fill(node);
      context.fillRect(x, y, Math.max(0.5, size - 0.5), FRAME - 1);
      if (node === this.focus) {
        context.strokeStyle = colour('--text');
        context.lineWidth = 2;
        context.strokeRect(x + 1, y + 1, Math.max(1, size - 2), FRAME - 3);
      }
      if (size < 24) continue;
      context.save();
      context.beginPath();
      context.rect(x, y, size - 3, FRAME);
      context.clip();
      context.fillStyle = colour('--frame-text');
      context.fillText(this.name(node), x + 3, y + FRAME / 2);
      context.restore();
    }
  }

  over(event) {
    const [x, row] = [event.offsetX / this.host.clientWidth, Math.floor(event.offsetY / FRAME)];
    const frame = this.frames.find((it) => it.depth === row && it.left <= x && x < it.left + it.share);
    if (frame && frame.node !== this.focus) this.go(frame.node);
  }

  go(node) {
    this.focus = node;
    this.draw();
    if (this.line) this.line.textContent = node === 0 ? '' : this.sentence(node);
  }

  sentence(node) {
    const [name, file] = this.data.frames[this.data.functions[node - 1]];
    const share = this.inside.total[0] > 0 ? this.inside.total[node] / this.inside.total[0] : 0;
    const own = this.inside.total[0] > 0 ? this.inside.own[node] / this.inside.total[0] : 0;
    const costs = [this.inside, this.rest].map((sums) => this.cost(sums, node));
    const cost = costs[0] === null ? '' : `, ${show.ns(costs[0] * 1000)}/request`;
    const against = costs[1] === null ? '' : ` against ${show.ns(costs[1] * 1000)}`;
    return `${name}${file ? ` (${file})` : ''}: ${show.share(share)} of the CPU time, ${show.share(own)} in itself${cost}${against}`;
  }

  zoom(node) {
    this.root = node;
    this.go(node);
  }

  key(event) {
    if (event.target !== this.host) return;
    const shown = (node) => this.frames.some((frame) => frame.node === node);
    const by_weight = (nodes) => nodes.filter(shown).sort((a, b) => this.inside.total[b] - this.inside.total[a]);
    const caller = this.focus === 0 ? 0 : this.data.callers[this.focus - 1];
    const beside = by_weight(this.called[caller].slice());
    const at = beside.indexOf(this.focus);
    const first = by_weight(this.called[this.focus].slice())[0];
    const move = {
      ArrowDown: first,
      ArrowUp: shown(caller) ? caller : undefined,
      ArrowLeft: beside[at - 1],
      ArrowRight: beside[at + 1],
    };
    if (event.key in move) {
      if (move[event.key] !== undefined) this.go(move[event.key]);
    } else if (event.key === 'Enter') {
      this.zoom(this.focus);
    } else if (event.key === 'Escape') {
      this.zoom(0);
    } else if (event.key === '/') {
      document.getElementById('flame-search')?.focus();
    } else {
      return;
    }
    event.preventDefault();
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
    const body = rows.slice(0, 10).map(({ name, costs, excess }) => {
      const difference = costs[0] - costs[1];
      const sign = difference < 0 ? '−' : '+';
      const cells = [show.ns(costs[0] * 1000), show.ns(costs[1] * 1000), sign + show.ns(Math.abs(difference) * 1000)];
      const word = Math.abs(excess) < NOISE ? 'within noise' : excess > 0 ? '▲ more' : '▼ less';
      return element('tr', {}, element('th', { scope: 'row' }, name), ...[...cells, word].map((text) => element('td', {}, text)));
    });
    host.append(element('table', {}, element('thead', {}, head), element('tbody', {}, ...body)));
  }
}
