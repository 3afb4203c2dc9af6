/** Fields that are computed from others. */
import type { Matcher } from '../dashboard/model.ts';
import * as english from '../english/transforms.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { fieldMatcher } from '../fields/matchers.ts';
import { fieldName } from '../fields/names.ts';
import { findReducer, reduceValues } from '../fields/reduce.ts';
import { ensureColumns } from './join.ts';
import { fieldOf, isNone, numberOr, record, textOr, texts, timeOf, TransformError, type Options, type Transform } from './transform.ts';

/** The values of a new field of a frame; undefined if it has not what they are made of. */
type Values = (frame: Frame, frames: readonly Frame[]) => unknown[] | undefined;

const BINARY: Record<string, (a: number, b: number) => number> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
};

const UNARY: Record<string, (value: number, total: number) => number> = {
  abs: Math.abs,
  exp: Math.exp,
  ln: Math.log,
  round: Math.round,
  floor: Math.floor,
  ceil: Math.ceil,
  percent: (value, total) => value / (total || 1),
};

export const calculateField: Transform = (given, options, context) => {
  const mode = textOr(options['mode'], 'reduceRow');
  const right = record(options['binary'])['right'];
  const constant = typeof right === 'string' ? right : record(right)['fixed'];
  // With a constant every frame can be computed alone; otherwise series become one table first.
  const alone = mode === 'binary' && !Number.isNaN(Number(constant));
  const frames = options['timeSeries'] !== false && !alone ? ensureColumns(given, {}, context) : given;

  if (mode === 'index') return frames.map((frame) => rowNumbers(frame, options));
  const operands = mode === 'binary' ? operandsOf(record(options['binary']), frames) : undefined;
  if (operands?.left.matcher?.id === 'byType') return frames.flatMap((frame) => everyOfType(frame, frames, operands, options));

  const values = valuesOf(mode, options, operands);
  const name = textOr(options['alias'], undefined) ?? nameOf(mode, options, operands);
  return frames.flatMap((frame) => {
    const computed = values(frame, frames);
    if (!computed) return options['replaceFields'] ? [] : [frame];
    const field = fieldOf(name, 'number', computed);
    if (options['alias']) field.config.displayName = String(options['alias']);
    if (!options['replaceFields']) return [{ ...frame, fields: [...frame.fields, field] }];
    const time = options['timeSeries'] === false ? undefined : timeOf(frame);
    return [{ ...frame, fields: time ? [time, field] : [field] }];
  });
};

function valuesOf(mode: string, options: Options, operands: Operands | undefined): Values {
  switch (mode) {
    case 'reduceRow':
      return reducedRows(record(options['reduce']));
    case 'binary':
      return (frame, frames) => computed(operands!, frame, frames);
    case 'unary':
      return unary(record(options['unary']));
    case 'cumulativeFunctions':
      return cumulative(record(options['cumulative']));
    case 'windowFunctions':
      return windowed(record(options['window']));
    default:
      throw new TransformError(english.noSuchMode(JSON.stringify(mode)));
  }
}

function rowNumbers(frame: Frame, options: Options): Frame {
  const part = Boolean(record(options['index'])['asPercentile']);
  const rows = Array.from({ length: frame.length }, (_, row) => (part ? row / frame.length : row));
  const field: Field = { ...fieldOf(typeof options['alias'] === 'string' ? options['alias'] : 'Row', 'number', rows), config: part ? { unit: 'percentunit' } : {} };
  return { ...frame, fields: options['replaceFields'] ? [field] : [...frame.fields, field] };
}

interface Operand {
  fixed?: unknown;
  matcher?: Matcher;
}

interface Operands {
  left: Operand;
  right: Operand;
  operator: string;
}

