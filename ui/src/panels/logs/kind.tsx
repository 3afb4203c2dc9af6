/** Lines of logs, coloured by level, any number of them. */
import type { JSX } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Labels } from '../../api/types.ts';
import * as english from '../../english/panels.ts';
import { formatDate } from '../../fields/dates.ts';
import { offsetsOf, useWindow } from '../lists/virtual.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { choices } from '../values/editors.ts';
import { Linked } from '../values/linked.tsx';
import { withDefaults } from '../values/options.ts';
import { valueScope } from '../values/scope.ts';
import { NoValues } from '../values/value-text.tsx';
import { detectedFields, logColumns, prettyJson, readLogs, screenLines, type Dedup, type LogLine } from './model.ts';
import '../values/values.css';
import './logs.css';

const OPTIONS = {
  showTime: true,
  showLabels: false,
  showCommonLabels: false,
  showLevel: true,
  wrapLogMessage: true,
  prettifyLogMessage: false,
  enableLogDetails: true,
  sortOrder: 'Descending' as 'Descending' | 'Ascending',
  dedupStrategy: 'none' as Dedup,
  fontSize: 'default' as 'default' | 'small',
  displayedFields: [] as string[],
};
type Options = typeof OPTIONS;

const DETAIL_HEIGHT = 24;
const DETAILS_SHOWN = 60;
/** Edge, space and button before a line. */
const GUTTER = 19;
const STACKED_GUTTER = 7;
const TIME_CHARACTERS = 24;
const LEVEL_CHARACTERS = 7;
/** Of labels in a line; they get no more than they need. */
const LABEL_CHARACTERS = 36;
const LABELS_SAMPLED = 200;
/** Of a line that is not wrapped. */
const LONGEST_ROW = 3000;
const HEAD = 28;

