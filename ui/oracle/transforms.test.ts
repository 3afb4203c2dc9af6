import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { firstValueFrom } from 'rxjs';
import type { Transformation } from '../src/dashboard/model.ts';
import { fieldName } from '../src/fields/names.ts';
import type { Field, Frame } from '../src/frames/frame.ts';
import { transformFrames, transformations } from '../src/transforms/index.ts';
import { field, frameSets } from './frames.ts';
import { oracle } from './oracle.ts';

oracle.standardTransformersRegistry.setInit(() => {
  const unique = new Map<string, { id: string; name: string; aliasIds?: string[] }>();
  for (const one of Object.values(oracle.standardTransformers) as { id: string; name: string; aliasIds?: string[] }[]) unique.set(one.id, one);
  return [...unique.values()].map((one) => ({ id: one.id, name: one.name, aliasIds: one.aliasIds, transformation: () => Promise.resolve(one), imageDark: '', imageLight: '', editor: () => null }));
});

const context = { interpolate: (text: string): string => text.replace('$names', 'pod,Value #B') };

/** What can be seen of frames, without the difference between nothing and nothing said. */
function facts(frames: readonly Frame[], nameOf: (one: Field, frame: Frame, frames: readonly Frame[]) => string, deep = true): unknown {
  return frames.map((frame) => ({
    name: frame.name ?? null,
    refId: frame.refId ?? null,
    length: frame.length,
    fields: frame.fields.map((one) => {
      const { displayName: _, ...config } = one.config;
      return {
        shown: nameOf(one, frame, frames),
        name: one.name,
        type: one.type,
        labels: one.labels && Object.keys(one.labels).length > 0 ? Object.fromEntries(Object.entries(one.labels).map(([key, value]) => [key, String(value)])) : null,
        config: JSON.parse(JSON.stringify(config)),
        values: one.values.map((value) => {
          if (deep && one.type === 'nestedFrames') return facts(value as Frame[], nameOf, false);
          if (typeof value === 'number') return Number.isFinite(value) ? Number(value.toPrecision(12)) : String(value);
          return value ?? null;
        }),
      };
    }),
  }));
}

async function compare(frames: readonly Frame[], list: readonly Transformation[]): Promise<void> {
  const theirs: Frame[] = await firstValueFrom(oracle.transformDataFrame(structuredClone(list), structuredClone(frames), context));
  const given = structuredClone(frames) as Frame[];
  const ours = transformFrames(given, structuredClone(list) as Transformation[], context);
  expect(facts(ours, fieldName)).toEqual(facts(theirs, oracle.getFieldDisplayName));
  // What was given is as it was.
  expect(given).toEqual(frames);
}

const of = (id: string, options: Record<string, unknown> = {}): Transformation => ({ id, options });

