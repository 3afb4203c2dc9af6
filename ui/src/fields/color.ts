/** Grafana's colour names and schemes as CSS colours of the page's theme. Colours that are computed are hexadecimal, since charts draw on a canvas. */
import * as english from '../english/fields.ts';
import type { Field } from '../frames/frame.ts';
import { reduce } from './reduce.ts';
import { HUES, SCHEMES, SHADES, type Scheme } from './schemes.ts';
import { activeThreshold } from './thresholds.ts';

export type ThemeName = 'dark' | 'light';

/** What has no colour of its own. */
const FALLBACK = '#808080';

/** What stands for text and ground in a theme: `--text` and `--surface` of tokens.css. */
const GROUND: Record<ThemeName, Record<string, string>> = {
  dark: { text: '#e6e9ee', 'panel-bg': '#15181d', transparent: 'rgba(0,0,0,0)' },
  light: { text: '#1b1f26', 'panel-bg': '#ffffff', transparent: 'rgba(255,255,255,0)' },
};

/** The theme that the page has now. */
export function pageTheme(): ThemeName {
  if (typeof document === 'undefined') return 'dark';
  const chosen = document.documentElement.dataset['theme'];
  if (chosen === 'dark' || chosen === 'light') return chosen;
  prefersDark ??= matchMedia('(prefers-color-scheme: dark)');
  return prefersDark.matches ? 'dark' : 'light';
}

let prefersDark: MediaQueryList | undefined;

const named: Partial<Record<ThemeName, Map<string, string>>> = {};

function namesOf(theme: ThemeName): Map<string, string> {
  let names = named[theme];
  if (!names) {
    names = new Map(Object.entries(GROUND[theme]));
    for (const [hue, ramp] of Object.entries(HUES)) {
      const shades = ramp.split(' ').slice(theme === 'dark' ? 0 : 1);
      SHADES.forEach((prefix, index) => names!.set(`${prefix}${hue}`, `#${shades[index]}`));
    }
    named[theme] = names;
  }
  return names;
}

/** A CSS colour for a colour name of Grafana (`semi-dark-red`, `text`, `transparent`), or for any CSS colour. */
export function cssColor(name: string | undefined, theme: ThemeName = pageTheme()): string {
  return name ? (namesOf(theme).get(name) ?? name) : FALLBACK;
}

type Rgb = readonly [number, number, number];

/** Red, green and blue of a hexadecimal or `rgb()` colour, and its opacity. */
export function parseColor(color: string): { rgb: Rgb; alpha: number } | undefined {
  const digits = /^#([0-9a-f]{3,8})$/i.exec(color)?.[1];
  if (digits) {
    const wide = digits.length < 6 ? [...digits].map((digit) => digit + digit).join('') : digits;
    const at = (index: number): number => parseInt(wide.slice(index * 2, index * 2 + 2), 16);
    return { rgb: [at(0), at(1), at(2)], alpha: wide.length === 8 ? at(3) / 255 : 1 };
  }
  const parts = /^rgba?\(([^)]*)\)$/i.exec(color)?.[1]?.split(/[\s,/]+/).map((part) => parseFloat(part));
  if (!parts || parts.length < 3 || parts.some(Number.isNaN)) return undefined;
  return { rgb: [parts[0]!, parts[1]!, parts[2]!], alpha: parts[3] ?? 1 };
}

const hex = (rgb: Rgb): string => `#${rgb.map((part) => Math.round(Math.min(255, Math.max(0, part))).toString(16).padStart(2, '0')).join('')}`;

/** The same colour as transparent as `alpha` says, 0 to 1. Names that only CSS knows stay as they are. */
export function withAlpha(color: string, alpha: number): string {
  const parsed = parseColor(color);
  return parsed ? `rgba(${parsed.rgb.join(',')},${Math.round(alpha * parsed.alpha * 1000) / 1000})` : color;
}

/** Contrast as WCAG has it, 1 to 21. */
export function contrast(one: string, other: string): number {
  const luminance = (color: string): number => {
    const [red, green, blue] = (parseColor(color)?.rgb ?? [0, 0, 0]).map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return Number((0.2126 * red! + 0.7152 * green! + 0.0722 * blue!).toFixed(3));
  };
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high! + 0.05) / (low! + 0.05);
}