function LogsPanel(props: PanelProps): JSX.Element {
  const { panel, frames, width, height, timeZone } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const newestFirst = options.sortOrder !== 'Ascending';
  const { lines, common, left } = useMemo(() => readLogs(frames, { newestFirst, dedup: options.dedupStrategy }), [frames, newestFirst, options.dedupStrategy]);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const box = useRef<HTMLDivElement>(null);
  const probe = useRef<HTMLSpanElement>(null);
  const [characterPx, setCharacter] = useState(7.2);
  const [scrollbar, setScrollbar] = useState(0);
  useLayoutEffect(() => {
    if (box.current) setScrollbar(box.current.offsetWidth - box.current.clientWidth);
    const measured = (probe.current?.getBoundingClientRect().width ?? 0) / 100;
    if (measured > 0) setCharacter(measured);
  }, [options.fontSize, lines.length, width]);

  const lineHeight = options.fontSize === 'small' ? 16 : 18;
  const showCommon = options.showCommonLabels && Object.keys(common).length > 0;
  const hasTime = options.showTime && lines.some(({ time }) => !Number.isNaN(time));
  const labelCharacters = useMemo(() => (options.showLabels ? 2 + lines.slice(0, LABELS_SAMPLED).reduce((most, line) => Math.max(most, Math.min(LABEL_CHARACTERS, writeLabels(withoutCommon(line.labels, common)).length)), 0) : 0), [lines, common, options.showLabels]);
  const before = GUTTER + ((hasTime ? TIME_CHARACTERS : 0) + (options.showLevel ? LEVEL_CHARACTERS : 0) + labelCharacters) * characterPx;
  // On a phone the line stands below its time.
  const stacked = width - before < 30 * characterPx;
  const perLine = Math.max(8, Math.floor((width - scrollbar - (stacked ? STACKED_GUTTER : before)) / characterPx));
  const texts = useMemo(() => lines.map((line) => messageOf(line, options)), [lines, options]);
  const details = (line: LogLine): { labels: [string, string][]; fields: [string, string][] } => ({ labels: Object.entries(line.labels), fields: detectedFields(line.text, line.labels) });
  const heights = useMemo(
    () =>
      offsetsOf(lines.length, (index) => {
        const line = lines[index]!;
        const opened = open.has(line.key);
        const rows = options.wrapLogMessage || opened ? screenLines(texts[index]!, perLine) : options.prettifyLogMessage ? texts[index]!.split('\n').length : 1;
        const found = opened ? details(line) : undefined;
        const shown = found ? Math.min(DETAILS_SHOWN, found.labels.length + found.fields.length) : 0;
        return rows * lineHeight + 4 + (stacked ? lineHeight : 0) + (found ? shown * DETAIL_HEIGHT + 46 : 0);
      }),
    [lines, texts, open, options, perLine, stacked, lineHeight],
  );
  const space = Math.max(0, height - (showCommon ? HEAD : 0));
  const view = useWindow(box, lines.length, heights, space);
  if (lines.length === 0) {
    const missing = frames.some(({ length }) => length > 0) ? english.noLogLines : panel.fieldConfig?.defaults?.noValue;
    return <NoValues text={missing} />;
  }
  const toggle = (key: string): void =>
    setOpen((last) => {
      const next = new Set(last);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  const contentWidth = options.wrapLogMessage ? undefined : Math.max(width - 12, before + Math.min(LONGEST_ROW, texts.reduce((most, text) => Math.max(most, text.length), 0)) * characterPx + 30);
  return (
    <div class={`logs${options.fontSize === 'small' ? ' logs-small' : ''}`}>
      <span ref={probe} class="logs-probe" aria-hidden="true">
        {'0'.repeat(100)}
      </span>
      {showCommon && (
        <div class="logs-common" style={{ height: `${HEAD}px` }}>
          <span class="muted">{english.commonLabels}</span> <LabelText labels={common} />
        </div>
      )}
      <div ref={box} class="logs-scroller" style={{ height: `${space}px` }} tabIndex={0} role="region" aria-label={english.linesLabel(panel.title || english.logs, lines.length)}>
        <ol class="logs-lines" style={{ width: contentWidth === undefined ? undefined : `${contentWidth}px` }}>
          {view.before > 0 && <li aria-hidden="true" style={{ height: `${view.before}px` }} />}
          {lines.slice(view.first, view.end).map((line, offset) => {
            const index = view.first + offset;
            const opened = open.has(line.key);
            return (
              <li key={line.key} class="logs-row" data-level={line.level} aria-setsize={lines.length} aria-posinset={index + 1} style={{ height: `${heights[index + 1]! - heights[index]!}px` }}>
                <div
                  class={`logs-line${stacked ? ' logs-stacked' : ''}${options.wrapLogMessage || opened ? ' logs-wrap' : ''}`}
                  style={{ 'line-height': `${lineHeight}px` }}
                  onClick={(event) => {
                    // Selecting text is no click.
                    if (options.enableLogDetails && (getSelection()?.toString() ?? '') === '' && !(event.target as Element).closest('a, button')) toggle(line.key);
                  }}
                >
                  <span class="logs-before">
                    {options.enableLogDetails && (
                      <button type="button" class="logs-open" aria-expanded={opened} aria-label={opened ? english.hideDetails : english.showDetails} onClick={() => toggle(line.key)}>
                        {opened ? '▾' : '▸'}
                      </button>
                    )}
                    {hasTime && (
                      <time class="logs-time" style={{ width: `${TIME_CHARACTERS * characterPx}px` }}>
                        {Number.isNaN(line.time) ? '' : formatDate(line.time, 'YYYY-MM-DD HH:mm:ss.SSS', timeZone)}
                      </time>
                    )}
                    {options.showLevel && (
                      <span class="logs-level" style={{ width: `${LEVEL_CHARACTERS * characterPx}px` }}>
                        {SHORT[line.level]}
                      </span>
                    )}
                    {options.showLabels && (
                      <span class="logs-labels ellipsis" style={{ width: `${labelCharacters * characterPx}px` }} title={writeLabels(line.labels)}>
                        {writeLabels(withoutCommon(line.labels, common))}
                      </span>
                    )}
                  </span>
                  <span class="logs-text">
                    {options.wrapLogMessage || opened ? texts[index] : texts[index]!.slice(0, LONGEST_ROW)}
                    {line.repeated > 0 && <b class="logs-repeated" title={english.moreLinesLikeIt(line.repeated)}>{` ×${line.repeated + 1}`}</b>}
                  </span>
                </div>
                {opened && <Details line={line} {...details(line)} {...props} width={Math.min(width, contentWidth ?? width) - 30} />}
              </li>
            );
          })}
          {view.after > 0 && <li aria-hidden="true" style={{ height: `${view.after}px` }} />}
        </ol>
        {left > 0 && <p class="values-left muted">{english.moreLinesNotShown(left.toLocaleString('en'))}</p>}
      </div>
    </div>
  );
}

const SHORT: Record<LogLine['level'], string> = { critical: 'crit', error: 'error', warning: 'warn', info: 'info', debug: 'debug', trace: 'trace', unknown: '' };

const writeLabels = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

const withoutCommon = (labels: Labels, common: Labels): Labels => {
  const own = Object.fromEntries(Object.entries(labels).filter(([name]) => common[name] === undefined));
  return Object.keys(own).length > 0 ? own : labels;
};

const LabelText = ({ labels }: { labels: Labels }): JSX.Element => (
  <span class="mono ellipsis" title={writeLabels(labels)}>
    {writeLabels(labels)}
  </span>
);

function messageOf(line: LogLine, options: Options): string {
  if (Array.isArray(options.displayedFields) && options.displayedFields.length > 0) {
    const fields = Object.fromEntries(detectedFields(line.text, {}));
    const shown = options.displayedFields.flatMap((name) => (line.labels[name] ?? fields[name]) === undefined ? [] : [`${name}=${line.labels[name] ?? fields[name]!}`]);
    if (shown.length > 0) return shown.join(' ');
  }
  return (options.prettifyLogMessage ? prettyJson(line.text) : undefined) ?? (options.wrapLogMessage ? line.text : line.text.replace(/\n/g, ' ↵ '));
}

function Details(props: PanelProps & { line: LogLine; labels: [string, string][]; fields: [string, string][] }): JSX.Element {
  const { line, labels, fields, onFilter } = props;
  const [copied, setCopied] = useState(false);
  const field = logColumns(line.frame)?.text;
  const links = line.frame.fields.flatMap((other) => (other.config.links?.length ? props.links(other.config.links, valueScope(other, line.frame, props.frames, line.row, other.values[line.row])) : []));
  const rows = [...labels.map(([name, value]) => ({ name, value, label: true })), ...fields.map(([name, value]) => ({ name, value, label: false }))];
  return (
    <div class="logs-details">
      <table style={{ width: `${props.width}px` }}>
        <tbody>
          {rows.slice(0, DETAILS_SHOWN).map(({ name, value, label }, index) => (
            <tr key={index} style={{ height: `${DETAIL_HEIGHT}px` }}>
              <th scope="row" class={label ? undefined : 'logs-field'} title={label ? english.label : english.foundInLine}>
                {name}
              </th>
              <td class="ellipsis" title={value}>
                {value}
              </td>
              {onFilter && (
                <td class="logs-filter">
                  {label && (
                    <>
                      <button type="button" aria-label={english.filterForField(name, value)} title={english.filterForThisValue} onClick={() => onFilter(name, value, '=')}>
                        +
                      </button>
                      <button type="button" aria-label={english.filterOutField(name, value)} title={english.filterOutThisValue} onClick={() => onFilter(name, value, '!=')}>
                        −
                      </button>
                    </>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
      <div class="logs-actions">
        <button type="button" class="button" onClick={() => void navigator.clipboard?.writeText(line.text).then(() => setCopied(true), () => undefined)}>
          {copied ? english.copied : english.copyLine}
        </button>
        {field &&
          links.map((link, index) => (
            <Linked key={index} links={[link]} class="button">
              {link.title || link.href}
            </Linked>
          ))}
        {rows.length > DETAILS_SHOWN && <span class="muted">{english.moreFieldCount(rows.length - DETAILS_SHOWN)}</span>}
      </div>
    </div>
  );
}

export const kind: PanelKind = {
  id: 'logs',
  name: english.logs,
  Component: LogsPanel,
  options: OPTIONS,
  field: {},
  data: true,
  editor: [
    { path: 'options.showTime', name: english.time, group: english.lines, kind: 'switch' },
    { path: 'options.showLevel', name: english.level, group: english.lines, kind: 'switch' },
    { path: 'options.showLabels', name: english.labelsThatDiffer, group: english.lines, kind: 'switch' },
    { path: 'options.showCommonLabels', name: english.commonLabels, group: english.lines, kind: 'switch' },
    { path: 'options.wrapLogMessage', name: english.wrapLines, group: english.lines, kind: 'switch' },
    { path: 'options.prettifyLogMessage', name: english.jsonOnSeveralLines, group: english.lines, kind: 'switch' },
    { path: 'options.enableLogDetails', name: english.details, group: english.lines, kind: 'switch' },
    { path: 'options.sortOrder', name: english.order, group: english.lines, kind: 'choice', choices: [{ value: 'Descending', text: english.newestFirst }, { value: 'Ascending', text: english.oldestFirst }] },
    { path: 'options.dedupStrategy', name: english.leaveOutRepeatedLines, group: english.lines, kind: 'choice', choices: choices(['none', 'exact', 'numbers', 'signature']) },
    { path: 'options.fontSize', name: english.textSize, group: english.lines, kind: 'choice', choices: choices(['default', 'small']) },
  ],
};
