/** What happens to the answers before they are drawn, step by step. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Panel, Transformation } from '../../../dashboard/model.ts';
import { JsonField } from './json-field.tsx';

interface Choice {
  id: string;
  text: string;
  options: Record<string, unknown>;
}

/** With options to begin with. */
const CHOICES: readonly Choice[] = [
  { id: 'organize', text: 'Organize: hide, rename and order fields', options: { excludeByName: {}, indexByName: {}, renameByName: {} } },
  { id: 'joinByField', text: 'Join by field', options: { byField: 'Time', mode: 'outer' } },
  { id: 'merge', text: 'Merge tables', options: {} },
  { id: 'groupBy', text: 'Group by', options: { fields: {} } },
  { id: 'sortBy', text: 'Sort by', options: { sort: [{ field: '', desc: false }] } },
  { id: 'calculateField', text: 'Calculate a field', options: { mode: 'reduceRow', reduce: { reducer: 'sum' } } },
  { id: 'labelsToFields', text: 'Labels to fields', options: { mode: 'columns' } },
  { id: 'reduce', text: 'Reduce', options: { reducers: ['lastNotNull'] } },
  { id: 'filterFieldsByName', text: 'Filter fields by name', options: { include: { names: [] } } },
  { id: 'filterByRefId', text: 'Filter by query', options: { include: 'A' } },
  { id: 'filterByValue', text: 'Filter rows by values', options: { type: 'include', match: 'any', filters: [] } },
  { id: 'limit', text: 'Limit rows', options: { limitField: 10 } },
  { id: 'renameByRegex', text: 'Rename by regex', options: { regex: '(.*)', renamePattern: '$1' } },
  { id: 'seriesToRows', text: 'Series to rows', options: {} },
  { id: 'concatenate', text: 'Concatenate', options: { frameNameMode: 'field', frameNameLabel: 'frame' } },
  { id: 'convertFieldType', text: 'Convert the type of fields', options: { conversions: [], fields: {} } },
  { id: 'histogram', text: 'Histogram', options: {} },
  { id: 'rowsToFields', text: 'Rows to fields', options: {} },
  { id: 'configFromData', text: 'Configuration from a query', options: { configRefId: 'A', mappings: [] } },
  { id: 'prepareTimeSeries', text: 'Prepare time series', options: { format: 'many' } },
  { id: 'partitionByValues', text: 'Partition by values', options: { fields: [] } },
  { id: 'groupingToMatrix', text: 'Grouping to matrix', options: { columnField: '', rowField: '', valueField: '' } },
  { id: 'extractFields', text: 'Extract fields', options: { source: '', format: 'auto' } },
  { id: 'formatTime', text: 'Format time', options: { timeField: '', outputFormat: 'YYYY-MM-DD HH:mm' } },
  { id: 'formatString', text: 'Format text', options: { stringField: '', outputFormat: 'Upper Case' } },
  { id: 'groupToNestedTable', text: 'Group to nested table', options: { fields: {} } },
  { id: 'timeSeriesTable', text: 'Time series to a table', options: {} },
  { id: 'transpose', text: 'Transpose', options: {} },
  { id: 'heatmap', text: 'Heatmap', options: {} },
  { id: 'joinByLabels', text: 'Join by labels', options: { value: '' } },
  { id: 'fieldLookup', text: 'Field lookup', options: {} },
  { id: 'smoothing', text: 'Smoothing', options: {} },
  { id: 'regression', text: 'Regression', options: { modelType: 'linear' } },
];

export function Transformations({ panel, change }: { panel: Panel; change: (next: (panel: Panel) => Panel) => void }): JSX.Element {
  const [adding, setAdding] = useState('');
  const set = (next: (list: Transformation[]) => Transformation[]): void => change((before) => ({ ...before, transformations: next(before.transformations) }));
  const put = (index: number, next: Transformation): void => set((list) => list.map((each, at) => (at === index ? next : each)));
  return (
    <div class="queries">
      {panel.transformations.length === 0 && <p class="muted">The answers are drawn as they come. Add a step to join, calculate, filter or rename.</p>}
      {panel.transformations.map((each, index) => (
        <section class="query" key={index} aria-label={`Transformation ${index + 1}`}>
          <header>
            <b>
              {index + 1}. {CHOICES.find(({ id }) => id === each.id)?.text ?? each.id}
            </b>
            <span class="query-tools">
              <button type="button" class="link" aria-pressed={each.disabled === true} onClick={() => put(index, { ...each, disabled: !each.disabled })}>
                {each.disabled ? 'Enable' : 'Disable'}
              </button>
              <button type="button" class="link" disabled={index === 0} aria-label={`Move transformation ${index + 1} up`} onClick={() => set((list) => list.map((one, at) => (at === index ? list[index - 1]! : at === index - 1 ? list[index]! : one)))}>
                ↑
              </button>
              <button type="button" class="link" onClick={() => set((list) => list.filter((_, at) => at !== index))}>
                Remove
              </button>
            </span>
          </header>
          <JsonField
            label={`Options of transformation ${index + 1}`}
            value={each.options}
            rows={Math.min(14, JSON.stringify(each.options, null, 2).split('\n').length + 1)}
            onApply={(value) => {
              if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('Options are an object.');
              put(index, { ...each, options: value as Record<string, unknown> });
            }}
          />
        </section>
      ))}
      <select
        aria-label="Add a transformation"
        value={adding}
        onChange={(event) => {
          const choice = CHOICES.find(({ id }) => id === event.currentTarget.value);
          setAdding('');
          if (choice) set((list) => [...list, { id: choice.id, options: structuredClone(choice.options) }]);
        }}
      >
        <option value="">Add a transformation…</option>
        {CHOICES.map(({ id, text }) => (
          <option key={id} value={id}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}
