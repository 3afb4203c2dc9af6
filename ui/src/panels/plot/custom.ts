/** What a panel kind keeps for a field in `config.custom`, as the kinds on axes read it. */
import type { FieldConfig } from '../../dashboard/model.ts';
import type { Field } from '../../frames/frame.ts';
import { formatText } from '../../fields/units.ts';
import type { RangeOptions, Format } from './value-axis.ts';

export interface Custom {
  drawStyle?: 'line' | 'bars' | 'points';
  lineInterpolation?: 'linear' | 'smooth' | 'stepBefore' | 'stepAfter';
  lineWidth?: number;
  lineStyle?: { fill?: 'solid' | 'dash' | 'dot' | 'square'; dash?: number[] };
  lineColor?: string;
  fillOpacity?: number;
  fillColor?: string;
  gradientMode?: 'none' | 'opacity' | 'hue' | 'scheme';
  fillBelowTo?: string;
  spanNulls?: boolean | number;
  insertNulls?: boolean | number;
  showPoints?: 'auto' | 'always' | 'never';
  pointSize?: number;
  barAlignment?: -1 | 0 | 1;
  barWidthFactor?: number;
  barMaxWidth?: number;
  stacking?: { mode?: 'none' | 'normal' | 'percent'; group?: string };
  transform?: 'constant' | 'negative-Y';
  axisPlacement?: 'auto' | 'left' | 'right' | 'top' | 'bottom' | 'hidden';
  axisLabel?: string;
  axisWidth?: number;
  axisSoftMin?: number;
  axisSoftMax?: number;
  axisCenteredZero?: boolean;
  axisColorMode?: 'text' | 'series';
  axisGridShow?: boolean;
  axisBorderShow?: boolean;
  scaleDistribution?: { type?: 'linear' | 'log' | 'symlog' | 'ordinal'; log?: number; linearThreshold?: number };
  thresholdsStyle?: { mode?: 'off' | 'line' | 'dashed' | 'area' | 'line+area' | 'dashed+area' | 'series' };
  hideFrom?: { legend?: boolean; tooltip?: boolean; viz?: boolean };
}

export const customOf = (field: Field): Custom => (field.config.custom ?? {}) as Custom;

/** Old dashboards and hand-written ones have numbers as text. */
export function numberIn(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

/** Values in the field's unit, with as many decimals as asked for. */
export const fieldFormat =
  (config: FieldConfig, timeZone: string, unit = config.unit): Format =>
  (value, decimals) =>
    formatText(unit, value, decimals, { timeZone });

export function rangeOf(config: FieldConfig, custom: Custom): RangeOptions {
  const type = custom.scaleDistribution?.type;
  return {
    min: numberIn(config.min),
    max: numberIn(config.max),
    softMin: numberIn(custom.axisSoftMin),
    softMax: numberIn(custom.axisSoftMax),
    centeredZero: custom.axisCenteredZero,
    distribution: type === 'log' || type === 'symlog' ? type : 'linear',
    log: custom.scaleDistribution?.log === 10 ? 10 : 2,
  };
}
