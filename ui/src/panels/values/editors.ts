/** Options that several kinds of panels share, for the panel editor. */
import type { OptionEditor } from '../panel.ts';

/** Reductions by the ids of Grafana, the frequent ones first. */
export const CALCULATIONS: readonly { value: string; text: string }[] = [
  { value: 'lastNotNull', text: 'Last that is not null' },
  { value: 'last', text: 'Last' },
  { value: 'firstNotNull', text: 'First that is not null' },
  { value: 'first', text: 'First' },
  { value: 'mean', text: 'Mean' },
  { value: 'median', text: 'Median' },
  { value: 'min', text: 'Minimum' },
  { value: 'max', text: 'Maximum' },
  { value: 'sum', text: 'Total' },
  { value: 'count', text: 'Count' },
  { value: 'range', text: 'Range' },
  { value: 'delta', text: 'Increase' },
  { value: 'diff', text: 'Difference' },
  { value: 'diffperc', text: 'Difference in percent' },
  { value: 'stdDev', text: 'Standard deviation' },
  { value: 'variance', text: 'Variance' },
  { value: 'distinctCount', text: 'Distinct values' },
  { value: 'changeCount', text: 'Changes' },
  { value: 'allIsZero', text: 'All zero' },
  { value: 'allIsNull', text: 'All null' },
  { value: 'p50', text: '50th percentile' },
  { value: 'p90', text: '90th percentile' },
  { value: 'p95', text: '95th percentile' },
  { value: 'p99', text: '99th percentile' },
];

export const choices = (values: readonly string[]): { value: unknown; text: string }[] =>
  values.map((value) => ({ value, text: `${value[0]?.toUpperCase() ?? ''}${value.slice(1)}`.replaceAll('_', ' ').replaceAll('-', ' ') }));

export const REDUCTION_EDITOR: readonly OptionEditor[] = [
  {
    path: 'options.reduceOptions.values',
    name: 'Show',
    group: 'Values',
    kind: 'choice',
    choices: [
      { value: false, text: 'One calculated value of each field' },
      { value: true, text: 'All rows' },
    ],
  },
  { path: 'options.reduceOptions.calcs', name: 'Calculation', group: 'Values', kind: 'choices', choices: CALCULATIONS },
  { path: 'options.reduceOptions.fields', name: 'Fields (empty: all numbers)', group: 'Values', kind: 'text' },
  { path: 'options.reduceOptions.limit', name: 'Limit of rows', group: 'Values', kind: 'number', min: 1, max: 500 },
];

export const ORIENTATION_EDITOR: OptionEditor = { path: 'options.orientation', name: 'Orientation', group: 'Layout', kind: 'choice', choices: choices(['auto', 'horizontal', 'vertical']) };

export const TEXT_SIZE_EDITOR: readonly OptionEditor[] = [
  { path: 'options.text.titleSize', name: 'Size of names (px)', group: 'Text size', kind: 'number', min: 1, max: 200 },
  { path: 'options.text.valueSize', name: 'Size of values (px)', group: 'Text size', kind: 'number', min: 1, max: 400 },
];
