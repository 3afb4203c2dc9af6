/** The options of each transformation, as a form: where they stand, and how each is edited. */
import * as english from '../../../english/dashboard-edit.ts';
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

const EMPTY = choices({ '': english.emptyText, null: 'null', zero: '0', true: 'true', false: 'false' });
const AGGREGATION: readonly FormField[] = [
  { path: 'operation', name: english.itIs, kind: 'choice', choices: [{ value: undefined, text: english.leftOut }, ...choices({ groupby: english.whatIsGroupedBy, aggregate: 'calculated' })] },
  { path: 'aggregations', name: english.calculations, kind: 'reducers', when: is('operation', 'aggregate') },
];
const MEANINGS = choices({
  'field.name': english.fieldsName,
  'field.value': english.fieldsValue,
  'field.label': 'label',
  max: 'max',
  min: 'min',
  unit: 'unit',
  decimals: 'decimals',
  displayName: english.shownName,
  color: 'colour',
  threshold1: 'threshold',
  noValue: english.textForNoValue,
  'mappings.value': english.mapping,
  'mappings.text': english.mappingText,
  'mappings.color': english.mappingColour,
  __ignore: 'nothing',
});
const VALUE_TESTS = choices({
  greater: '>',
  greaterOrEqual: '≥',
  lower: '<',
  lowerOrEqual: '≤',
  equal: '=',
  notEqual: '≠',
  between: english.isBetween,
  regex: 'matches',
  substring: 'contains',
  notSubstring: english.doesNotContain,
  isNull: english.isNull,
  isNotNull: english.isNotNull,
});
const testOf = (options: Options): unknown => (options['config'] as Options | undefined)?.['id'];
const formatted = { path: 'outputFormat', name: english.pattern, kind: 'text', placeholder: 'YYYY-MM-DD HH:mm' } as const;

