/** From frames to candles: which fields are open, high, low, close and volume. Pure. */
import * as english from '../../english/panels.ts';
import { fieldName } from '../../fields/names.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import type { Missing } from '../plot/missing.ts';

export const PARTS = ['open', 'high', 'low', 'close'] as const;
export type Part = (typeof PARTS)[number];

export interface Candles {
  /** One frame with the fields that are drawn; volume has an axis of its own, five times as high as it needs. */
  frames: Frame[];
  fields: Record<Part, Field>;
  volume?: Field;
}

export const NO_CANDLES: Missing = { title: english.noPricesInData, hint: english.thisPanelNeedsFourFields };

export interface CandleOptions {
  mode?: 'candles+volume' | 'candles' | 'volume';
  candleStyle?: 'candles' | 'ohlcbars';
  colorStrategy?: 'open-close' | 'close-close';
  colors?: { up?: string; down?: string; flat?: string };
  fields?: Partial<Record<Part | 'volume', string>>;
  includeAllFields?: boolean;
}

/** Found by the names that were chosen, else by what they are usually called, else by their order. */
export function candles(frames: readonly Frame[], { fields: chosen = {}, includeAllFields, mode }: CandleOptions): Candles | undefined {
  for (const frame of frames) {
    const numbers = frame.fields.filter(({ type }) => type === 'number');
    const named = (part: Part | 'volume'): Field | undefined => {
      const wanted = chosen[part];
      if (wanted) return numbers.find((field) => field.name === wanted || fieldName(field, frame, frames) === wanted);
      return numbers.find((field) => new RegExp(`^${part[0]}(${part.slice(1)})?$|\\b${part}\\b`, 'i').test(fieldName(field, frame, frames)));
    };
    const found = PARTS.map(named);
    const [open, high, low, close] = found.every((field) => field !== undefined) ? found : numbers.length >= 4 && Object.keys(chosen).length === 0 ? numbers : [];
    if (!open || !high || !low || !close || frame.length === 0) continue;
    const volume = mode === 'candles' ? undefined : named('volume');
    const most = (volume?.values ?? []).reduce<number>((max, value) => (typeof value === 'number' && value > max ? value : max), 0);
    const used = new Set([open, high, low, close, volume]);
    const fields = frame.fields
      .filter((field) => field.type === 'time' || used.has(field) || (includeAllFields === true && field.type === 'number'))
      .map((field) => (field === volume ? { ...field, config: { ...field.config, custom: { ...field.config.custom, drawStyle: 'bars', fillOpacity: 40, lineWidth: 0, axisPlacement: 'hidden', axisSoftMin: 0, axisSoftMax: most * 5 } } } : field));
    return { frames: [{ ...frame, fields }], fields: { open, high, low, close }, ...(volume ? { volume } : {}) };
  }
  return undefined;
}