/** Fields are named by texts, unless these are numbers and no field is called so. */
function operandsOf(binary: Options, frames: readonly Frame[]): Operands {
  const names = new Set(frames.flatMap(({ fields }) => fields.map(({ name }) => name)));
  const operand = (value: unknown): Operand => {
    if (typeof value !== 'string') return isNone(value) ? { fixed: '' } : (value as Operand);
    return Number.isNaN(Number(value)) || names.has(value) ? { matcher: { id: 'byName', options: value } } : { fixed: value };
  };
  return { left: operand(binary['left']), right: operand(binary['right']), operator: textOr(binary['operator'], '+') };
}

function operandValues({ fixed, matcher }: Operand, frame: Frame, frames: readonly Frame[]): unknown[] | undefined {
  if (matcher?.id === 'byName') {
    const field = frame.fields.find((one) => fieldName(one, frame, frames) === (matcher.options ?? ''));
    if (field) return field.type === 'boolean' ? field.values.map(Number) : field.values;
  }
  const constant = numberOr(fixed ?? matcher?.options, undefined);
  return constant === undefined ? undefined : Array.from({ length: frame.length }, () => constant);
}

function applied(operator: string, left: unknown[] | undefined, right: unknown[] | undefined): unknown[] | undefined {
  const operation = BINARY[operator];
  return left && right && operation ? left.map((value, row) => operation(value as number, right[row] as number)) : undefined;
}

const computed = ({ left, right, operator }: Operands, frame: Frame, frames: readonly Frame[]): unknown[] | undefined =>
  applied(operator, operandValues(left, frame, frames), operandValues(right, frame, frames));

/** The operation with each field of a type, each into a field of its own. */
function everyOfType(frame: Frame, frames: readonly Frame[], operands: Operands, options: Options): Frame[] {
  const time = options['timeSeries'] === false ? undefined : timeOf(frame);
  const fields: Field[] = time ? [time] : [];
  const right = operandValues(operands.right, frame, frames);
  let added = false;
  for (const field of frame.fields) {
    if (!options['replaceFields'] && field !== time) fields.push(field);
    if (field.type !== operands.left.matcher!.options) continue;
    const values = applied(operands.operator, field.values, right);
    if (!values) continue;
    added = true;
    const { state: _, ...rest } = field;
    fields.push({ ...rest, name: `${field.name} ${operands.operator} ${String(operands.right.matcher?.options ?? operands.right.fixed)}`, values });
  }
  return options['replaceFields'] && !added ? [] : [{ ...frame, fields }];
}

function reducedRows(reduce: Options): Values {
  const id = textOr(reduce['reducer'], 'sum');
  if (!findReducer(id)) throw new TransformError(english.noSuchCalculation(JSON.stringify(id)));
  const include = texts(reduce['include']);
  const match = fieldMatcher(include.length > 0 ? { id: 'byNames', options: { names: include } } : { id: 'numeric' })!;
  const mode = reduce['nullValueMode'];
  const nulls = { ignored: mode === 'connected', zero: mode === 'null as zero' };
  return (frame, frames) => {
    const columns = frame.fields.filter((field) => match(field, frame, frames));
    return Array.from({ length: frame.length }, (_, row) => reduceValues(columns.map(({ values }) => values[row]), 'number', [id], nulls)[id]);
  };
}

function unary({ operator = 'abs', fieldName: name = '' }: Options): Values {
  return (frame, frames) => {
    const field = frame.fields.filter((one) => fieldName(one, frame, frames) === name && one.type === 'number').at(-1);
    const operation = UNARY[String(operator)];
    if (!field || field.values.length === 0 || !operation) return undefined;
    const values = field.values as number[];
    const total = values.reduce((sum, value) => (Number.isFinite(value) ? sum + value : sum), 0);
    return values.map((value) => operation(value, total));
  };
}

/** The named field, or the first one with numbers. */
function fieldFinder(name: unknown): (frame: Frame, frames: readonly Frame[]) => Field | undefined {
  const match = fieldMatcher(name ? { id: 'byNames', options: { names: [String(name)] } } : { id: 'numeric' })!;
  return (frame, frames) => frame.fields.find((field) => match(field, frame, frames));
}

