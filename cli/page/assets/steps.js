// @ts-check
// Steps and flows: one is found by its name, and chosen; then the percentile curve, the objectives
// and the failures are its own.
'use strict';

/** The step or flow that is chosen. */
class StepFilter {
  constructor(state, curve) {
    this.table = document.getElementById('steps');
    this.chosen = null;
    this.buttons = new Map();
    if (!this.table) return;
    this.curve = curve;
    this.points = new Map(state.data.steps.map((step) => [String(step.row), step]));
    this.rows = [...this.table.querySelectorAll('tbody tr')];
    for (const row of this.rows) this.add_button(row);
    this.line = element('p', { class: 'line', id: 'steps-line', 'aria-live': 'polite' });
    const region = this.table.closest('section');
    this.table.parentElement.before(this.tools(), this.line);
    region.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.chosen !== null) this.choose(null);
    });
  }

  add_button(row) {
    const head = row.querySelector('th');
    const button = element('button', { type: 'button', 'aria-pressed': 'false', title: 'show this alone' }, head.textContent);
    button.addEventListener('click', () => this.choose(this.chosen === row ? null : row));
    head.replaceChildren(button);
    this.buttons.set(row, button);
  }

  tools() {
    const search = element('input', { type: 'search', id: 'steps-search', size: '24' });
    search.addEventListener('input', () => this.find(search.value.toLowerCase()));
    this.all = element('button', { type: 'button', disabled: '' }, 'All steps');
    this.all.addEventListener('click', () => this.choose(null));
    return element('div', { class: 'tools' }, element('label', { for: 'steps-search' }, 'Find '), search, this.all);
  }

  /** Show the rows whose names have these letters. */
  find(letters) {
    let shown = 0;
    for (const row of this.rows) {
      row.hidden = !this.buttons.get(row).textContent.toLowerCase().includes(letters);
      if (!row.hidden) shown += 1;
    }
    this.line.textContent = letters ? `${shown} of ${this.rows.length} rows` : '';
  }

  choose(row) {
    this.chosen = row;
    this.all.disabled = row === null;
    for (const [other, button] of this.buttons) button.setAttribute('aria-pressed', String(other === row));
    const step = row ? this.points.get(row.dataset.step) ?? null : null;
    if (this.curve.plot) this.curve.show_step(step);
    const name = row ? this.buttons.get(row).textContent : null;
    const counts = ['objectives', 'failures'].map((id) => this.filter(document.getElementById(id), row));
    this.line.textContent = name === null
      ? ''
      : `Only ${name}: its percentiles are in the curve above, ${plural(counts[0], 'objective')} and ${plural(counts[1], 'row')} of failures are about it.`;
  }

  /** Show what is about a row of the table alone, and say how much that is. */
  filter(table, row) {
    if (!table) return 0;
    let shown = 0;
    for (const other of table.querySelectorAll('tbody tr')) {
      // What repeats the rows of the whole run by step is shown for a step alone.
      other.hidden = row ? !is_about(other.dataset.about, row) : other.dataset.only === 'step';
      if (!other.hidden) shown += 1;
    }
    return shown;
  }
}

/** Whether a name is that of a step, or of a flow that has it. */
function is_about(name, row) {
  const { name: own } = row.dataset;
  return name === own || (row.classList.contains('flow') && (name ?? '').startsWith(`${own}/`));
}

function plural(count, word) {
  return count === 1 ? `1 ${word}` : `${count} ${word}s`;
}
