/** What a panel asks: its targets, each with its data source, expression and the way it is drawn. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { DataSourceRef, Panel, Target } from '../../../dashboard/model.ts';
import { baseOf, canAsk, familyOf, findSource } from '../../../dashboard/sources.ts';
import * as english from '../../../english/dashboard-edit.ts';
import { ExpressionField } from '../../explore/editor.tsx';
import { useBoard } from '../board.ts';
import { freeRefId } from './change.ts';
import { JsonField } from './json-field.tsx';
import { ChoiceField, Labelled, NumberField, TextField } from './option-fields.tsx';

interface Props {
  panel: Panel;
  change: (next: (panel: Panel) => Panel) => void;
  run: () => void;
}

const MIXED = '-- Mixed --';
const SPECIAL = [
  { uid: MIXED, type: 'datasource', name: english.mixed },
  { uid: '-- Dashboard --', type: 'datasource', name: english.anotherPanelsAnswer },
];

export function Queries({ panel, change, run }: Props): JSX.Element {
  const { sources, variables, scope } = useBoard();
  const setTargets = (next: (targets: Target[]) => Target[]): void => change((before) => ({ ...before, targets: next(before.targets) }));
  const put = (index: number, target: Target): void => setTargets((targets) => targets.map((each, at) => (at === index ? target : each)));
  const choices = [
    ...sources.map(({ uid, type, name }) => ({ uid, type, name })),
    ...variables.states.filter(({ variable }) => variable.type === 'datasource').map(({ variable }) => ({ uid: `\${${variable.name}}`, type: String(variable.query ?? 'prometheus'), name: `$${variable.name}` })),
    ...SPECIAL,
  ];
  const chosen = panel.datasource?.uid ?? sources.find(({ isDefault }) => isDefault)?.uid;
  return (
    <div class="queries">
      <div class="toolbar">
        <Labelled name={english.dataSource}>
          <SourceField label={english.dataSource} value={chosen} choices={choices} onChange={(ref) => change((before) => ({ ...before, datasource: ref, targets: before.targets.map((target) => ({ ...target, datasource: ref.uid === MIXED ? target.datasource : ref })) }))} />
        </Labelled>
        <Labelled name={english.longestListOfPoints}>
          <NumberField value={panel.maxDataPoints} min={1} step={1} placeholder={english.asWide} onChange={(points) => change((before) => ({ ...before, maxDataPoints: points ?? null }))} />
        </Labelled>
        <Labelled name={english.shortestStep}>
          <TextField value={panel.interval ?? ''} placeholder={english.auto} onChange={(interval) => change((before) => ({ ...before, interval: interval || undefined }))} />
        </Labelled>
        <Labelled name={english.ownRange}>
          <TextField value={panel.timeFrom ?? ''} placeholder={english.rangePlaceholder} onChange={(timeFrom) => change((before) => ({ ...before, timeFrom: timeFrom || undefined }))} />
        </Labelled>
        <Labelled name={english.shiftedBy}>
          <TextField value={panel.timeShift ?? ''} placeholder="1d" onChange={(timeShift) => change((before) => ({ ...before, timeShift: timeShift || undefined }))} />
        </Labelled>
      </div>
      {panel.targets.map((target, index) => {
        const source = findSource(chosen === MIXED ? target.datasource : (target.datasource ?? panel.datasource), sources, scope);
        return (
          <section class="query" key={target.refId} aria-label={english.queryNamed(target.refId)}>
            <header>
              <TextField label={english.nameOfQuery} value={target.refId} onChange={(refId) => refId !== '' && panel.targets.every((each) => each.refId !== refId) && put(index, { ...target, refId })} />
              {chosen === MIXED && <SourceField label={english.dataSourceOf(target.refId)} value={target.datasource?.uid} choices={choices.filter(({ uid }) => uid !== MIXED)} onChange={(datasource) => put(index, { ...target, datasource })} />}
              <span class="query-tools">
                <button type="button" class="link" aria-pressed={target.hide === true} onClick={() => put(index, { ...target, hide: !target.hide })}>
                  {target.hide ? english.showNote : english.hide}
                </button>
                <button type="button" class="link" onClick={() => setTargets((targets) => [...targets, { ...structuredClone(target), refId: freeRefId(targets) }])}>
                  {english.duplicate}
                </button>
                <button type="button" class="link" disabled={index === 0} aria-label={english.moveQueryUp(target.refId)} onClick={() => setTargets((targets) => swapped(targets, index, index - 1))}>
                  ↑
                </button>
                <button type="button" class="link" aria-label={english.removeQuery(target.refId)} onClick={() => setTargets((targets) => targets.filter((_, at) => at !== index))}>
                  {english.removeNote}
                </button>
              </span>
            </header>
            {chosen === '-- Dashboard --' || target.datasource?.uid === '-- Dashboard --' ? (
              <Labelled name={english.panel}>
                <NumberField value={typeof target['panelId'] === 'number' ? target['panelId'] : undefined} step={1} onChange={(panelId) => put(index, { ...target, panelId })} />
              </Labelled>
            ) : source === undefined || canAsk(source) ? (
              <PromQuery key={source?.uid} base={source && familyOf(source.type) === 'metrics' ? baseOf(source) : undefined} target={target} change={(next) => put(index, next)} run={run} />
            ) : (
              <JsonField label={english.queryNamed(target.refId)} value={target} rows={6} onApply={(value) => put(index, asTarget(value, target.refId))} />
            )}
          </section>
        );
      })}
      <button type="button" class="button" onClick={() => setTargets((targets) => [...targets, { refId: freeRefId(targets), ...(panel.datasource && chosen !== MIXED ? { datasource: panel.datasource } : {}) }])}>
        {english.addQuery}
      </button>
    </div>
  );
}

const swapped = <T,>(list: readonly T[], a: number, b: number): T[] => list.map((each, at) => (at === a ? list[b]! : at === b ? list[a]! : each));

function asTarget(value: unknown, refId: string): Target {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(english.queryIsObject);
  return { ...value, refId: typeof (value as Target).refId === 'string' ? (value as Target).refId : refId };
}

interface SourceChoice {
  uid: string;
  type: string;
  name: string;
}

function SourceField({ label, value, choices, onChange }: { label: string; value: string | undefined; choices: readonly SourceChoice[]; onChange: (ref: DataSourceRef & { uid: string }) => void }): JSX.Element {
  const known = choices.some(({ uid }) => uid === value);
  return (
    <select
      aria-label={label}
      value={value ?? ''}
      onChange={(event) => {
        const source = choices.find(({ uid }) => uid === event.currentTarget.value);
        if (source) onChange({ type: source.type, uid: source.uid });
      }}
    >
      {!known && <option value={value ?? ''}>{value ?? english.byDefault}</option>}
      {choices.map(({ uid, name }) => (
        <option key={uid} value={uid} selected={uid === value}>
          {name}
        </option>
      ))}
    </select>
  );
}

const FORMATS = [
  { value: 'time_series', text: english.timeSeries },
  { value: english.table, text: english.table },
  { value: english.heatmap, text: english.heatmap },
];
const TIMES = [
  { value: 'range', text: english.overRange },
  { value: 'instant', text: english.atItsEnd },
  { value: english.both, text: english.both },
];

function PromQuery({ base, target, change, run }: { base: string | undefined; target: Target; change: (target: Target) => void; run: () => void }): JSX.Element {
  const [text, setText] = useState(target.expr ?? '');
  const [version, setVersion] = useState(0);
  const kept = useRef(text);
  useEffect(() => {
    // Changed from elsewhere, such as by taking a change back.
    if (target.expr === kept.current || (target.expr ?? '') === kept.current) return;
    kept.current = target.expr ?? '';
    setText(kept.current);
    setVersion((count) => count + 1);
  }, [target.expr]);
  const done = (): void => {
    if (text === (target.expr ?? '')) return;
    kept.current = text;
    change({ ...target, expr: text });
  };
  const times = target.instant && target.range ? english.both : target.instant ? 'instant' : 'range';
  return (
    <>
      <div class="query-expression" onFocusOut={done}>
        <ExpressionField
          value={text}
          version={version}
          label={english.expressionOf(target.refId)}
          first={false}
          variables
          base={base}
          onChange={setText}
          onRun={() => {
            if (text === (target.expr ?? '')) run();
            else done();
          }}
        />
        <button type="button" class="button" title={english.enterHint} onClick={() => (text === (target.expr ?? '') ? run() : done())}>
          {english.run}
        </button>
      </div>
      <div class="query-options">
        <Labelled name={english.legend}>
          <TextField value={target.legendFormat ?? ''} placeholder={english.legendPlaceholder} onChange={(legendFormat) => change({ ...target, legendFormat })} />
        </Labelled>
        <Labelled name={english.format}>
          <ChoiceField value={target.format ?? 'time_series'} choices={FORMATS} onChange={(format) => change({ ...target, format: format as Target['format'] })} />
        </Labelled>
        <Labelled name={english.asks}>
          <ChoiceField value={times} choices={TIMES} onChange={(chosen) => change({ ...target, range: chosen !== 'instant', instant: chosen !== 'range' })} />
        </Labelled>
        <Labelled name={english.shortestStep}>
          <TextField value={target.interval ?? ''} placeholder={english.auto} onChange={(interval) => change({ ...target, interval: interval || undefined })} />
        </Labelled>
        <label class="check">
          <input type="checkbox" checked={target.exemplar === true} onChange={(event) => change({ ...target, exemplar: event.currentTarget.checked })} /> {english.exemplars}
        </label>
      </div>
    </>
  );
}
