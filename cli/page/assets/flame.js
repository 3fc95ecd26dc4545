// @ts-check
// A flame graph on a canvas: layout, drawing, pointer and keys. What its widths, colours and
// sentences are, its heirs in trees.js decide.
'use strict';

const FRAME = 18;
/** Frames narrower than this many pixels are not drawn. */
const NARROW = 0.6;
/** Differences within so many standard deviations are noise. */
const NOISE = 2;

class FlameGraph {
  /**
   * @param {any} data callers and functions of nodes from 1 on, and frames: name, file, origin
   * @param {HTMLElement} host
   * @param {string} title
   */
  constructor(data, host, title) {
    this.data = data;
    this.host = host;
    this.id = host.dataset.plot;
    this.count = data.callers.length + 1;
    this.called = Array.from({ length: this.count }, () => []);
    data.callers.forEach((caller, at) => this.called[caller].push(at + 1));
    this.root = 0;
    this.focus = 0;
    this.found = '';
    this.frames = [];
    this.inks = new Map();
    this.canvas = element('canvas', {});
    this.context = this.canvas.getContext('2d');
    this.line = document.getElementById(`${this.id}-line`);
    host.replaceChildren(this.tools(), this.canvas);
    host.tabIndex = 0;
    host.setAttribute('role', 'group');
    host.setAttribute('aria-label', `${title}: down goes to what a function calls, up to its caller, `
      + 'left and right to its neighbours; enter zooms, escape goes back');
    host.addEventListener('keydown', (event) => this.key(event));
    this.canvas.addEventListener('mousemove', (event) => this.over(event));
    this.canvas.addEventListener('click', () => this.zoom(this.focus));
    new ResizeObserver(() => {
      if (host.clientWidth !== this.width) this.draw();
    }).observe(host);
  }

  /** The weight of each node with all that it calls. */
  widths() {
    return new Float64Array(this.count);
  }

  /** The name of a node's colour. */
  ink(node) {
    return `--${this.frame(node)[2]}`;
  }

  /** Stands before the name of a node. */
  sign(_node) {
    return '';
  }

  sentence(node) {
    return this.name(node);
  }

  /** Instead of frames, if there are none. */
  nothing() {
    return 'No samples.';
  }

  /** Controls beside those of every graph. */
  more_tools() {
    return [];
  }

  tools() {
    const name = `${this.id}-search`;
    const search = element('input', { type: 'search', id: name, size: '24' });
    search.addEventListener('input', () => {
      this.found = search.value.toLowerCase();
      this.draw();
    });
    const whole = element('button', { type: 'button' }, 'All functions');
    whole.addEventListener('click', () => this.zoom(0));
    const label = element('label', { for: name }, 'Find ');
    return element('div', { class: 'tools' }, label, search, whole, ...this.more_tools());
  }

  frame(node) {
    return this.data.frames[this.data.functions[node - 1]];
  }

  name(node) {
    return node === 0 ? 'all' : this.frame(node)[0];
  }

  /** Name and file. */
  full_name(node) {
    const [name, file] = this.frame(node);
    return file ? `${name} (${file})` : name;
  }

  /** Weights of nodes alone as those with all that they call. */
  with_callers(own) {
    const total = own.slice();
    for (let node = this.count - 1; node > 0; node -= 1) total[this.data.callers[node - 1]] += total[node];
    return total;
  }

  fill(node) {
    const is_found = this.found && this.name(node).toLowerCase().includes(this.found);
    const name = is_found ? '--found' : this.ink(node);
    if (!this.inks.has(name)) this.inks.set(name, colour(name));
    return this.inks.get(name);
  }

  /** The frames to draw: node, depth, left and width as shares. */
  layout() {
    const total = this.widths();
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
    this.width = this.host.clientWidth;
    const width = Math.max(1, Math.min(this.width, 4000));
    this.frames = this.layout();
    // Colours follow the scheme.
    this.inks.clear();
    const text = colour('--frame-text');
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
      context.fillText(this.nothing(), 4, FRAME / 2);
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
      context.fillStyle = text;
      context.fillText(this.sign(node) + this.name(node), x + 3, y + FRAME / 2);
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

  zoom(node) {
    this.root = node;
    this.go(node);
  }

  key(event) {
    if (event.target !== this.host) return;
    const total = this.widths();
    const shown = (node) => this.frames.some((frame) => frame.node === node);
    const by_weight = (nodes) => nodes.filter(shown).sort((a, b) => total[b] - total[a]);
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
      document.getElementById(`${this.id}-search`)?.focus();
    } else {
      return;
    }
    event.preventDefault();
  }
}

/** How many standard deviations of the sampling a cost per request lies above another. */
function excess(here, there) {
  if (here.requests === 0 || there.requests === 0) return 0;
  const variance = (side) => (Math.max(side.weight, side.period) * side.period) / side.requests ** 2;
  const difference = here.weight / here.requests - there.weight / there.requests;
  return difference / Math.sqrt(variance(here) + variance(there));
}
