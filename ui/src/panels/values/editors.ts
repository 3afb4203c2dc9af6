/** Options that several kinds of panels share, for the panel editor. */
import * as english from '../../english/panels.ts';
import { titled } from '../../english/words.ts';
import { reducers } from '../../fields/reduce.ts';
import type { OptionEditor } from '../panel.ts';

/** All reductions, for a picker. */
export const CALCULATIONS = reducers.map(({ id, name }) => ({ value: id, text: name }));

export const choices = (values: readonly string[]): { value: unknown; text: string }[] =>
  values.map((value) => ({ value, text: titled(value) }));

export const REDUCTION_EDITOR: readonly OptionEditor[] = [
  {
    path: 'options.reduceOptions.values',
    name: english.show,
    group: english.values,
    kind: 'choice',
    choices: [
      { value: false, text: english.oneValueOfEachField },
      { value: true, text: english.allRows },
    ],
  },
  { path: 'options.reduceOptions.calcs', name: english.calculation, group: english.values, kind: 'choices', choices: CALCULATIONS },
  { path: 'options.reduceOptions.fields', name: english.fieldsEmpty, group: english.values, kind: 'text' },
  { path: 'options.reduceOptions.limit', name: english.limitOfRows, group: english.values, kind: 'number', min: 1, max: 500 },
];

export const ORIENTATION_EDITOR: OptionEditor = { path: 'options.orientation', name: english.orientation, group: english.layout, kind: 'choice', choices: choices(['auto', 'horizontal', 'vertical']) };

export const TEXT_SIZE_EDITOR: readonly OptionEditor[] = [
  { path: 'options.text.titleSize', name: english.sizeOfNamesPx, group: english.textSize, kind: 'number', min: 1, max: 200 },
  { path: 'options.text.valueSize', name: english.sizeOfValuesPx, group: english.textSize, kind: 'number', min: 1, max: 400 },
];
