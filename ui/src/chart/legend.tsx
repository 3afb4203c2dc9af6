/** The names of the lines with their last values. A click shows one line alone, with Ctrl or Cmd it hides one. */
import * as english from '../english/chart.ts';
import { quantity, type Unit } from '../format/units.ts';
import { lastOf, type Line } from './data.ts';

interface LegendProps {
  lines: readonly Line[];
  unit: Unit;
  hidden: ReadonlySet<string>;
  onHide: (hidden: ReadonlySet<string>) => void;
  /** One name per row, for many or long names. */
  rows?: boolean;
}

/** What is hidden after a click on `name`: all others; or none, when it stands alone already. */
export function isolate(names: readonly string[], hidden: ReadonlySet<string>, name: string): ReadonlySet<string> {
  const alone = !hidden.has(name) && names.every((other) => other === name || hidden.has(other));
  return alone ? new Set() : new Set(names.filter((other) => other !== name));
}

/** What is hidden after switching `name` alone. */
export function toggle(hidden: ReadonlySet<string>, name: string): ReadonlySet<string> {
  const next = new Set(hidden);
  if (!next.delete(name)) next.add(name);
  return next;
}

export function Legend({ lines, unit, hidden, onHide, rows }: LegendProps): preact.JSX.Element {
  const names = lines.map((line) => line.name);
  return (
    <div class={rows ? 'legend legend-rows' : 'legend'}>
      {lines.map((line) => {
        const last = lastOf(line.values);
        const shown = last === null ? { value: '–', unit: '' } : quantity(last, unit);
        return (
          <button
            type="button"
            key={line.name}
            class="legend-item"
            aria-pressed={!hidden.has(line.name)}
            title={english.click(line.full ?? line.name)}
            onClick={(event) => onHide(event.ctrlKey || event.metaKey ? toggle(hidden, line.name) : isolate(names, hidden, line.name))}
          >
            <i class={line.reference ? 'swatch swatch-reference' : 'swatch'} style={{ background: line.color }} />
            <span class="legend-name">{line.name}</span>
            <b>{shown.value}</b>
            <span class="unit">{shown.unit}</span>
          </button>
        );
      })}
    </div>
  );
}