/** Black or white text on a ground. */
export const textOn = (ground: string): string => (contrast('#ffffff', ground) >= 3 ? '#ffffff' : '#000000');

/** All ways of colouring a field, for the editor. */
export const colorModes: readonly { id: string; name: string; byValue: boolean }[] = [
  { id: 'fixed', name: english.singleColor, byValue: false },
  { id: 'shades', name: english.shadesOfColor, byValue: false },
  { id: 'thresholds', name: english.fromThresholds, byValue: true },
  ...Object.entries(SCHEMES).map(([id, scheme]) => ({ id, name: scheme.name, byValue: !('palette' in scheme) })),
];

const palettes = new Map<string, readonly string[]>();

function paletteOf(id: string, scheme: Extract<Scheme, { palette: string }>, theme: ThemeName): readonly string[] {
  const key = `${theme} ${id}`;
  let palette = palettes.get(key);
  if (!palette) {
    palette = scheme.palette.split(' ').map((name) => cssColor(name, theme));
    if (scheme.legible) palette = palette.filter((color) => contrast(color, GROUND[theme]['panel-bg']!) >= 3);
    palettes.set(key, palette);
  }
  return palette;
}

/** The hash of strings by which Grafana spreads series over a palette. */
function hash(text: string): number {
  let value = 5381;
  for (let index = text.length - 1; index >= 0; index -= 1) value = (value * 33) ^ text.charCodeAt(index);
  return value >>> 0;
}

/** A uniform cubic B-spline through colours, 0 to 1. */
function spline(colors: readonly Rgb[], at: number): Rgb {
  const last = colors.length - 1;
  const index = at >= 1 ? last - 1 : Math.max(0, Math.floor(at * last));
  const t = Math.min(1, Math.max(0, at)) * last - index;
  const channel = (which: 0 | 1 | 2): number => {
    const here = colors[index]![which];
    const next = colors[index + 1]![which];
    const before = index > 0 ? colors[index - 1]![which] : 2 * here - next;
    const after = index < last - 1 ? colors[index + 2]![which] : 2 * next - here;
    return ((1 - t) ** 3 * before + (4 - 6 * t ** 2 + 3 * t ** 3) * here + (1 + 3 * t + 3 * t ** 2 - 3 * t ** 3) * next + t ** 3 * after) / 6;
  };
  return [channel(0), channel(1), channel(2)];
}

/** The colour at a place of a continuous scheme, 0 to 1; of a palette its colours in turn. */
export function schemeColor(id: string, at: number, theme: ThemeName = pageTheme()): string {
  const scheme = SCHEMES[id] ?? SCHEMES['continuous-GrYlRd']!;
  const place = Number.isFinite(at) ? Math.min(1, Math.max(0, at)) : at > 0 ? 1 : 0;
  if ('spline' in scheme) return hex(spline(scheme.spline.split(' ').map((name) => parseColor(cssColor(name, theme))!.rgb), place));
  if ('stops' in scheme) {
    const last = scheme.stops.length / 6 - 1;
    const index = Math.min(last - 1, Math.floor(place * last));
    const rgb = (stop: number): Rgb => parseColor(`#${scheme.stops.slice(stop * 6, stop * 6 + 6)}`)!.rgb;
    const [from, to, part] = [rgb(index), rgb(index + 1), place * last - index];
    return hex([0, 1, 2].map((which) => from[which]! + (to[which]! - from[which]!) * part) as unknown as Rgb);
  }
  const palette = paletteOf(id, scheme, theme);
  return palette[Math.round(place * (palette.length - 1))]!;
}

/** A darker or lighter relative of a colour, for the series at this place. The first one has the colour itself. */
function shade(color: string, index: number): string {
  const place = index % 11;
  const parsed = parseColor(color);
  if (place === 0 || !parsed) return color;
  const step = Math.ceil(place / 2) / 6;
  const light = place % 2 === 1;
  const { hue, saturation, lightness } = toHsl(parsed.rgb);
  const turned = (hue + (light ? 10 : -10) * step + 360) % 360;
  if (!light) return hex(fromHsl(turned, saturation, Math.max(0, lightness - step * 0.35)));
  return hex(fromHsl(turned, saturation, lightness).map((part) => Math.round(part) - Math.round(-255 * step * 0.35)) as unknown as Rgb);
}