describe('the pipelines of the default dashboards', () => {
  const folder = resolve(process.env.PROMONTORY_CONFORMANCE ?? resolve(import.meta.dirname, '../../../shared/conformance'), 'mixins/dashboards');
  if (!existsSync(folder)) {
    test('conformance data', ({ skip }) => {
      if (process.env.CI) throw new Error(`missing: ${folder}`);
      skip(`missing: ${folder}`);
    });
    return;
  }
  const pipelines = new Map<string, Transformation[]>();
  const visit = (panel: { transformations?: Transformation[]; panels?: unknown[]; title?: string }): void => {
    if (panel.transformations?.length) pipelines.set(JSON.stringify(panel.transformations), panel.transformations);
    for (const inner of panel.panels ?? []) visit(inner as typeof panel);
  };
  for (const file of readdirSync(folder)) visit(JSON.parse(readFileSync(resolve(folder, file), 'utf8')));
  test('there are some', () => expect(pipelines.size).toBeGreaterThan(20));
  for (const [key, list] of pipelines) {
    // Tables such as the panel's queries give: one for each value that the pipeline names, by the field it joins or groups by.
    const letters = [...new Set(key.match(/Value #[A-Z]/g) ?? [])].map((name) => name.at(-1)!).sort();
    const by = (list.find(({ id }) => id === 'joinByField')?.options['byField'] as string | undefined) ?? (key.includes('mountpoint') ? 'mountpoint' : 'pod');
    const tables = letters.map((letter, index): Frame => {
      const rows = ['a', 'b', 'c', 'd'].slice(index % 2, 4 - (index % 3 === 2 ? 1 : 0));
      const extra = key.includes('workload_type') ? [field('workload_type', 'string', rows.map((row) => (row === 'a' ? 'deployment' : 'daemonset')))] : [];
      const fields = [field('Time', 'time', rows.map(() => 1_700_000_000_000)), field(by, 'string', [...rows]), ...extra, field(`Value #${letter}`, 'number', rows.map((_, row) => (row + 1) * (index + 1)))];
      return { refId: letter, fields, length: rows.length };
    });
    for (const [name, frames] of [['tables', tables] as const, ...Object.entries(frameSets)]) {
      test(`${list.map(({ id }) => id).join(' ')} of ${name}`, () => compare(frames, list.map((one) => ({ ...one, options: one.options ?? {} }))));
    }
  }
});

const names = { pod: 'Pod', 'Value #A': 'CPU', 'Value #B': 'Memory', Value: 'v', 'workload_type 1': 'Type' };
const CASES: Record<string, Record<string, unknown>[]> = {
  organize: [
    {},
    { excludeByName: { Time: true, 'Value #C': true }, indexByName: { pod: 2, 'Value #A': 0 }, renameByName: names },
    { includeByName: { pod: true, 'Value #A': true, name: true, n: true }, renameByName: { n: 'N', name: '' } },
    { orderByMode: 'auto', orderBy: [{ type: 'name', desc: true }] },
    { orderByMode: 'auto', orderBy: [{ type: 'label', name: 'mode' }, { type: 'name' }] },
  ],
  order: [{ indexByName: { m: 0, n: 1 } }],
  rename: [{ renameByName: names }],
  joinByField: [
    {},
    { byField: 'pod' },
    { byField: 'pod', mode: 'outer' },
    { byField: 'pod', mode: 'inner' },
    { byField: 'pod', mode: 'outerTabular' },
    { byField: 'mountpoint', mode: 'outerTabular' },
    { byField: 'mountpoint', mode: 'outer' },
    { byField: 'workload', mode: 'inner' },
    { byField: 'Time', mode: 'outer' },
    { byField: 'Time', mode: 'inner' },
    { byField: 'nobody' },
  ],
  seriesToColumns: [{ byField: 'Time' }, { byField: 'workload' }],
  merge: [{}],
  groupBy: [
    {},
    { fields: { pod: { operation: 'groupby', aggregations: [] }, 'Value #A': { operation: 'aggregate', aggregations: ['sum', 'lastNotNull', 'count'] } } },
    { fields: { name: { operation: 'groupby', aggregations: ['count'] }, n: { operation: 'aggregate', aggregations: ['mean', 'allIsNull', 'p90', 'uniqueValues'] }, at: { operation: 'aggregate', aggregations: ['max', 'first'] } } },
    { fields: { mountpoint: { operation: 'groupby' }, 'Value #A': { operation: 'aggregate', aggregations: ['max'] }, 'Value #B': { operation: 'aggregate', aggregations: ['min'] }, device: { operation: 'aggregate', aggregations: ['distinctCount'] } } },
    { fields: { Time: { operation: 'groupby', aggregations: [] }, Value: { operation: 'aggregate', aggregations: ['lastNotNull'] } } },
  ],
  sortBy: [
    {},
    { sort: [{ field: 'n' }] },
    { sort: [{ field: 'n', desc: true }] },
    { sort: [{ field: 'name' }] },
    { sort: [{ field: 'name', desc: true }] },
    { sort: [{ field: 'on' }] },
    { sort: [{ field: 'at', desc: true }] },
    { sort: [{ field: 'Value #A', desc: true }] },
    { sort: [{ field: 'nobody' }] },
  ],
  calculateField: [
    {},
    { mode: 'reduceRow', reduce: { reducer: 'mean' }, alias: 'm' },
    { mode: 'reduceRow', reduce: { reducer: 'last', include: ['n', 'm', 'Value #A'] }, replaceFields: true },
    { mode: 'reduceRow', reduce: { reducer: 'p50', include: ['n', 'm'] } },
    { mode: 'binary', binary: { left: 'n', operator: '*', right: 'm' } },
    { mode: 'binary', binary: { left: 'n', operator: '/', right: '2' }, alias: 'half' },
    { mode: 'binary', binary: { left: { matcher: { id: 'byName', options: 'n' } }, operator: '-', right: { fixed: '1' } } },
    { mode: 'binary', binary: { left: { matcher: { id: 'byType', options: 'number' } }, operator: '+', right: { fixed: '10' } } },
    { mode: 'binary', binary: { left: { matcher: { id: 'byType', options: 'number' } }, operator: '+', right: 'm' }, replaceFields: true },
    { mode: 'binary', binary: { left: 'Value #A', operator: '-', right: 'Value #B' }, alias: 'Used', timeSeries: false },
    { mode: 'binary', binary: { left: 'on', operator: '+', right: 'n' } },
    { mode: 'binary', binary: { left: 'nobody', operator: '+', right: 'n' }, replaceFields: true },
    ...['abs', 'exp', 'ln', 'round', 'floor', 'ceil', 'percent'].map((operator) => ({ mode: 'unary', unary: { operator, fieldName: 'n' } })),
    { mode: 'index' },
    { mode: 'index', index: { asPercentile: true }, alias: 'part', replaceFields: true },
    { mode: 'cumulativeFunctions', cumulative: { reducer: 'sum', field: 'n' } },
    { mode: 'cumulativeFunctions', cumulative: { reducer: 'mean' } },
    ...['trailing', 'centered'].flatMap((windowAlignment) =>
      ['mean', 'stdDev', 'variance'].flatMap((reducer) =>
        [{ windowSize: 2, windowSizeMode: 'fixed' }, { windowSize: 3, windowSizeMode: 'fixed' }, { windowSize: 0.5, windowSizeMode: 'percentage' }].map((window) => ({ mode: 'windowFunctions', window: { ...window, reducer, windowAlignment, field: 'n' } })),
      ),
    ),
  ],
  labelsToFields: [{}, { mode: 'columns', keepLabels: ['instance', 'cpu'] }, { mode: 'columns', valueLabel: 'mode' }, { mode: 'rows' }, { mode: 'rows', keepLabels: ['job', 'instance'] }],
  reduce: [
    {},
    { reducers: ['mean', 'lastNotNull', 'allIsNull'] },
    { reducers: ['max'], labelsToFields: true },
    { reducers: ['min', 'count'], mode: 'reduceFields' },
    { reducers: ['first'], mode: 'reduceFields', includeTimeField: true },
    { reducers: ['sum'], fields: { id: 'numeric' } },
    { reducers: [] },
  ],
  filterFieldsByName: [{}, { include: { names: ['pod', 'n'] } }, { exclude: { names: ['Time'] } }, { include: { pattern: '/^Value/' } }, { include: { pattern: '/^p/', names: ['Time'] } }, { byVariable: true, include: { variable: '$names' } }],
  filterFields: [{}, { include: { id: 'byType', options: 'number' } }, { exclude: { id: 'byRegexp', options: '/e/' } }],
  filterByRefId: [{}, { include: 'A' }, { exclude: 'B' }, { include: '/A|C/' }, { include: 'A|C' }],
  filterFrames: [{}, { include: { id: 'byName', options: 'up' } }],
  filterByValue: [
    {},
    ...[
      ['greater', { value: 1 }],
      ['greaterOrEqual', { value: 2.5 }],
      ['lower', { value: 3 }],
      ['lowerOrEqual', { value: 0 }],
      ['equal', { value: 5 }],
      ['notEqual', { value: '5' }],
      ['between', { from: -2, to: 3 }],
      ['isNull', {}],
      ['isNotNull', {}],
      ['regex', { value: '^[0-9]$' }],
    ].flatMap(([id, options]) => [
      { type: 'include', match: 'all', filters: [{ fieldName: 'n', config: { id, options } }] },
      { type: 'exclude', match: 'any', filters: [{ fieldName: 'n', config: { id, options } }, { fieldName: 'm', config: { id: 'greater', options: { value: 4 } } }] },
      { type: 'include', match: 'any', filters: [{ fieldName: 'Value #A', config: { id, options } }, { fieldName: 'm', config: { id: 'lower', options: { value: 3 } } }] },
    ]),
    { type: 'include', match: 'any', filters: [{ fieldName: 'name', config: { id: 'substring', options: { value: 'X' } } }] },
    { type: 'include', match: 'any', filters: [{ fieldName: 'name', config: { id: 'notSubstring', options: { value: 'x' } } }] },
  ],
  limit: [{}, { limitField: 2 }, { limitField: '1' }, { limitField: 0 }],
  renameByRegex: [{}, { regex: '(.*) #(.*)', renamePattern: '$2 of $1' }, { regex: '/^V/', renamePattern: 'W' }, { regex: '/a (?<what>\\w+)/', renamePattern: '$1' }],
  seriesToRows: [{}],
  concatenate: [{}, { frameNameMode: 'drop' }, { frameNameMode: 'label', frameNameLabel: 'of' }, { frameNameMode: 'field' }],
  convertFieldType: [
    { conversions: [{ targetField: 'n', destinationType: 'string' }, { targetField: 'name', destinationType: 'string' }, { targetField: 'on', destinationType: 'number' }] },
    { conversions: [{ targetField: 'm', destinationType: 'time' }, { targetField: 'n', destinationType: 'boolean' }] },
    { conversions: [{ targetField: 'at', destinationType: 'string', dateFormat: 'YYYY/MM/DD', timezone: 'utc' }] },
    { conversions: [{ targetField: 'm', destinationType: 'time', dateFormat: 'X' }] },
    { conversions: [{ targetField: 'name', destinationType: 'enum', enumConfig: { text: ['y', 'x'] } }] },
    { conversions: [{ targetField: 'name', destinationType: 'number' }, { targetField: 'n', destinationType: 'other' }] },
    { conversions: [] },
  ],
  convertFrameType: [{ targetType: 'exemplar' }],
  formatTime: [{ timeField: 'at', outputFormat: 'YYYY-MM-DD HH:mm', timezone: 'utc' }, { timeField: 'Time', outputFormat: 'DD MMM', timezone: 'Asia/Tokyo' }],
  formatString: ['Upper Case', 'Lower Case', 'Sentence Case', 'Title Case', 'Pascal Case', 'Camel Case', 'Snake Case', 'Kebab Case', 'Trim'].map((outputFormat) => ({ stringField: 'branch', outputFormat })).concat([{ stringField: 'job', outputFormat: 'Substring', substringStart: 1, substringEnd: 4 } as never]),
  groupingToMatrix: [{}, { columnField: 'mountpoint', rowField: 'device', valueField: 'Value #A' }, { columnField: 'name', rowField: 'at', valueField: 'n', emptyValue: 'null' }, { columnField: 'm', rowField: 'name', valueField: 'n', emptyValue: 'zero' }],
  groupToNestedTable: [
    { fields: { name: { operation: 'groupby', aggregations: [] }, n: { operation: 'aggregate', aggregations: ['max', 'last'] } } },
    { rules: [{ matcher: { id: 'byName', options: 'mountpoint' }, operation: 'groupby' }, { matcher: { id: 'byRegexp', options: '/^Value/' }, operation: 'aggregate', aggregations: ['sum'], keepNestedField: true }], expandAllRows: true },
  ],
  transpose: [{}, { firstFieldName: 'What', restFieldsName: 'Is' }, { emptyValue: 'null' }],
  histogram: [{}, { bucketSize: 2 }, { bucketSize: '0.5', combine: true }, { bucketSize: 3, bucketOffset: 1 }, { combine: true }],
  ensureColumns: [{}],
  noop: [{}],
};

/** Where Grafana gives what nobody can want, ours is another. */
function apart(id: string, options: Record<string, unknown>, set: string): boolean {
  const lengths = new Set(frameSets[set]!.map(({ length }) => length));
  switch (id) {
    case 'groupingToMatrix':
    case 'transpose':
      // A column for a value that is null has no name there.
      return set === 'mixed' && options['emptyValue'] === 'null';
    case 'reduce':
      // The result of a field without values is nothing there, and no number here.
      return set === 'empty';
    case 'filterByValue':
      // Of frames of other lengths than the first, the rows that are left are miscounted there.
      return options['type'] === 'exclude' && lengths.size > 1;
    case 'histogram':
      // Where all values are equal, the bucket ends at NaN there.
      return set === 'empty' || (set === 'builds' && options['bucketSize'] === undefined);
    default:
      return false;
  }
}

describe('every transformation gives what Grafana gives', () => {
  for (const [id, all] of Object.entries(CASES)) {
    for (const [index, options] of all.entries()) {
      test(`${id} ${index} ${JSON.stringify(options).slice(0, 120)}`, async () => {
        for (const [set, frames] of Object.entries(frameSets)) {
          if (apart(id, options, set)) continue;
          await compare(frames, [of(id, options)]).catch((error: Error) => {
            error.message = `${set}: ${error.message}`;
            throw error;
          });
        }
      });
    }
  }
});

test('transformations one after another keep the names that people saw', async () => {
  const lists: Transformation[][] = [
    [of('joinByField', { byField: 'pod' }), of('organize', { excludeByName: { 'Time 1': true, 'Time 2': true }, renameByName: { 'Time 3': 'When', 'Value #A': 'CPU' } })],
    [of('joinByField', { byField: 'workload' }), of('organize', { excludeByName: { 'workload_type 2': true, 'workload_type 3': true }, renameByName: { 'workload_type 1': 'Type' } }), of('sortBy', { sort: [{ field: 'Type' }] })],
    [of('merge'), of('calculateField', { mode: 'binary', binary: { left: 'Value #A', operator: '/', right: 'Value #B' }, alias: 'ratio' }), of('filterByValue', { type: 'include', match: 'all', filters: [{ fieldName: 'ratio', config: { id: 'greater', options: { value: 1 } } }] })],
    [of('labelsToFields'), of('merge'), of('organize', { renameByName: { instance: 'Instance', Value: 'Load' } }), of('groupBy', { fields: { Instance: { operation: 'groupby' }, Load: { operation: 'aggregate', aggregations: ['mean'] } } })],
    [of('reduce', { reducers: ['mean', 'max'] }), of('sortBy', { sort: [{ field: 'Max', desc: true }] }), of('limit', { limitField: 2 })],
    [of('renameByRegex', { regex: '(.*)', renamePattern: 'x $1' }), of('filterFieldsByName', { include: { pattern: '/^x/' } })],
    [of('concatenate'), of('organize', { excludeByName: { Time: true } })],
  ];
  for (const list of lists) for (const [set, frames] of Object.entries(frameSets)) if (!apart(list[0]!.id, list[0]!.options, set)) await compare(frames, list).catch((error: Error) => Promise.reject(new Error(`${set} ${list.map(({ id }) => id).join(' ')}: ${error.message}`)));
});

test('a transformation may be for some frames only, or for none', async () => {
  for (const filter of [{ id: 'byRefId', options: 'A' }, { id: 'byRefId', options: 'B' }, { id: 'byRefId', options: '/B|C/' }]) {
    await compare(frameSets['tables']!, [{ ...of('organize', { renameByName: { pod: 'Pod' } }), filter }]);
    await compare(frameSets['legends']!, [{ ...of('merge'), filter }]);
  }
  await compare(frameSets['tables']!, [{ ...of('merge'), disabled: true }]);
});

test('everything that is compared is offered', () => {
  const offered = new Set(transformations.map(({ id }) => id));
  for (const id of Object.keys(CASES)) if (id !== 'seriesToColumns') expect(offered, id).toContain(id);
  const standard: { id: string }[] = Object.values(oracle.standardTransformers);
  for (const { id } of standard) expect(offered, id).toContain(id);
  // What @grafana/data has, is compared.
  for (const { id } of standard) expect(Object.keys(CASES), id).toContain(id);
});
