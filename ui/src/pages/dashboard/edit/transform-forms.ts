/** The options of each transformation, as a form: where they stand, and how each is edited. */
import type { FieldType } from '../../../frames/frame.ts';

type Options = Record<string, unknown>;

interface Place {
  /** A path such as `include.names`; empty for the options as a whole. */
  path: string;
  name: string;
  /** Whether it means something with the options as they are; else it is not shown. */
  when?: (options: Options) => boolean;
}

export interface Choice {
  value: unknown;
  text: string;
}

/** One option of a form. What is offered comes from the frames before the step. */
export type FormField = Place &
  (
    | { kind: 'switch'; otherwise?: boolean }
    | { kind: 'text'; placeholder?: string }
    | { kind: 'number'; placeholder?: string; min?: number; step?: number }
    | { kind: 'choice'; choices: readonly Choice[]; otherwise?: unknown }
    | { kind: 'reducer'; otherwise?: string }
    | { kind: 'reducers' }
    | { kind: 'field'; types?: readonly FieldType[] }
    | { kind: 'fields' }
    | { kind: 'label' }
    | { kind: 'labels' }
    /** Queries as one text: `A|B`. */
    | { kind: 'queries' }
    | { kind: 'query' }
    /** A field's name, a number, or all fields with numbers. */
    | { kind: 'operand' }
    | { kind: 'matcher' }
    /** Which fields there are, their names and their order. */
    | { kind: 'arrange'; parts: readonly ('show' | 'rename' | 'order')[] }
    /** Options for each field, or each query, by its name. */
    | { kind: 'byField' | 'byQuery'; form: readonly FormField[] }
    | { kind: 'list'; item: string; initial: Options; form: readonly FormField[] }
  );

export interface TransformForm {
  /** What it does, as people would ask for it. */
  text: string;
  about: string;
  initial: Options;
  form: readonly FormField[];
}

const choices = (values: Record<string, string>): Choice[] => Object.entries(values).map(([value, text]) => ({ value, text }));
const is = (path: string, ...values: unknown[]) => (options: Options): boolean => values.includes(options[path]);

const EMPTY = choices({ '': 'empty text', null: 'null', zero: '0', true: 'true', false: 'false' });
const AGGREGATION: readonly FormField[] = [
  { path: 'operation', name: 'It is', kind: 'choice', choices: [{ value: undefined, text: 'left out' }, ...choices({ groupby: 'what is grouped by', aggregate: 'calculated' })] },
  { path: 'aggregations', name: 'Calculations', kind: 'reducers', when: is('operation', 'aggregate') },
];
const MEANINGS = choices({
  'field.name': "field's name",
  'field.value': "field's value",
  'field.label': 'label',
  max: 'max',
  min: 'min',
  unit: 'unit',
  decimals: 'decimals',
  displayName: 'shown name',
  color: 'colour',
  threshold1: 'threshold',
  noValue: 'text for no value',
  'mappings.value': 'mapping: value',
  'mappings.text': 'mapping: text',
  'mappings.color': 'mapping: colour',
  __ignore: 'nothing',
});
const VALUE_TESTS = choices({
  greater: '>',
  greaterOrEqual: '≥',
  lower: '<',
  lowerOrEqual: '≤',
  equal: '=',
  notEqual: '≠',
  between: 'is between',
  regex: 'matches',
  substring: 'contains',
  notSubstring: 'does not contain',
  isNull: 'is null',
  isNotNull: 'is not null',
});
const testOf = (options: Options): unknown => (options['config'] as Options | undefined)?.['id'];
const formatted = { path: 'outputFormat', name: 'Pattern', kind: 'text', placeholder: 'YYYY-MM-DD HH:mm' } as const;