function toHsl([red, green, blue]: Rgb): { hue: number; saturation: number; lightness: number } {
  const [r, g, b] = [red / 255, green / 255, blue / 255];
  const most = Math.max(r, g, b);
  const range = most - Math.min(r, g, b);
  const lightness = most - range / 2;
  if (range === 0) return { hue: 0, saturation: 0, lightness };
  const hue = most === r ? ((g - b) / range + 6) % 6 : most === g ? (b - r) / range + 2 : (r - g) / range + 4;
  return { hue: hue * 60, saturation: range / (1 - Math.abs(2 * lightness - 1)), lightness };
}

function fromHsl(hue: number, saturation: number, lightness: number): Rgb {
  const range = saturation * Math.min(lightness, 1 - lightness);
  const channel = (start: number): number => {
    const k = (start + hue / 30) % 12;
    return 255 * (lightness - range * Math.max(-1, Math.min(k - 3, 9 - k, 1)));
  };
  return [channel(0), channel(8), channel(4)];
}

/** Whether a field's colour depends on the value. Without a mode it is by thresholds. */
export function isByValue(mode: string | undefined): boolean {
  return colorModes.find(({ id }) => id === mode)?.byValue ?? mode !== 'gradient';
}

/** The lowest and highest value a field may be coloured and filled between. */
export function rangeOf(field: Field): { min: number | null; max: number | null; delta: number } {
  if (field.type !== 'number') return { min: 0, max: 100, delta: 100 };
  let { min, max } = field.config;
  if (typeof min !== 'number' || typeof max !== 'number') {
    const found = field.values.length > 0 ? reduce(field, ['min', 'max']) : { min: 0, max: 100 };
    if (typeof min !== 'number') min = found['min'] as number | null;
    if (typeof max !== 'number') max = found['max'] as number | null;
  }
  return { min, max, delta: (max ?? 0) - (min ?? 0) };
}

/** What gives a value of a field its colour and its place between minimum and maximum. */
export function scaleOf(field: Field, theme: ThemeName = pageTheme()): (value: number) => { color: string; percent: number } {
  const { mode, fixedColor } = field.config.color ?? {};
  const scheme = mode === undefined ? undefined : SCHEMES[mode];
  if (field.type === 'boolean') {
    const continuous = scheme && !('palette' in scheme);
    const yes = continuous ? schemeColor(mode!, 1, theme) : cssColor('green', theme);
    const no = continuous ? schemeColor(mode!, 0, theme) : cssColor('red', theme);
    return (value) => (value ? { color: yes, percent: 1 } : { color: no, percent: 0 });
  }
  const { min, delta } = field.state?.range ?? rangeOf(field);
  const place = (value: number): number => {
    const percent = value === -Infinity ? 0 : (value - (min ?? 0)) / delta;
    return Number.isNaN(percent) ? 0 : percent;
  };
  if (mode === 'fixed' || mode === 'gradient' || mode === 'shades') {
    const base = cssColor(fixedColor, theme);
    const color = mode === 'shades' ? shade(base, field.state?.seriesIndex ?? 0) : base;
    return (value) => ({ color, percent: place(value) });
  }
  if (scheme && 'palette' in scheme) {
    const palette = paletteOf(mode!, scheme, theme);
    const index = scheme.hash ? hash(field.state?.displayName ?? field.name) : (field.state?.seriesIndex ?? 0);
    const color = palette[index % palette.length]!;
    return (value) => ({ color, percent: place(value) });
  }
  if (scheme) return (value) => ({ color: schemeColor(mode!, place(value), theme), percent: place(value) });
  return (value) => {
    const percent = place(value);
    return { color: cssColor(activeThreshold(field.config.thresholds, value, percent)?.color, theme), percent };
  };
}

/** The one colour of a series: its own, or that of the value that `seriesBy` names (its last). */
export function seriesColor(field: Field, theme: ThemeName = pageTheme()): string {
  const scale = scaleOf(field, theme);
  if (!isByValue(field.config.color?.mode)) return scale(0).color;
  const by = field.config.color?.seriesBy ?? 'last';
  const value = reduce(field, [by])[by];
  return scale(typeof value === 'number' ? value : 0).color;
}

/** A colour as text that is read on the page's ground: pale ones are darkened on a light page, dark ones lightened on a dark one. */
export const inkOf = (color: string | undefined): string => (color === undefined ? 'inherit' : `color-mix(in oklab, ${color} 60%, var(--text))`);
