/** What stands in the cells of a table. */
import type { ComponentChildren, JSX } from 'preact';
import * as english from '../../english/panels.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import { inkOf } from '../../fields/color.ts';
import { displayText, type DisplayValue } from '../../fields/display.ts';
import { reduce } from '../../fields/reduce.ts';
import type { PanelProps, ReadyLink } from '../panel.ts';
import { Bar } from '../bargauge/bar.tsx';
import { Markdown } from '../text/show.tsx';
import { isLoadable, safeHref } from '../values/href.ts';
import { Linked } from '../values/linked.tsx';
import { valueScope } from '../values/scope.ts';
import { Sparkline } from '../values/sparkline.tsx';
import { rangeOf, shown } from '../values/values.ts';
import { cellText, jsonText, type Column } from './model.ts';

export interface CellProps {
  column: Column;
  frame: Frame;
  frames: readonly Frame[];
  row: number;
  width: number;
  height: number;
  links: PanelProps['links'];
}

const PADDING = 8;
const PILLS_SHOWN = 20;

export function CellContent({ column, frame, frames, row, width, height, links }: CellProps): JSX.Element {
  const { field, cell } = column;
  const value = field.values[row];
  const ready = (): ReadyLink[] => (field.config.links?.length ? links(field.config.links, valueScope(field, frame, frames, row, value)) : []);
  const linked = (children: ComponentChildren): JSX.Element => {
    const found = ready();
    return found.length > 0 ? (
      <Linked links={found} class="cell-link">
        {children}
      </Linked>
    ) : (
      <>{children}</>
    );
  };
  switch (cell.type) {
    case 'gauge':
      return typeof value === 'number' ? <GaugeCell column={column} frames={frames} value={value} width={width} height={height} linked={linked} /> : linked(cellText(field, value));
    case 'sparkline':
      return <SparklineCell column={column} value={value} width={width} height={height} />;
    case 'json-view':
      return linked(<code class="cell-json">{jsonText(value)}</code>);
    case 'data-links':
      return (
        <span class="cell-links">
          {ready().map((link, index) => (
            <Linked key={index} links={[link]} class="cell-link">
              {link.title || cellText(field, value)}
            </Linked>
          ))}
        </span>
      );
    case 'actions':
      return (
        <span class="cell-links">
          {actionTitles(field).map((title) => (
            <button key={title} type="button" class="button cell-action" disabled title={english.noActions}>
              {title}
            </button>
          ))}
        </span>
      );
    case 'image':
      return linked(<ImageCell address={typeof value === 'string' ? value : ''} alt={cell.alt} height={height} />);
    case 'markdown':
      return <Markdown source={typeof value === 'string' ? value : cellText(field, value)} />;
    case 'pill':
      return <PillCell field={field} value={value} />;
    default:
      return linked(cellText(field, value));
  }
}

const actionTitles = (field: Field): string[] => {
  const actions = field.config['actions'];
  return Array.isArray(actions) ? actions.map((action: { title?: unknown }) => String(action?.title ?? 'Action')) : [];
};

/** Room of one character of a value; of the widest usual fonts, so that no digit is lost. */
const CHARACTER_PX = 9;
const VALUE_LEAST_PX = 48;

function GaugeCell(props: { column: Column; frames: readonly Frame[]; value: number; width: number; height: number; linked: (children: ComponentChildren) => JSX.Element }): JSX.Element {
  const { column, frames, value, width, height, linked } = props;
  const { field, cell } = column;
  const display = shown(field, value);
  const [min, max] = rangeOf(field, frames);
  const text = displayText(display);
  const inside = width - 2 * PADDING;
  const valueSpace = cell.valueMode === 'hidden' ? 0 : Math.min(inside * 0.5, Math.max(VALUE_LEAST_PX, 10 + longestText(field) * CHARACTER_PX));
  const mode = field.config.color?.mode;
  return (
    <span class="cell-gauge">
      <Bar
        mode={cell.bar}
        display={display}
        min={min}
        max={max}
        thresholds={field.config.thresholds}
        byThresholds={mode === undefined || mode === 'thresholds' || mode.startsWith('continuous')}
        colorAt={(number) => shown(field, number).color}
        length={Math.max(0, inside - valueSpace)}
        thickness={Math.max(4, height - 12)}
      />
      {cell.valueMode !== 'hidden' && (
        <span class="cell-gauge-value" style={{ width: `${valueSpace}px`, color: cell.valueMode === 'color' ? inkOf(display.color) : 'inherit' }}>
          {linked(text)}
        </span>
      )}
    </span>
  );
}

