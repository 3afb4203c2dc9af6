/** One bar: of a bar gauge, and in the cells of tables. */
import type { JSX } from 'preact';
import type { Thresholds } from '../../dashboard/model.ts';
import { cssColor } from '../../fields/color.ts';
import type { DisplayValue } from '../../fields/display.ts';
import { stretches } from '../gauge/arc.ts';
import { portion } from '../values/values.ts';
import './bargauge.css';

export type BarMode = 'basic' | 'gradient' | 'lcd';

export interface BarProps {
  mode: BarMode;
  display: DisplayValue;
  min: number;
  max: number;
  thresholds: Thresholds | undefined;
  /** Whether colours come from thresholds, so that a gradient runs through them. */
  byThresholds: boolean;
  /** Colour of a number on this scale, for the cells of an LCD. */
  colorAt?: (value: number) => string | undefined;
  vertical?: boolean;
  /** Length and thickness in CSS pixels. */
  length: number;
  thickness: number;
  unfilled?: boolean;
}

const LCD_CELL = 7;
const LCD_GAP = 2;
const LCD_CELLS = 120;

/** How many cells an LCD of this length has. */
export const lcdCells = (length: number): number => Math.max(1, Math.min(LCD_CELLS, Math.floor((length + LCD_GAP) / (LCD_CELL + LCD_GAP))));

/** The colours of the scale as stops of a CSS gradient, in percent of the scale. */
export function gradientStops(thresholds: Thresholds | undefined, min: number, max: number): string[] {
  const parts = stretches(thresholds, min, max);
  return parts.map(({ from, color }, index) => `${cssColor(color)} ${Math.round((index === 0 ? 0 : from) * 1000) / 10}%`);
}

export function Bar(props: BarProps): JSX.Element {
  const { mode, display, min, max, vertical = false, length, thickness, unfilled = true } = props;
  const at = portion(display.numeric, min, max);
  const color = display.color ?? 'var(--series-1)';
  const box = vertical ? { width: `${thickness}px`, height: `${length}px` } : { width: `${length}px`, height: `${thickness}px` };
  if (mode === 'lcd') {
    const count = lcdCells(length);
    const lit = Number.isNaN(display.numeric) ? 0 : Math.round(at * count);
    const cells = Array.from({ length: count }, (_, index) => {
      const value = min + ((max - min) * (index + 0.5)) / count;
      return <i key={index} data-lit={index < lit} style={{ '--color': (props.byThresholds ? props.colorAt?.(value) : undefined) ?? color }} />;
    });
    return (
      <div class={`bargauge-lcd${vertical ? ' bargauge-vertical' : ''}`} data-unfilled={unfilled} style={box}>
        {cells}
      </div>
    );
  }
  const stops = mode === 'gradient' && props.byThresholds ? gradientStops(props.thresholds, min, max) : [];
  const direction = vertical ? 'to top' : 'to right';
  // The gradient belongs to the scale, not to the filled part: it is as long as the whole bar.
  const ground =
    mode === 'basic'
      ? { '--color': color }
      : stops.length > 1
        ? { background: `linear-gradient(${direction}, ${stops.join(', ')})`, 'background-size': vertical ? `100% ${length}px` : `${length}px 100%`, 'background-position': 'left bottom', 'background-repeat': 'no-repeat' }
        : { background: `linear-gradient(${direction}, color-mix(in oklab, ${color} 55%, transparent), ${color})` };
  const size = `${Number.isNaN(display.numeric) ? 0 : at * 100}%`;
  return (
    <div class={`bargauge-bar${vertical ? ' bargauge-vertical' : ''}`} data-unfilled={unfilled} style={box}>
      <i class={mode === 'basic' ? 'bargauge-basic' : undefined} style={{ ...ground, ...(vertical ? { height: size } : { width: size }), '--end': color }} />
    </div>
  );
}
