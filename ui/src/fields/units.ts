/** Units by Grafana's ids, and how numbers in them read. */
import { formatDate, fromNow, localPattern } from './dates.ts';
import { UNIT_GROUPS, type UnitRow } from './unit-table.ts';

export interface Formatted {
  prefix?: string;
  text: string;
  suffix?: string;
}

export interface FormatOptions {
  /** `browser`, `utc` or a name of the time zone database; for the units that are moments. */
  timeZone?: string;
  /** Whether a moment in the page's own format shows milliseconds. */
  showMs?: boolean;
}

/** What is asked beyond this is noise. */
const MAX_DECIMALS = 20;

type Decimals = number | null | undefined;
type Format = (value: number, decimals: Decimals, options: FormatOptions) => Formatted;

/** Grafana's units by group, for a picker. */
export const unitIds: readonly { group: string; units: readonly { id: string; name: string }[] }[] = UNIT_GROUPS.map(([group, units]) => ({
  group,
  units: units.map(([id, name]) => ({ id, name })),
}));

/** A value in a unit, scaled to read well. Without `decimals` there are as many as the size needs. */
export function formatValue(unit: string | undefined, value: number | null | undefined, decimals?: Decimals, options: FormatOptions = {}): Formatted {
  if (value === null || value === undefined) return { text: '' };
  const places = typeof decimals === 'number' && Number.isFinite(decimals) ? Math.min(MAX_DECIMALS, Math.max(0, Math.round(decimals))) : undefined;
  return formatOf(unit ?? '')(value, places, options);
}

/** As one text. */
export function formatText(unit: string | undefined, value: number | null | undefined, decimals?: Decimals, options?: FormatOptions): string {
  const { prefix = '', text, suffix = '' } = formatValue(unit, value, decimals, options);
  return `${prefix}${text}${suffix}`;
}

/** A number with the given decimals, or with as many as its size needs. */
export function fixed(value: number, decimals: Decimals): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value.toLocaleString();
  const places = Math.max(0, decimals ?? autoDecimals(value));
  if (value === 0) return value.toFixed(Math.min(places, 100));
  const factor = 10 ** places;
  const text = String(Math.round(value * factor) / factor);
  if (text.includes('e')) return text;
  const written = text.includes('.') ? text.length - text.indexOf('.') - 1 : 0;
  if (written >= places) return text;
  return `${text}${written === 0 ? '.' : ''}${'0'.repeat(Math.min(places, String(factor).length - 1) - written)}`;
}

/** Two digits that mean something, three when the first is small; none for whole numbers. */
function autoDecimals(value: number): number {
  if (value % 1 === 0) return 0;
  const size = Math.abs(value);
  const places = 1 - Math.floor(Math.log(size) / Math.LN10);
  return Math.max(0, size / 10 ** -places > 2.25 ? places + 1 : places);
}

/** Scales by powers of a factor; `names` are those of the powers, `start` is which of them the value is in. */
function scaled(factor: number, names: readonly string[], start = 0): Format {
  return (value, decimals) => {
    if (!Number.isFinite(value)) return { text: value.toLocaleString() };
    const power = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)) / Math.log10(factor));
    const within = Math.min(Math.max(power, -start), names.length - start - 1);
    return { text: fixed(value / factor ** within, decimals), suffix: names[start + within]! };
  };
}

