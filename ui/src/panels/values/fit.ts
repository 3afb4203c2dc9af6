/** How large a text may be to fit its place. */

/** Widths of texts at 100 px that are kept. */
const KEPT_WIDTHS = 4000;
/** Mean width of a character of a proportional font, where nothing can be measured. */
const MEAN_CHARACTER_EM = 0.56;

const widths = new Map<string, number>();
let context: CanvasRenderingContext2D | null | undefined;
let family = 'sans-serif';

function measure(text: string, weight: number): number {
  if (context === undefined) {
    context = typeof document === 'undefined' ? null : document.createElement('canvas').getContext('2d');
    if (context) family = getComputedStyle(document.documentElement).fontFamily || family;
  }
  if (!context) return text.length * 100 * MEAN_CHARACTER_EM;
  context.font = `${weight} 100px ${family}`;
  return context.measureText(text).width;
}

/** Width of a text in the page's font, in CSS pixels. */
export function textWidth(text: string, sizePx: number, weight = 400): number {
  const key = `${weight} ${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size >= KEPT_WIDTHS) widths.clear();
    width = measure(text, weight);
    widths.set(key, width);
  }
  return (width * sizePx) / 100;
}

/** Units stand smaller than their numbers. */
export const AFFIX_EM = 0.7;

/** Width of a value whose prefix and suffix are set smaller. */
export const valueWidth = ({ prefix = '', text, suffix = '' }: { prefix?: string; text: string; suffix?: string }, sizePx: number, weight = 600): number =>
  textWidth(text, sizePx, weight) + (prefix ? textWidth(prefix, sizePx * AFFIX_EM, weight) : 0) + (suffix ? textWidth(suffix, sizePx * AFFIX_EM, weight) : 0);

/** The largest size up to `most` at which a text of `widthAt100` fits. */
export function fitSize(widthAt100: number, width: number, height: number, most: number, lineHeight = 1.15): number {
  const byWidth = widthAt100 > 0 ? (Math.max(0, width) * 100) / widthAt100 : most;
  return Math.max(0, Math.floor(Math.min(byWidth, Math.max(0, height) / lineHeight, most) * 10) / 10);
}