/** By Grafana's ids, those first that are used most. */
export const TRANSFORM_FORMS: Record<string, TransformForm> = {
  organize: { text: 'Organize: hide, rename and order fields', about: 'Of one table.', initial: { excludeByName: {}, indexByName: {}, renameByName: {}, includeByName: {} }, form: [{ path: '', name: 'Fields', kind: 'arrange', parts: ['show', 'rename', 'order'] }] },
  joinByField: {
    text: 'Join by field',
    about: 'Several answers side by side, where a field has the same value.',
    initial: { byField: 'Time', mode: 'outer' },
    form: [
      { path: 'byField', name: 'Field', kind: 'field' },
      { path: 'mode', name: 'Rows that are kept', kind: 'choice', otherwise: 'outer', choices: choices({ outer: 'all, of time series', outerTabular: 'all, of tables', inner: 'those that all answers have' }) },
    ],
  },
  merge: { text: 'Merge tables', about: 'Several answers in one table; rows that agree become one.', initial: {}, form: [] },
  groupBy: { text: 'Group by', about: 'One row for rows with the same values; other fields are calculated.', initial: { fields: {} }, form: [{ path: 'fields', name: 'Fields', kind: 'byField', form: AGGREGATION }] },
  sortBy: {
    text: 'Sort by',
    about: 'Rows by the values of a field. Of several fields the first counts.',
    initial: { sort: [{ field: '', desc: false }] },
    form: [{ path: 'sort', name: 'Sorted by', kind: 'list', item: 'field', initial: { field: '', desc: false }, form: [{ path: 'field', name: 'Field', kind: 'field' }, { path: 'desc', name: 'Largest first', kind: 'switch' }] }],
  },
  calculateField: {
    text: 'Calculate a field',
    about: 'A field that is computed from others.',
    initial: { mode: 'reduceRow', reduce: { reducer: 'sum' } },
    form: [
      { path: 'mode', name: 'How', kind: 'choice', otherwise: 'reduceRow', choices: choices({ reduceRow: 'from the fields of a row', binary: 'from two fields', unary: 'from one field', cumulativeFunctions: 'running total', windowFunctions: 'moving average', index: 'number of the row' }) },
      { path: 'reduce.include', name: 'Fields (none: all numbers)', kind: 'fields', when: is('mode', 'reduceRow', undefined) },
      { path: 'reduce.reducer', name: 'Calculation', kind: 'reducer', otherwise: 'sum', when: is('mode', 'reduceRow', undefined) },
      { path: 'binary.left', name: 'This', kind: 'operand', when: is('mode', 'binary') },
      { path: 'binary.operator', name: 'Operation', kind: 'choice', otherwise: '+', choices: ['+', '-', '*', '/'].map((value) => ({ value, text: value })), when: is('mode', 'binary') },
      { path: 'binary.right', name: 'and this', kind: 'operand', when: is('mode', 'binary') },
      { path: 'unary.operator', name: 'Operation', kind: 'choice', otherwise: 'abs', choices: choices({ abs: 'absolute', exp: 'e to the power', ln: 'natural logarithm', round: 'rounded', floor: 'rounded down', ceil: 'rounded up', percent: 'share of the total' }), when: is('mode', 'unary') },
      { path: 'unary.fieldName', name: 'Field', kind: 'field', types: ['number'], when: is('mode', 'unary') },
      { path: 'cumulative.field', name: 'Field', kind: 'field', types: ['number'], when: is('mode', 'cumulativeFunctions') },
      { path: 'cumulative.reducer', name: 'Calculation', kind: 'choice', otherwise: 'sum', choices: choices({ sum: 'total', mean: 'mean' }), when: is('mode', 'cumulativeFunctions') },
      { path: 'window.field', name: 'Field', kind: 'field', types: ['number'], when: is('mode', 'windowFunctions') },
      { path: 'window.reducer', name: 'Calculation', kind: 'choice', otherwise: 'mean', choices: choices({ mean: 'mean', stdDev: 'standard deviation', variance: 'variance' }), when: is('mode', 'windowFunctions') },
      { path: 'window.windowAlignment', name: 'Window', kind: 'choice', otherwise: 'trailing', choices: choices({ trailing: 'before each value', centered: 'around each value' }), when: is('mode', 'windowFunctions') },
      { path: 'window.windowSizeMode', name: 'Its size is', kind: 'choice', otherwise: 'percentage', choices: choices({ percentage: 'a share of all rows', fixed: 'a number of rows' }), when: is('mode', 'windowFunctions') },
      { path: 'window.windowSize', name: 'Size', kind: 'number', placeholder: '0.1', min: 0, when: is('mode', 'windowFunctions') },
      { path: 'index.asPercentile', name: 'As a share of all rows', kind: 'switch', when: is('mode', 'index') },
      { path: 'alias', name: 'Its name', kind: 'text', placeholder: 'by itself' },
      { path: 'replaceFields', name: 'Instead of all other fields', kind: 'switch' },
    ],
  },
  labelsToFields: {
    text: 'Labels to fields',
    about: 'Labels of series become fields of their own.',
    initial: { mode: 'columns' },
    form: [
      { path: 'mode', name: 'Labels become', kind: 'choice', otherwise: 'columns', choices: choices({ columns: 'columns', rows: 'rows' }) },
      { path: 'keepLabels', name: 'Labels (none: all)', kind: 'labels' },
      { path: 'valueLabel', name: 'The value is called by', kind: 'label', when: is('mode', 'columns', undefined) },
    ],
  },
  reduce: {
    text: 'Reduce',
    about: 'Each field to single values.',
    initial: { reducers: ['lastNotNull'] },
    form: [
      { path: 'mode', name: 'Result', kind: 'choice', otherwise: 'seriesToRows', choices: choices({ seriesToRows: 'a row for each field', reduceFields: 'a row for each answer' }) },
      { path: 'reducers', name: 'Calculations', kind: 'reducers' },
      { path: 'labelsToFields', name: 'Labels as fields', kind: 'switch', when: is('mode', 'seriesToRows', undefined) },
      { path: 'includeTimeField', name: 'Times too', kind: 'switch', when: is('mode', 'reduceFields') },
    ],
  },
  filterFieldsByName: {
    text: 'Filter fields by name',
    about: 'Some of the fields.',
    initial: { include: { names: [] } },
    form: [
      { path: 'byVariable', name: 'Named by a variable', kind: 'switch' },
      { path: 'include.variable', name: 'Variable', kind: 'text', placeholder: '$fields', when: ({ byVariable }) => byVariable === true },
      { path: 'include.names', name: 'Only', kind: 'fields', when: ({ byVariable }) => byVariable !== true },
      { path: 'include.pattern', name: 'Only what matches', kind: 'text', placeholder: '/^cpu/', when: ({ byVariable }) => byVariable !== true },
      { path: 'exclude.names', name: 'Without', kind: 'fields' },
      { path: 'exclude.pattern', name: 'Without what matches', kind: 'text', placeholder: '/^cpu/' },
    ],
  },
  filterByRefId: { text: 'Filter by query', about: 'The answers of some queries.', initial: { include: 'A' }, form: [{ path: 'include', name: 'Only', kind: 'queries' }, { path: 'exclude', name: 'Without', kind: 'queries' }] },
  filterByValue: {
    text: 'Filter rows by values',
    about: 'Rows whose values pass some tests.',
    initial: { type: 'include', match: 'any', filters: [] },
    form: [
      { path: 'type', name: 'Rows are', kind: 'choice', otherwise: 'include', choices: choices({ include: 'kept', exclude: 'left out' }) },
      { path: 'match', name: 'if they pass', kind: 'choice', otherwise: 'any', choices: choices({ any: 'any test', all: 'all tests' }) },
      {
        path: 'filters',
        name: 'Tests',
        kind: 'list',
        item: 'test',
        initial: { fieldName: '', config: { id: 'greater', options: { value: 0 } } },
        form: [
          { path: 'fieldName', name: 'Field', kind: 'field' },
          { path: 'config.id', name: 'Comparison', kind: 'choice', choices: VALUE_TESTS },
          { path: 'config.options.value', name: 'Value', kind: 'text', when: (options) => !['between', 'isNull', 'isNotNull'].includes(String(testOf(options))) },
          { path: 'config.options.from', name: 'From', kind: 'text', when: (options) => testOf(options) === 'between' },
          { path: 'config.options.to', name: 'To', kind: 'text', when: (options) => testOf(options) === 'between' },
        ],
      },
    ],
  },
  limit: { text: 'Limit rows', about: 'The first rows; with a negative number the last.', initial: { limitField: 10 }, form: [{ path: 'limitField', name: 'Rows', kind: 'number', step: 1, placeholder: '10' }] },
  renameByRegex: { text: 'Rename by regex', about: 'Names of fields by a pattern: $1 is what its first group found.', initial: { regex: '(.*)', renamePattern: '$1' }, form: [{ path: 'regex', name: 'Pattern', kind: 'text', placeholder: '/(.*)\\.rate/' }, { path: 'renamePattern', name: 'becomes', kind: 'text', placeholder: '$1' }] },
  seriesToRows: { text: 'Series to rows', about: 'All series in one table of time, name and value.', initial: {}, form: [] },
  concatenate: {
    text: 'Concatenate',
    about: 'All fields of all answers side by side.',
    initial: { frameNameMode: 'field', frameNameLabel: 'frame' },
    form: [
      { path: 'frameNameMode', name: "The answer's name", kind: 'choice', otherwise: 'field', choices: choices({ field: 'goes to the name of the field', label: 'becomes a label', drop: 'is dropped' }) },
      { path: 'frameNameLabel', name: 'Label', kind: 'text', placeholder: 'frame', when: is('frameNameMode', 'label') },
    ],
  },
  convertFieldType: {
    text: 'Convert the type of fields',
    about: 'Texts as numbers or times, numbers as texts.',
    initial: { conversions: [], fields: {} },
    form: [
      {
        path: 'conversions',
        name: 'Fields',
        kind: 'list',
        item: 'field',
        initial: { targetField: '', destinationType: 'number' },
        form: [
          { path: 'targetField', name: 'Field', kind: 'field' },
          { path: 'destinationType', name: 'becomes', kind: 'choice', choices: choices({ number: 'number', string: 'text', time: 'time', boolean: 'true or false', enum: 'one of some names', other: 'what its JSON says' }) },
          { path: 'dateFormat', name: 'Pattern of the time', kind: 'text', placeholder: 'YYYY-MM-DD HH:mm:ss', when: is('destinationType', 'time', 'string') },
          { path: 'timezone', name: 'Time zone', kind: 'text', placeholder: 'that of the dashboard', when: is('destinationType', 'time', 'string') },
          { path: 'joinWith', name: 'Lists are joined with', kind: 'text', placeholder: ', ', when: is('destinationType', 'string') },
        ],
      },
    ],
  },
  histogram: {
    text: 'Histogram',
    about: 'How many values fall into which bucket.',
    initial: {},
    form: [
      { path: 'bucketCount', name: 'About so many buckets', kind: 'number', min: 1, step: 1, placeholder: '30' },
      { path: 'bucketSize', name: 'or of this size', kind: 'number', min: 0, placeholder: 'auto' },
      { path: 'bucketOffset', name: 'The first begins at', kind: 'number', placeholder: '0' },
      { path: 'combine', name: 'All series together', kind: 'switch' },
    ],
  },
  rowsToFields: { text: 'Rows to fields', about: 'Each row becomes a field.', initial: {}, form: [{ path: 'mappings', name: 'What fields are for', kind: 'list', item: 'field', initial: { fieldName: '', handlerKey: 'field.name' }, form: [{ path: 'fieldName', name: 'Field', kind: 'field' }, { path: 'handlerKey', name: 'is the', kind: 'choice', choices: MEANINGS }] }] },
  configFromData: {
    text: 'Configuration from a query',
    about: 'One answer says the unit, the bounds or the thresholds of the others.',
    initial: { configRefId: 'A', mappings: [] },
    form: [
      { path: 'configRefId', name: 'Query with the configuration', kind: 'query' },
      { path: 'applyTo', name: 'It is for', kind: 'matcher' },
      { path: 'mappings', name: 'What its fields are', kind: 'list', item: 'field', initial: { fieldName: '', handlerKey: 'max' }, form: [{ path: 'fieldName', name: 'Field', kind: 'field' }, { path: 'handlerKey', name: 'is the', kind: 'choice', choices: MEANINGS }, { path: 'reducerId', name: 'by its', kind: 'reducer', otherwise: 'lastNotNull' }] },
    ],
  },
  prepareTimeSeries: { text: 'Prepare time series', about: 'For panels that want series in one form.', initial: { format: 'many' }, form: [{ path: 'format', name: 'Form', kind: 'choice', otherwise: 'wide', choices: choices({ wide: 'one wide table', multi: 'a table for each series', many: 'a table for each series (older name)', long: 'one long table' }) }] },
  partitionByValues: {
    text: 'Partition by values',
    about: 'A table for each value of some fields.',
    initial: { fields: [] },
    form: [
      { path: 'fields', name: 'Fields', kind: 'fields' },
      { path: 'keepFields', name: 'These fields stay', kind: 'switch' },
      { path: 'naming.asLabels', name: 'Values become labels', kind: 'switch', otherwise: true },
      { path: 'naming.withNames', name: 'With names of the fields', kind: 'switch', when: ({ naming }) => (naming as Options | undefined)?.['asLabels'] === false },
      { path: 'naming.append', name: "After the answer's name", kind: 'switch', when: ({ naming }) => (naming as Options | undefined)?.['asLabels'] === false },
    ],
  },
  groupingToMatrix: {
    text: 'Grouping to matrix',
    about: 'A row for each value of one field, a column for each of another.',
    initial: { columnField: '', rowField: '', valueField: '' },
    form: [
      { path: 'columnField', name: 'Columns', kind: 'field' },
      { path: 'rowField', name: 'Rows', kind: 'field' },
      { path: 'valueField', name: 'Values', kind: 'field' },
      { path: 'emptyValue', name: 'Where there is none', kind: 'choice', otherwise: '', choices: EMPTY },
    ],
  },
  extractFields: {
    text: 'Extract fields',
    about: 'Fields out of texts.',
    initial: { source: '', format: 'auto' },
    form: [
      { path: 'source', name: 'Out of', kind: 'field' },
      { path: 'format', name: 'which is', kind: 'choice', otherwise: 'auto', choices: choices({ auto: 'JSON or key=value', json: 'JSON', kvp: 'key=value', delimiter: 'a list', regexp: 'by a pattern' }) },
      { path: 'delimiter', name: 'Between its parts', kind: 'text', placeholder: ',', when: is('format', 'delimiter') },
      { path: 'regExp', name: 'Pattern with named groups', kind: 'text', placeholder: '/(?<name>.*)/', when: is('format', 'regexp') },
      { path: 'jsonPaths', name: 'Parts', kind: 'list', item: 'part', initial: { path: '' }, form: [{ path: 'path', name: 'Path', kind: 'text', placeholder: 'a.b[0]' }, { path: 'alias', name: 'Name', kind: 'text' }], when: is('format', 'json') },
      { path: 'replace', name: 'Instead of all other fields', kind: 'switch' },
      { path: 'keepTime', name: 'The time stays', kind: 'switch', when: ({ replace }) => replace === true },
    ],
  },
  formatTime: { text: 'Format time', about: 'A time as a text.', initial: { timeField: '', outputFormat: 'YYYY-MM-DD HH:mm' }, form: [{ path: 'timeField', name: 'Field', kind: 'field', types: ['time'] }, formatted, { path: 'timezone', name: 'Time zone', kind: 'text', placeholder: 'that of the dashboard' }] },
  formatString: {
    text: 'Format text',
    about: 'Upper case, lower case, a part of a text.',
    initial: { stringField: '', outputFormat: 'Upper Case' },
    form: [
      { path: 'stringField', name: 'Field', kind: 'field', types: ['string'] },
      { path: 'outputFormat', name: 'Form', kind: 'choice', otherwise: 'Upper Case', choices: ['Upper Case', 'Lower Case', 'Sentence Case', 'Title Case', 'Pascal Case', 'Camel Case', 'Snake Case', 'Kebab Case', 'Trim', 'Substring'].map((value) => ({ value, text: value })) },
      { path: 'substringStart', name: 'From', kind: 'number', step: 1, min: 0, placeholder: '0', when: is('outputFormat', 'Substring') },
      { path: 'substringEnd', name: 'To', kind: 'number', step: 1, min: 0, placeholder: 'its end', when: is('outputFormat', 'Substring') },
    ],
  },
  groupToNestedTable: {
    text: 'Group to nested table',
    about: 'A row for each group, with its rows as a table below it.',
    initial: { fields: {} },
    form: [
      { path: 'fields', name: 'Fields', kind: 'byField', form: AGGREGATION, when: ({ rules }) => !Array.isArray(rules) },
      { path: 'rules', name: 'Fields', kind: 'list', item: 'rule', initial: { matcher: { id: 'byName', options: '' }, operation: 'groupby' }, form: [{ path: 'matcher', name: 'Fields', kind: 'matcher' }, ...AGGREGATION, { path: 'keepNestedField', name: 'Also in the table below', kind: 'switch', when: is('operation', 'aggregate') }], when: ({ rules }) => Array.isArray(rules) },
      { path: 'showSubframeHeaders', name: 'Tables below have a head', kind: 'switch', otherwise: true },
      { path: 'expandAllRows', name: 'All are open', kind: 'switch' },
    ],
  },
  timeSeriesTable: { text: 'Time series to a table', about: 'A row for each series, with a line in a cell.', initial: {}, form: [{ path: '', name: 'Queries', kind: 'byQuery', form: [{ path: 'stat', name: 'Sorted by its', kind: 'reducer', otherwise: 'lastNotNull' }, { path: 'timeField', name: 'Time', kind: 'field', types: ['time'] }] }] },
  transpose: { text: 'Transpose', about: 'Rows become columns.', initial: {}, form: [{ path: 'firstFieldName', name: 'Name of the first column', kind: 'text', placeholder: 'Field' }, { path: 'restFieldsName', name: 'Name of the others', kind: 'text', placeholder: 'Value' }] },
  heatmap: {
    text: 'Heatmap',
    about: 'How many values fall into which cell of time and value.',
    initial: {},
    form: [
      ...(['x', 'y'] as const).flatMap((axis): FormField[] => [
        { path: `${axis}Buckets.mode`, name: axis === 'x' ? 'Cells of time' : 'Cells of values', kind: 'choice', otherwise: 'count', choices: choices({ size: 'of a size', count: 'so many' }) },
        { path: `${axis}Buckets.value`, name: 'Size or number', kind: 'text', placeholder: 'auto' },
      ]),
      { path: 'yBuckets.scale.type', name: 'Scale of values', kind: 'choice', otherwise: 'linear', choices: choices({ linear: 'linear', log: 'logarithmic' }) },
      { path: 'keepOriginalData', name: 'What was there stays', kind: 'switch' },
    ],
  },
  joinByLabels: { text: 'Join by labels', about: 'A column for each value of a label.', initial: { value: '' }, form: [{ path: 'value', name: 'Label whose values become columns', kind: 'label' }, { path: 'join', name: 'Rows by (none: all labels)', kind: 'labels' }] },
  smoothing: { text: 'Smoothing', about: 'Lines without noise.', initial: {}, form: [{ path: 'resolution', name: 'About so many points', kind: 'number', min: 2, step: 1, placeholder: 'auto' }] },
  regression: {
    text: 'Trend line',
    about: 'A line through the points.',
    initial: { modelType: 'linear' },
    form: [
      { path: 'modelType', name: 'Line', kind: 'choice', otherwise: 'linear', choices: choices({ linear: 'straight', polynomial: 'curved' }) },
      { path: 'degree', name: 'Degree', kind: 'number', min: 2, step: 1, placeholder: '2', when: is('modelType', 'polynomial') },
      { path: 'predictionCount', name: 'Points', kind: 'number', min: 2, step: 1, placeholder: '100' },
      { path: 'xFieldName', name: 'Along', kind: 'field' },
      { path: 'yFieldName', name: 'Of', kind: 'field', types: ['number'] },
    ],
  },
  filterFields: { text: 'Filter fields', about: 'Some of the fields, by name, type, query or value.', initial: { include: { id: 'byType', options: 'number' } }, form: [{ path: 'include', name: 'Only', kind: 'matcher' }, { path: 'exclude', name: 'Without', kind: 'matcher' }] },
  order: { text: 'Order fields', about: 'Of one table.', initial: { indexByName: {} }, form: [{ path: '', name: 'Fields', kind: 'arrange', parts: ['order'] }] },
  rename: { text: 'Rename fields', about: 'Of one table.', initial: { renameByName: {} }, form: [{ path: '', name: 'Fields', kind: 'arrange', parts: ['rename'] }] },
  append: { text: 'Append rows', about: 'All rows of all answers below each other.', initial: {}, form: [] },
  ensureColumns: { text: 'One table of series', about: 'Series that all have a time of the same name.', initial: {}, form: [] },
};

/** Older names of these. */
const OLDER: Record<string, string> = { seriesToColumns: 'joinByField', addFieldFromCalculation: 'calculateField' };

/** Undefined for a transformation that has no form: its options are JSON. */
export const transformForm = (id: string): TransformForm | undefined => (Object.hasOwn(TRANSFORM_FORMS, OLDER[id] ?? id) ? TRANSFORM_FORMS[OLDER[id] ?? id] : undefined);