const SI = ['f', 'p', 'n', 'µ', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi'];
const COUNT = ['', 'K', 'M', 'B', 'T'];
const ONE = SI.indexOf('');

const plain = (unit: string): Format => (value, decimals) => (unit === '' ? { text: fixed(value, decimals) } : { text: fixed(value, decimals), suffix: ` ${unit}` });
const si = (unit: string, power = 0): Format => scaled(1000, SI.map((prefix) => ` ${prefix}${unit}`), ONE + power);
const words = (yes: string, no: string): Format => (value) => ({ text: value ? yes : no });

function count(unit: string): Format {
  const scale = scaled(1000, COUNT);
  return (value, decimals, options) => {
    const { text, suffix } = scale(value, decimals, options);
    return { text, suffix: `${suffix} ${unit}` };
  };
}

function currency(symbol: string, after = false): Format {
  const scale = scaled(1000, COUNT);
  return (value, decimals, options) => {
    const { text, suffix } = scale(Math.abs(value), decimals, options);
    const sign = value < 0 ? '-' : '';
    if (after) return { ...(sign ? { prefix: sign } : {}), text, suffix: suffix === undefined ? undefined : `${suffix}${symbol}` };
    return { prefix: `${sign}${symbol}`, text, suffix };
  };
}

/** All digits, grouped as the language does, such as 1,234,567.8. */
function fullCurrency(symbol: string, after: boolean): Format {
  return (value, decimals) => {
    const digits = decimals ?? undefined;
    const text = new Intl.NumberFormat(undefined, { minimumFractionDigits: digits ?? 0, maximumFractionDigits: digits ?? 1 }).format(value);
    return { prefix: after ? '' : symbol, text, suffix: after ? symbol : '' };
  };
}

/** Steps of a duration: up to which size, by what it is divided (or multiplied), and its name; `+` where more than one has an s. */
type Step = readonly [below: number, divisor: number, name: string, times?: number];

function stepped(...steps: readonly Step[]): Format {
  return (value, decimals) => {
    const [, divisor, name, times = 1] = steps.find(([below]) => Math.abs(value) < below) ?? steps[steps.length - 1]!;
    const amount = (value * times) / divisor;
    const plural = name.endsWith('+');
    return { text: fixed(amount, decimals), suffix: ` ${plural ? name.slice(0, -1) : name}${plural && Math.abs(amount) > 1 ? 's' : ''}` };
  };
}

const inSeconds = stepped(
  [1e-6, 1, 'ns', 1e9], [1e-3, 1, 'µs', 1e6], [1, 1, 'ms', 1e3], [60, 1, 's'], [3600, 60, 'min+'], [86_400, 3600, 'hour+'],
  [604_800, 86_400, 'day+'], [31_536_000, 604_800, 'week+'], [Infinity, 31_556_900, 'year+'],
);
const seconds: Format = (value, decimals, options) => (value === 0 ? { text: '0', suffix: ' s' } : inSeconds(value, decimals, options));

const PARTS: readonly (readonly [name: string, ms: number])[] = [
  ['year', 31_536_000_000], ['month', 2_592_000_000], ['week', 604_800_000], ['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000], ['second', 1000], ['millisecond', 1],
];

/** `1 hour, 2 minutes`: one part, and one more for each decimal. */
function spelled(unit: string, unitMs: number): Format {
  const format: Format = (value, decimals, options) => {
    if (value === 0) return { text: '0', suffix: ` ${unit}s` };
    if (value < 0) {
      const { text, suffix = '' } = format(-value, decimals, options);
      return { text, suffix: `${suffix} ago` };
    }
    let rest = value * unitMs;
    const parts: string[] = [];
    for (const [name, ms] of PARTS) {
      if (parts.length > (decimals ?? 0)) break;
      if (parts.length === 0 && rest / ms < 1) continue;
      const amount = Math.floor(rest / ms);
      parts.push(`${amount} ${name}${amount === 1 ? '' : 's'}`);
      rest %= ms;
    }
    return { text: parts.join(', ') };
  };
  return format;
}

/** `02m:03s:004ms`, as long as the decimals say. */
const clock = (toMs: number): Format => (value, decimals) => {
  const ms = value * toMs;
  const write = (pattern: string): string => formatDate(ms, pattern, 'utc');
  if (ms < 1000) return { text: write('SSS[ms]') };
  if (ms < 60_000) return { text: write(decimals === 0 ? 'ss[s]' : 'ss[s]:SSS[ms]') };
  if (ms < 3_600_000) return { text: write(decimals === 0 ? 'mm[m]' : decimals === 1 ? 'mm[m]:ss[s]' : 'mm[m]:ss[s]:SSS[ms]') };
  const hours = `${Math.floor(ms / 3_600_000)}h`;
  if (decimals === 0) return { text: hours };
  return { text: `${hours}:${write(decimals === 1 ? 'mm[m]' : decimals === 2 ? 'mm[m]:ss[s]' : 'mm[m]:ss[s]:SSS[ms]')}` };
};

const pad = (number: number): string => String(number).padStart(2, '0');
const hms = (total: number): string => `${pad(Math.floor(total / 3600))}:${pad(Math.floor((total % 3600) / 60))}:${pad(Math.floor((total % 3600) % 60))}`;
const ago = (write: (total: number) => string): Format => (value) => (!Number.isFinite(value) ? { text: value.toLocaleString() } : value < 0 ? { text: write(-value), suffix: ' ago' } : { text: write(value) });

function dhms(total: number): string {
  const days = Math.floor(total / 86_400);
  return `${days > 0 ? `${days} d ` : ''}${hms(total - days * 24 * 3600)}`;
}

const date = (pattern: string): Format => (value, _decimals, { timeZone }) => ({ text: formatDate(value, pattern, timeZone) });

/** One pattern for today, another for other days. */
const dateUnlessToday = (pattern: () => string, today: () => string): Format => (value, _decimals, { timeZone }) => {
  const day = (ms: number): string => formatDate(ms, 'YYYY-MM-DD', timeZone);
  return { text: formatDate(value, day(value) === day(Date.now()) ? today() : pattern(), timeZone) };
};

const hex = (value: number, decimals: Decimals): string => parseFloat(fixed(value, decimals)).toString(16).toUpperCase();

/** The units that no kind of the table describes. */
const SPECIAL: Record<string, Format> = {
  string: (value) => ({ text: String(value) }),
  percent: (value, decimals) => ({ text: fixed(value, decimals), suffix: '%' }),
  percentunit: (value, decimals) => ({ text: fixed(100 * value, decimals), suffix: '%' }),
  hex: (value, decimals) => ({ text: hex(value, decimals) }),
  hex0x: (value, decimals) => ({ text: hex(value, decimals).replace(/^-?/, '$&0x') }),
  sci: (value, decimals) => ({ text: value.toExponential(decimals ?? undefined) }),
  locale: (value, decimals) => ({ text: value.toLocaleString(undefined, { maximumFractionDigits: decimals ?? undefined }) }),
  ns: stepped(
    [1e3, 1, 'ns'], [1e6, 1e3, 'µs'], [1e9, 1e6, 'ms'], [6e10, 1e9, 's'], [36e11, 6e10, 'min+'], [864e11, 36e11, 'hour+'], [Infinity, 864e11, 'day+'],
  ),
  µs: stepped([1e3, 1, 'µs'], [1e6, 1e3, 'ms'], [Infinity, 1e6, 's']),
  ms: stepped(
    [1e3, 1, 'ms'], [6e4, 1e3, 's'], [36e5, 6e4, 'min+'], [864e5, 36e5, 'hour+'], [31_536e6, 864e5, 'day+'], [Infinity, 31_536e6, 'year+'],
  ),
  s: seconds,
  m: stepped([60, 1, 'min'], [1440, 60, 'hour+'], [10_080, 1440, 'day+'], [604_800, 10_080, 'week+'], [Infinity, 525_948, 'year+']),
  h: stepped([24, 1, 'hour'], [168, 24, 'day+'], [8760, 168, 'week+'], [Infinity, 8760, 'year+']),
  d: stepped([7, 1, 'day+'], [365, 7, 'week+'], [Infinity, 365, 'year+']),
  dtdurationms: spelled('millisecond', 1),
  dtdurations: spelled('second', 1000),
  dthms: ago(hms),
  dtdhms: ago(dhms),
  timeticks: (value, decimals, options) => seconds(value / 100, decimals, options),
  clockms: clock(1),
  clocks: clock(1000),
  dateTimeAsIso: date('YYYY-MM-DD HH:mm:ss'),
  dateTimeAsIsoNoDateIfToday: dateUnlessToday(() => 'YYYY-MM-DD HH:mm:ss', () => 'HH:mm:ss'),
  dateTimeAsUS: date('MM/DD/YYYY h:mm:ss a'),
  dateTimeAsUSNoDateIfToday: dateUnlessToday(() => 'MM/DD/YYYY h:mm:ss a', () => 'h:mm:ss a'),
  dateTimeAsLocal: (value, _decimals, { timeZone }) => ({ text: formatDate(value, localPattern(false), timeZone) }),
  dateTimeAsLocalNoDateIfToday: dateUnlessToday(() => localPattern(false), () => localPattern(true)),
  dateTimeAsSystem: (value, _decimals, { timeZone, showMs }) => ({ text: formatDate(value, `YYYY-MM-DD HH:mm:ss${showMs ? '.SSS' : ''}`, timeZone) }),
  dateTimeFromNow: (value) => ({ text: fromNow(value) }),
};

function ofRow(row: UnitRow): Format {
  switch (row[2]) {
    case undefined:
      return SPECIAL[row[0]] ?? plain('');
    case 'fixed':
      return plain(row[3]);
    case 'count':
      return count(row[3]);
    case 'si':
      return si(row[3], row[4]);
    case 'binary':
      return scaled(1024, BINARY.map((prefix) => ` ${prefix}${row[3]}`), row[4]);
    case 'currency':
      return currency(row[3], row[4]);
    case 'scaled':
      return scaled(1000, row[3]);
    case 'bool':
      return words(row[3], row[4]);
  }
}

/** Units that are made of a text: `prefix:≈`, `suffix:cats`, `time:HH:mm`, `si:mF`, `count:jobs`, `currency:£`, `bool:up/down`. */
function ofText(id: string): Format {
  const colon = id.indexOf(':');
  const rest = id.slice(colon + 1);
  switch (colon > 0 ? id.slice(0, colon) : '') {
    case 'prefix':
      return rest === '' ? plain('') : (value, decimals) => ({ prefix: rest, text: fixed(value, decimals) });
    case 'suffix':
      return plain(rest);
    case 'time':
      return date(rest);
    case 'si': {
      const letter = rest.charAt(0).normalize('NFKD');
      const power = SI.findIndex((prefix) => prefix !== '' && prefix.normalize('NFKD') === letter) - ONE;
      return power >= -ONE ? si(rest.slice(1), power) : si(rest);
    }
    case 'count':
      return count(rest);
    case 'currency': {
      const [kind, symbol, place] = rest.split(':');
      if (kind !== 'financial' || symbol === undefined) return currency(rest);
      return symbol === '' ? plain('') : fullCurrency(symbol, place === 'suffix');
    }
    case 'bool': {
      const slash = rest.indexOf('/');
      return slash < 0 ? words(rest, '-') : words(rest.slice(0, slash), rest.slice(slash + 1));
    }
    default:
      return plain(id);
  }
}

const rows = new Map<string, UnitRow>(UNIT_GROUPS.flatMap(([, units]) => units.map((row) => [row[0], row])));
/** Formats in use. Ids of dashboards' own making are few; past this many all are made anew. */
const MAX_FORMATS = 1000;
const formats = new Map<string, Format>();

function formatOf(id: string): Format {
  let format = formats.get(id);
  if (!format) {
    const row = rows.get(id === 'farenheit' ? 'fahrenheit' : id);
    format = row ? ofRow(row) : id === '' ? plain('') : ofText(id);
    if (formats.size >= MAX_FORMATS) formats.clear();
    formats.set(id, format);
  }
  return format;
}
