/** What colours of the page come to on a canvas, which knows neither `var()` nor `light-dark()`. */

export type Rgba = readonly [red: number, green: number, blue: number, alpha: number];

export interface Paint {
  /** A CSS colour as its parts, 0 to 255, alpha 0 to 1. */
  rgba: (color: string) => Rgba;
  /** A CSS colour for the canvas; `alpha` multiplies its own. */
  css: (color: string, alpha?: number) => string;
  /** For text on axes. */
  font: string;
}

const MOST_COLORS = 4096;
const known = new Map<string, Rgba>();
let probe: HTMLElement | undefined;
let pixel: CanvasRenderingContext2D | null = null;

function read(color: string): Rgba {
  if (!probe) {
    probe = document.createElement('span');
    probe.hidden = true;
    document.body.append(probe);
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    pixel = canvas.getContext('2d', { willReadFrequently: true });
  }
  probe.style.color = '';
  probe.style.color = color;
  const computed = getComputedStyle(probe).color;
  const plain = /^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/.exec(computed);
  if (plain) return [Number(plain[1]), Number(plain[2]), Number(plain[3]), plain[4] === undefined ? 1 : Number(plain[4])];
  if (!pixel) return [128, 128, 128, 1];
  // Other colour spaces: let the browser convert.
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = computed;
  pixel.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0, alpha = 0] = pixel.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, alpha / 255];
}

/** Colours as they are in the present theme. */
export function paintOf(dark: boolean, font: string): Paint {
  const rgba = (color: string): Rgba => {
    const key = `${dark ? 'd' : 'l'}${color}`;
    let value = known.get(key);
    if (!value) {
      if (known.size > MOST_COLORS) known.clear();
      known.set(key, (value = read(color)));
    }
    return value;
  };
  return {
    rgba,
    font,
    css: (color, alpha = 1) => {
      const [red, green, blue, own] = rgba(color);
      return `rgba(${red},${green},${blue},${Math.round(own * alpha * 1000) / 1000})`;
    },
  };
}

/** The colour between two others; `at` 0 is the first, 1 the second. */
export function mix(a: Rgba, b: Rgba, at: number): Rgba {
  const between = (index: 0 | 1 | 2 | 3): number => a[index] + (b[index] - a[index]) * at;
  return [between(0), between(1), between(2), between(3)];
}

/** Whether dark text reads better on this colour than light text: by relative luminance, as WCAG has it. */
export function isPale([red, green, blue]: Rgba): boolean {
  const linear = (part: number): number => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue) > 0.2;
}