/** By Grafana's ids, those first that are used most. */
export const TRANSFORM_FORMS: Record<string, TransformForm> = {
  organize: { text: english.organize, about: english.ofOneTable, initial: { excludeByName: {}, indexByName: {}, renameByName: {}, includeByName: {} }, form: [{ path: '', name: english.fields, kind: 'arrange', parts: ['show', 'rename', 'order'] }] },
  joinByField: {
    text: english.joinByField,
    about: english.severalAnswersSideBySideWhere,
    initial: { byField: 'Time', mode: 'outer' },
    form: [
      { path: 'byField', name: english.field, kind: 'field' },
      { path: 'mode', name: english.rowsThatAreKept, kind: 'choice', otherwise: 'outer', choices: choices({ outer: english.allOfTimeSeries, outerTabular: english.allOfTables, inner: english.thoseThatAllAnswersHave }) },
    ],
  },
  merge: { text: english.mergeTables, about: english.severalAnswersInOneTable, initial: {}, form: [] },
  groupBy: { text: english.groupBy, about: english.oneRowForRowsWithSame, initial: { fields: {} }, form: [{ path: 'fields', name: english.fields, kind: 'byField', form: AGGREGATION }] },
  sortBy: {
    text: english.sortBy,
    about: english.rowsByValuesOfField,
    initial: { sort: [{ field: '', desc: false }] },
    form: [{ path: 'sort', name: english.sortedBy, kind: 'list', item: 'field', initial: { field: '', desc: false }, form: [{ path: 'field', name: english.field, kind: 'field' }, { path: 'desc', name: english.largestFirst, kind: 'switch' }] }],
  },
  calculateField: {
    text: english.calculateField,
    about: english.fieldThatIsComputedFromOthers,
    initial: { mode: 'reduceRow', reduce: { reducer: 'sum' } },
    form: [
      { path: 'mode', name: english.how, kind: 'choice', otherwise: 'reduceRow', choices: choices({ reduceRow: english.fromFieldsOfRow, binary: english.fromTwoFields, unary: english.fromOneField, cumulativeFunctions: english.runningTotal, windowFunctions: english.movingAverage, index: english.numberOfRow }) },
      { path: 'reduce.include', name: english.fieldsNone, kind: 'fields', when: is('mode', 'reduceRow', undefined) },
      { path: 'reduce.reducer', name: english.calculation, kind: 'reducer', otherwise: 'sum', when: is('mode', 'reduceRow', undefined) },
      { path: 'binary.left', name: english.thisWord, kind: 'operand', when: is('mode', 'binary') },
      { path: 'binary.operator', name: english.operation, kind: 'choice', otherwise: '+', choices: ['+', '-', '*', '/'].map((value) => ({ value, text: value })), when: is('mode', 'binary') },
      { path: 'binary.right', name: english.andThis, kind: 'operand', when: is('mode', 'binary') },
      { path: 'unary.operator', name: english.operation, kind: 'choice', otherwise: 'abs', choices: choices({ abs: 'absolute', exp: english.eToPower, ln: english.naturalLogarithm, round: 'rounded', floor: english.roundedDown, ceil: english.roundedUp, percent: english.shareOfTotal }), when: is('mode', 'unary') },
      { path: 'unary.fieldName', name: english.field, kind: 'field', types: ['number'], when: is('mode', 'unary') },
      { path: 'cumulative.field', name: english.field, kind: 'field', types: ['number'], when: is('mode', 'cumulativeFunctions') },
      { path: 'cumulative.reducer', name: english.calculation, kind: 'choice', otherwise: 'sum', choices: choices({ sum: 'total', mean: 'mean' }), when: is('mode', 'cumulativeFunctions') },
      { path: 'window.field', name: english.field, kind: 'field', types: ['number'], when: is('mode', 'windowFunctions') },
      { path: 'window.reducer', name: english.calculation, kind: 'choice', otherwise: 'mean', choices: choices({ mean: 'mean', stdDev: english.standardDeviation, variance: 'variance' }), when: is('mode', 'windowFunctions') },
      { path: 'window.windowAlignment', name: english.window, kind: 'choice', otherwise: 'trailing', choices: choices({ trailing: english.beforeEachValue, centered: english.aroundEachValue }), when: is('mode', 'windowFunctions') },
      { path: 'window.windowSizeMode', name: english.itsSizeIs, kind: 'choice', otherwise: 'percentage', choices: choices({ percentage: english.shareOfAllRows, fixed: english.numberOfRows }), when: is('mode', 'windowFunctions') },
      { path: 'window.windowSize', name: english.size, kind: 'number', placeholder: '0.1', min: 0, when: is('mode', 'windowFunctions') },
      { path: 'index.asPercentile', name: english.asShareOfAllRows, kind: 'switch', when: is('mode', 'index') },
      { path: 'alias', name: english.itsName, kind: 'text', placeholder: english.byItself },
      { path: 'replaceFields', name: english.insteadOfAllOtherFields, kind: 'switch' },
    ],
  },
  labelsToFields: {
    text: english.labelsToFields,
    about: english.labelsOfSeriesBecomeFields,
    initial: { mode: 'columns' },
    form: [
      { path: 'mode', name: english.labelsBecome, kind: 'choice', otherwise: 'columns', choices: choices({ columns: 'columns', rows: 'rows' }) },
      { path: 'keepLabels', name: english.labelsNone, kind: 'labels' },
      { path: 'valueLabel', name: english.valueIsCalledBy, kind: 'label', when: is('mode', 'columns', undefined) },
    ],
  },
  reduce: {
    text: english.reduce,
    about: english.eachFieldToSingleValues,
    initial: { reducers: ['lastNotNull'] },
    form: [
      { path: 'mode', name: english.result, kind: 'choice', otherwise: 'seriesToRows', choices: choices({ seriesToRows: english.rowForEachField, reduceFields: english.rowForEachAnswer }) },
      { path: 'reducers', name: english.calculations, kind: 'reducers' },
      { path: 'labelsToFields', name: english.labelsAsFields, kind: 'switch', when: is('mode', 'seriesToRows', undefined) },
      { path: 'includeTimeField', name: english.timesToo, kind: 'switch', when: is('mode', 'reduceFields') },
    ],
  },
  filterFieldsByName: {
    text: english.filterFieldsByName,
    about: english.someOfFields,
    initial: { include: { names: [] } },
    form: [
      { path: 'byVariable', name: english.namedByVariable, kind: 'switch' },
      { path: 'include.variable', name: english.variable, kind: 'text', placeholder: '$fields', when: ({ byVariable }) => byVariable === true },
      { path: 'include.names', name: english.only, kind: 'fields', when: ({ byVariable }) => byVariable !== true },
      { path: 'include.pattern', name: english.onlyWhatMatches, kind: 'text', placeholder: '/^cpu/', when: ({ byVariable }) => byVariable !== true },
      { path: 'exclude.names', name: english.withoutText, kind: 'fields' },
      { path: 'exclude.pattern', name: english.withoutWhatMatches, kind: 'text', placeholder: '/^cpu/' },
    ],
  },
  filterByRefId: { text: english.filterByQuery, about: english.answersOfSomeQueries, initial: { include: 'A' }, form: [{ path: 'include', name: english.only, kind: 'queries' }, { path: 'exclude', name: english.withoutText, kind: 'queries' }] },
  filterByValue: {
    text: english.filterRowsByValues,
    about: english.rowsWhoseValuesPassSomeTests,
    initial: { type: 'include', match: 'any', filters: [] },
    form: [
      { path: 'type', name: english.rowsAre, kind: 'choice', otherwise: 'include', choices: choices({ include: 'kept', exclude: english.leftOut }) },
      { path: 'match', name: english.ifTheyPass, kind: 'choice', otherwise: 'any', choices: choices({ any: english.anyTest, all: english.allTests }) },
      {
        path: 'filters',
        name: english.tests,
        kind: 'list',
        item: 'test',
        initial: { fieldName: '', config: { id: 'greater', options: { value: 0 } } },
        form: [
          { path: 'fieldName', name: english.field, kind: 'field' },
          { path: 'config.id', name: english.comparison, kind: 'choice', choices: VALUE_TESTS },
          { path: 'config.options.value', name: english.value, kind: 'text', when: (options) => !['between', 'isNull', 'isNotNull'].includes(String(testOf(options))) },
          { path: 'config.options.from', name: english.fromLabel, kind: 'text', when: (options) => testOf(options) === 'between' },
          { path: 'config.options.to', name: english.toLabel, kind: 'text', when: (options) => testOf(options) === 'between' },
        ],
      },
    ],
  },
  limit: { text: english.limitRows, about: english.firstRows, initial: { limitField: 10 }, form: [{ path: 'limitField', name: english.rows, kind: 'number', step: 1, placeholder: '10' }] },
  renameByRegex: { text: english.renameByRegex, about: english.namesOfFieldsByPattern, initial: { regex: '(.*)', renamePattern: '$1' }, form: [{ path: 'regex', name: english.pattern, kind: 'text', placeholder: '/(.*)\\.rate/' }, { path: 'renamePattern', name: 'becomes', kind: 'text', placeholder: '$1' }] },
  seriesToRows: { text: english.seriesToRows, about: english.allSeriesInOneTable, initial: {}, form: [] },
  concatenate: {
    text: english.concatenate,
    about: english.allFieldsOfAllAnswersSide,
    initial: { frameNameMode: 'field', frameNameLabel: 'frame' },
    form: [
      { path: 'frameNameMode', name: english.answersName, kind: 'choice', otherwise: 'field', choices: choices({ field: english.goesToNameOfField, label: english.becomesLabel, drop: english.isDropped }) },
      { path: 'frameNameLabel', name: english.label, kind: 'text', placeholder: 'frame', when: is('frameNameMode', 'label') },
    ],
  },
  convertFieldType: {
    text: english.convertTypeOfFields,
    about: english.textsAsNumbersOrTimesNumbers,
    initial: { conversions: [], fields: {} },
    form: [
      {
        path: 'conversions',
        name: english.fields,
        kind: 'list',
        item: 'field',
        initial: { targetField: '', destinationType: 'number' },
        form: [
          { path: 'targetField', name: english.field, kind: 'field' },
          { path: 'destinationType', name: 'becomes', kind: 'choice', choices: choices({ number: 'number', string: 'text', time: 'time', boolean: english.trueOrFalse, enum: english.oneOfSomeNames, other: english.whatItsJsonSays }) },
          { path: 'dateFormat', name: english.patternOfTime, kind: 'text', placeholder: 'YYYY-MM-DD HH:mm:ss', when: is('destinationType', 'time', 'string') },
          { path: 'timezone', name: english.timeZone, kind: 'text', placeholder: english.thatOfDashboard, when: is('destinationType', 'time', 'string') },
          { path: 'joinWith', name: english.listsAreJoinedWith, kind: 'text', placeholder: ', ', when: is('destinationType', 'string') },
        ],
      },
    ],
  },
  histogram: {
    text: english.histogram,
    about: english.howManyValuesFallInto,
    initial: {},
    form: [
      { path: 'bucketCount', name: english.aboutSoManyBuckets, kind: 'number', min: 1, step: 1, placeholder: '30' },
      { path: 'bucketSize', name: english.orOfThisSize, kind: 'number', min: 0, placeholder: 'auto' },
      { path: 'bucketOffset', name: english.firstBeginsAt, kind: 'number', placeholder: '0' },
      { path: 'combine', name: english.allSeriesTogether, kind: 'switch' },
    ],
  },
  rowsToFields: { text: english.rowsToFields, about: english.eachRowBecomesField, initial: {}, form: [{ path: 'mappings', name: english.whatFieldsAreFor, kind: 'list', item: 'field', initial: { fieldName: '', handlerKey: 'field.name' }, form: [{ path: 'fieldName', name: english.field, kind: 'field' }, { path: 'handlerKey', name: english.isWord, kind: 'choice', choices: MEANINGS }] }] },
  configFromData: {
    text: english.configurationFromQuery,
    about: english.oneAnswerSaysUnitBounds,
    initial: { configRefId: 'A', mappings: [] },
    form: [
      { path: 'configRefId', name: english.queryWithConfiguration, kind: 'query' },
      { path: 'applyTo', name: english.itIsFor, kind: 'matcher' },
      { path: 'mappings', name: english.whatItsFieldsAre, kind: 'list', item: 'field', initial: { fieldName: '', handlerKey: 'max' }, form: [{ path: 'fieldName', name: english.field, kind: 'field' }, { path: 'handlerKey', name: english.isWord, kind: 'choice', choices: MEANINGS }, { path: 'reducerId', name: english.byIts, kind: 'reducer', otherwise: 'lastNotNull' }] },
    ],
  },
  prepareTimeSeries: { text: english.prepareTimeSeries, about: english.forPanelsThatWantSeries, initial: { format: 'many' }, form: [{ path: 'format', name: english.form, kind: 'choice', otherwise: 'wide', choices: choices({ wide: english.oneWideTable, multi: english.tableForEachSeries, many: english.tableForEachSeriesOlderName, long: english.oneLongTable }) }] },
  partitionByValues: {
    text: english.partitionByValues,
    about: english.tableForEachValueOfSome,
    initial: { fields: [] },
    form: [
      { path: 'fields', name: english.fields, kind: 'fields' },
      { path: 'keepFields', name: english.theseFieldsStay, kind: 'switch' },
      { path: 'naming.asLabels', name: english.valuesBecomeLabels, kind: 'switch', otherwise: true },
      { path: 'naming.withNames', name: english.withNamesOfFields, kind: 'switch', when: ({ naming }) => (naming as Options | undefined)?.['asLabels'] === false },
      { path: 'naming.append', name: english.afterAnswersName, kind: 'switch', when: ({ naming }) => (naming as Options | undefined)?.['asLabels'] === false },
    ],
  },
  groupingToMatrix: {
    text: english.groupingToMatrix,
    about: english.rowForEachValueOfOne,
    initial: { columnField: '', rowField: '', valueField: '' },
    form: [
      { path: 'columnField', name: english.columns, kind: 'field' },
      { path: 'rowField', name: english.rows, kind: 'field' },
      { path: 'valueField', name: english.values, kind: 'field' },
      { path: 'emptyValue', name: english.whereThereIsNone, kind: 'choice', otherwise: '', choices: EMPTY },
    ],
  },
  extractFields: {
    text: english.extractFields,
    about: english.fieldsOutOfTexts,
    initial: { source: '', format: 'auto' },
    form: [
      { path: 'source', name: english.outOf, kind: 'field' },
      { path: 'format', name: english.whichIs, kind: 'choice', otherwise: 'auto', choices: choices({ auto: english.jsonOrKeyValue, json: 'JSON', kvp: 'key=value', delimiter: english.list, regexp: english.byPattern }) },
      { path: 'delimiter', name: english.betweenItsParts, kind: 'text', placeholder: ',', when: is('format', 'delimiter') },
      { path: 'regExp', name: english.patternWithNamedGroups, kind: 'text', placeholder: '/(?<name>.*)/', when: is('format', 'regexp') },
      { path: 'jsonPaths', name: english.parts, kind: 'list', item: 'part', initial: { path: '' }, form: [{ path: 'path', name: english.path, kind: 'text', placeholder: 'a.b[0]' }, { path: 'alias', name: english.name, kind: 'text' }], when: is('format', 'json') },
      { path: 'replace', name: english.insteadOfAllOtherFields, kind: 'switch' },
      { path: 'keepTime', name: english.timeStays, kind: 'switch', when: ({ replace }) => replace === true },
    ],
  },
  formatTime: { text: english.formatTime, about: english.timeAsText, initial: { timeField: '', outputFormat: 'YYYY-MM-DD HH:mm' }, form: [{ path: 'timeField', name: english.field, kind: 'field', types: ['time'] }, formatted, { path: 'timezone', name: english.timeZone, kind: 'text', placeholder: english.thatOfDashboard }] },
  formatString: {
    text: english.formatText,
    about: english.upperCaseLowerCasePart,
    initial: { stringField: '', outputFormat: english.upperCase },
    form: [
      { path: 'stringField', name: english.field, kind: 'field', types: ['string'] },
      { path: 'outputFormat', name: english.form, kind: 'choice', otherwise: english.upperCase, choices: [english.upperCase, english.lowerCase, english.sentenceCase, english.titleCase, english.pascalCase, english.camelCase, english.snakeCase, english.kebabCase, 'Trim', 'Substring'].map((value) => ({ value, text: value })) },
      { path: 'substringStart', name: english.fromLabel, kind: 'number', step: 1, min: 0, placeholder: '0', when: is('outputFormat', 'Substring') },
      { path: 'substringEnd', name: english.toLabel, kind: 'number', step: 1, min: 0, placeholder: english.itsEnd, when: is('outputFormat', 'Substring') },
    ],
  },
  groupToNestedTable: {
    text: english.groupToNestedTable,
    about: english.rowForEachGroup,
    initial: { fields: {} },
    form: [
      { path: 'fields', name: english.fields, kind: 'byField', form: AGGREGATION, when: ({ rules }) => !Array.isArray(rules) },
      { path: 'rules', name: english.fields, kind: 'list', item: 'rule', initial: { matcher: { id: 'byName', options: '' }, operation: 'groupby' }, form: [{ path: 'matcher', name: english.fields, kind: 'matcher' }, ...AGGREGATION, { path: 'keepNestedField', name: english.alsoInTableBelow, kind: 'switch', when: is('operation', 'aggregate') }], when: ({ rules }) => Array.isArray(rules) },
      { path: 'showSubframeHeaders', name: english.tablesBelowHaveHead, kind: 'switch', otherwise: true },
      { path: 'expandAllRows', name: english.allAreOpen, kind: 'switch' },
    ],
  },
  timeSeriesTable: { text: english.timeSeriesToATable, about: english.rowForEachSeriesWithLine, initial: {}, form: [{ path: '', name: english.queriesText, kind: 'byQuery', form: [{ path: 'stat', name: english.sortedByIts, kind: 'reducer', otherwise: 'lastNotNull' }, { path: 'timeField', name: english.time, kind: 'field', types: ['time'] }] }] },
  transpose: { text: english.transpose, about: english.rowsBecomeColumns, initial: {}, form: [{ path: 'firstFieldName', name: english.nameOfFirstColumn, kind: 'text', placeholder: english.field }, { path: 'restFieldsName', name: english.nameOfOthers, kind: 'text', placeholder: english.value }] },
  heatmap: {
    text: english.heatmapText,
    about: english.howManyValuesFallIntoWhich,
    initial: {},
    form: [
      ...(['x', 'y'] as const).flatMap((axis): FormField[] => [
        { path: `${axis}Buckets.mode`, name: axis === 'x' ? english.cellsOfTime : english.cellsOfValues, kind: 'choice', otherwise: 'count', choices: choices({ size: english.ofSize, count: english.soMany }) },
        { path: `${axis}Buckets.value`, name: english.sizeOrNumber, kind: 'text', placeholder: 'auto' },
      ]),
      { path: 'yBuckets.scale.type', name: english.scaleOfValues, kind: 'choice', otherwise: 'linear', choices: choices({ linear: 'linear', log: 'logarithmic' }) },
      { path: 'keepOriginalData', name: english.whatWasThereStays, kind: 'switch' },
    ],
  },
  joinByLabels: { text: english.joinByLabels, about: english.columnForEachValueOfLabel, initial: { value: '' }, form: [{ path: 'value', name: english.labelWhoseValuesBecomeColumns, kind: 'label' }, { path: 'join', name: 'Rows by (none: all labels)', kind: 'labels' }] },
  smoothing: { text: english.smoothing, about: english.linesWithoutNoise, initial: {}, form: [{ path: 'resolution', name: english.aboutSoManyPoints, kind: 'number', min: 2, step: 1, placeholder: 'auto' }] },
  regression: {
    text: english.trendLine,
    about: english.lineThroughPoints,
    initial: { modelType: 'linear' },
    form: [
      { path: 'modelType', name: english.line, kind: 'choice', otherwise: 'linear', choices: choices({ linear: 'straight', polynomial: 'curved' }) },
      { path: 'degree', name: english.degree, kind: 'number', min: 2, step: 1, placeholder: '2', when: is('modelType', 'polynomial') },
      { path: 'predictionCount', name: english.points, kind: 'number', min: 2, step: 1, placeholder: '100' },
      { path: 'xFieldName', name: english.along, kind: 'field' },
      { path: 'yFieldName', name: english.ofWord, kind: 'field', types: ['number'] },
    ],
  },
  filterFields: { text: english.filterFields, about: english.someOfFieldsByNameType, initial: { include: { id: 'byType', options: 'number' } }, form: [{ path: 'include', name: english.only, kind: 'matcher' }, { path: 'exclude', name: english.withoutText, kind: 'matcher' }] },
  order: { text: english.orderFields, about: english.ofOneTable, initial: { indexByName: {} }, form: [{ path: '', name: english.fields, kind: 'arrange', parts: ['order'] }] },
  rename: { text: english.renameFields, about: english.ofOneTable, initial: { renameByName: {} }, form: [{ path: '', name: english.fields, kind: 'arrange', parts: ['rename'] }] },
  append: { text: english.appendRows, about: english.allRowsOfAllAnswersBelow, initial: {}, form: [] },
  ensureColumns: { text: english.oneTableOfSeries, about: english.seriesThatAllHaveTime, initial: {}, form: [] },
};

/** Older names of these. */
const OLDER: Record<string, string> = { seriesToColumns: 'joinByField', addFieldFromCalculation: 'calculateField' };

/** Undefined for a transformation that has no form: its options are JSON. */
export const transformForm = (id: string): TransformForm | undefined => (Object.hasOwn(TRANSFORM_FORMS, OLDER[id] ?? id) ? TRANSFORM_FORMS[OLDER[id] ?? id] : undefined);