const longest = new WeakMap<readonly unknown[], number>();
const SAMPLED_ROWS = 40;

/** About how many characters the values of a field have, so that the bars of a column end alike. */
function longestText(field: Field): number {
  let most = longest.get(field.values);
  if (most === undefined) {
    most = 0;
    const step = Math.max(1, Math.floor(field.values.length / SAMPLED_ROWS));
    for (let row = 0; row < field.values.length; row += step) most = Math.max(most, cellText(field, field.values[row]).length);
    longest.set(field.values, most);
  }
  return most;
}

const isFrame = (value: unknown): value is Frame & { value?: unknown } => typeof value === 'object' && value !== null && Array.isArray((value as Frame).fields);

function SparklineCell({ column, value, width, height }: { column: Column; value: unknown; width: number; height: number }): JSX.Element {
  const { field, cell } = column;
  const numbers: { times: readonly unknown[]; values: readonly unknown[]; last: unknown } | undefined = isFrame(value)
    ? trendOf(value)
    : Array.isArray(value)
      ? { times: value.map((_, index) => index), values: value, last: value[value.length - 1] }
      : undefined;
  if (!numbers) return <>{cellText(field, value)}</>;
  const display: DisplayValue = shown(field, numbers.last);
  const space = cell.hideValue ? 0 : 64;
  return (
    <span class="cell-gauge">
      <Sparkline trend={numbers} width={Math.max(0, width - 2 * PADDING - space)} height={Math.max(0, height - 8)} color={display.color ?? 'var(--series-1)'} />
      {!cell.hideValue && (
        <span class="cell-gauge-value" style={{ width: `${space}px` }}>
          {displayText(display)}
        </span>
      )}
    </span>
  );
}

function trendOf(frame: Frame & { value?: unknown }): { times: readonly unknown[]; values: readonly unknown[]; last: unknown } | undefined {
  const number = frame.fields.find(({ type }) => type === 'number');
  if (!number) return undefined;
  const time = frame.fields.find(({ type }) => type === 'time');
  return { times: time?.values ?? number.values.map((_, index) => index), values: number.values, last: frame.value ?? reduce(number, ['lastNotNull'])['lastNotNull'] };
}

function ImageCell({ address, alt, height }: { address: string; alt: string | undefined; height: number }): JSX.Element {
  if (address === '') return <></>;
  if (isLoadable(address, document.baseURI)) return <img src={address} alt={alt ?? ''} loading="lazy" style={{ 'max-height': `${Math.max(8, height - 6)}px`, 'max-width': '100%' }} />;
  // The page's policy loads no images of others; the address is still worth something.
  const href = safeHref(address);
  return href === undefined ? (
    <span>{alt ?? ''}</span>
  ) : (
    <a class="link" href={href} target="_blank" rel="noopener noreferrer">
      {alt || english.image}
    </a>
  );
}

/** The items of a value that becomes pills: a list, JSON of one, or a text with commas. */
export function pillsOf(value: unknown): string[] {
  let items: unknown[] = [];
  if (Array.isArray(value)) items = value;
  else if (typeof value === 'string' && value.trim().startsWith('[')) {
    try {
      const parsed: unknown = JSON.parse(value);
      items = Array.isArray(parsed) ? parsed : [value];
    } catch {
      items = value.split(',');
    }
  } else if (typeof value === 'string') items = value.split(',');
  else if (value !== null && value !== undefined) items = [value];
  return items.map((item) => String(item).trim()).filter((item) => item !== '');
}

/** A colour that stays with a text. */
export function pillColor(text: string): string {
  let hash = 0;
  for (let index = 0; index < text.length; index += 1) hash = (hash * 31 + text.charCodeAt(index)) | 0;
  return `var(--series-${(Math.abs(hash) % 8) + 1})`;
}

function PillCell({ field, value }: { field: Field; value: unknown }): JSX.Element {
  const pills = pillsOf(value);
  const mapped = (field.config.mappings?.length ?? 0) > 0 || field.config.color?.mode === 'fixed';
  return (
    <span class="cell-links">
      {pills.slice(0, PILLS_SHOWN).map((text, index) => {
        const display = mapped ? shown(field, text) : undefined;
        return (
          <span key={index} class="pill on-color" style={{ '--color': display?.color ?? pillColor(text) }}>
            {display ? displayText(display) : text}
          </span>
        );
      })}
      {pills.length > PILLS_SHOWN && <span class="muted">+{pills.length - PILLS_SHOWN}</span>}
    </span>
  );
}
