/** Options that several kinds of panels share, for the panel editor. */
import { reducers } from '../../fields/reduce.ts';
import type { OptionEditor } from '../panel.ts';

/** All reductions, for a picker. */
export const CALCULATIONS = reducers.map(({ id, name }) => ({ value: id, text: name }));

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