function cumulative({ reducer = 'sum', field: name }: Options): Values {
  if (reducer !== 'sum' && reducer !== 'mean') throw new TransformError(english.noSuchCumulative(JSON.stringify(reducer)));
  const find = fieldFinder(name);
  return (frame, frames) => {
    const field = find(frame, frames);
    let total = 0;
    return (field?.values as (number | null | undefined)[] | undefined)?.slice(0, frame.length).map((value, row) => {
      total += value ?? 0;
      return reducer === 'sum' ? total : total / (row + 1);
    });
  };
}

function windowed(options: Options): Values {
  const { reducer = 'mean', windowAlignment = 'trailing', windowSizeMode = 'percentage', field: name } = options;
  const size = numberOr(options['windowSize'], 0.1);
  if (!(size > 0)) throw new TransformError(english.windowIsEmpty);
  if (reducer !== 'mean' && reducer !== 'stdDev' && reducer !== 'variance') throw new TransformError(english.noSuchWindow(JSON.stringify(reducer)));
  const find = fieldFinder(name);
  return (frame, frames) => {
    const values = find(frame, frames)?.values as (number | null | undefined)[] | undefined;
    if (!values) return undefined;
    const width = Math.ceil(size * (windowSizeMode === 'percentage' ? frame.length : 1));
    const before = windowAlignment === 'centered' ? Math.floor(width / 2) : width - 1;
    const after = windowAlignment === 'centered' ? Math.ceil(width / 2) - 1 : 0;
    if (reducer === 'mean') return windowAlignment === 'centered' ? means(values, before, after) : trailingMeans(values, width);
    return values.map((_, row) => {
      const id = String(reducer);
      const part = values.slice(Math.max(0, row - before), row + after + 1);
      return reduceValues(part, 'number', [id], { ignored: true, zero: false })[id] ?? 0;
    });
  };
}

type Numbers = readonly (number | null | undefined)[];

/** Running sums, so that wide windows cost no more than narrow ones. */
function means(values: Numbers, before: number, after: number): number[] {
  let [sum, count] = [0, 0];
  const count1 = (value: number | null | undefined, sign: 1 | -1): void => {
    if (isNone(value)) return;
    sum += sign * value;
    count += sign;
  };
  for (let row = 0; row < after; row += 1) count1(values[row], 1);
  return values.map((_, row) => {
    count1(values[row + after], 1);
    if (row > before) count1(values[row - before - 1], -1);
    return count === 0 ? 0 : sum / count;
  });
}

/** As Grafana has it, the window moves on only where there is a value. */
function trailingMeans(values: Numbers, width: number): number[] {
  let [sum, count] = [0, 0];
  return values.map((value, row) => {
    if (!isNone(value)) {
      sum += value;
      count += 1;
      const gone = row > width - 1 ? values[row - width] : undefined;
      if (!isNone(gone)) {
        sum -= gone;
        count -= 1;
      }
    }
    return count === 0 ? 0 : sum / count;
  });
}

/** What a field without a name of its own is called. */
function nameOf(mode: string, options: Options, operands: Operands | undefined): string {
  const of = (name: unknown): string => (name ? `(${String(name)})` : '');
  switch (mode) {
    case 'cumulativeFunctions': {
      const { reducer = 'sum', field } = record(options['cumulative']);
      return `cumulative ${String(reducer)}${of(field)}`;
    }
    case 'windowFunctions': {
      const { windowAlignment = 'trailing', reducer = 'mean', field } = record(options['window']);
      return `${String(windowAlignment)} moving ${String(reducer)}${of(field)}`;
    }
    case 'unary': {
      const { operator = 'abs', fieldName: field } = record(options['unary']);
      return `${String(operator)}${of(field)}`;
    }
    case 'binary': {
      const { left, right, operator } = operands!;
      const [a, b] = [left, right].map(({ fixed, matcher }) => String(matcher?.options ?? fixed ?? ''));
      return a && b && !`${a}${b}`.includes('$') ? `${a} ${operator} ${b}` : '';
    }
    default:
      return findReducer(textOr(record(options['reduce'])['reducer'], 'sum'))?.name ?? 'math';
  }
}
