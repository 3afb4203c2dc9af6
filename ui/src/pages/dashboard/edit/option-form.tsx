/** A form by a description of it: of a transformation's options, and of what lies within them. */
import type { JSX } from 'preact';
import type { Matcher } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import { reducers } from '../../../fields/reduce.ts';
import { ArrangeFields } from './arrange-fields.tsx';
import { moved, valueAt, withValue } from './change.ts';
import { FieldMatcherField } from './field-matcher.tsx';
import { ChoiceField, Labelled, NamesField, NumberField, OptionField, SuggestField, TextField } from './option-fields.tsx';
import type { Stage } from './stage.ts';
import type { FormField } from './transform-forms.ts';

type Options = Record<string, unknown>;

interface Props {
  form: readonly FormField[];
  value: Options;
  stage: Stage;
  onChange: (value: Options) => void;
}

const record = (value: unknown): Options => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Options) : {});
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
const textOf = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');
const pathOf = (path: string): string[] => (path === '' ? [] : path.split('.'));
const REDUCERS = reducers.map(({ id, name }) => ({ value: id, text: name }));
/** Those that people choose; the others can be written. */
const USUAL_REDUCERS = REDUCERS.filter(({ value }) => !/^p\d+$/.test(value) || ['p50', 'p90', 'p95', 'p99'].includes(value));

export function OptionForm({ form, value, stage, onChange }: Props): JSX.Element {
  return (
    <>
      {form
        .filter(({ when }) => when?.(value) ?? true)
        .map((field) => (
          <FormPart key={`${field.path} ${field.name}`} field={field} value={valueAt(value, pathOf(field.path))} stage={stage} onChange={(next) => onChange(record(withValue(value, pathOf(field.path), next)))} />
        ))}
    </>
  );
}

/** A number where one is written; variables and words stay texts. */
const written = (text: string): unknown => (text.trim() !== '' && !Number.isNaN(Number(text)) ? Number(text) : text);

function FormPart({ field, value, stage, onChange }: { field: FormField; value: unknown; stage: Stage; onChange: (value: unknown) => void }): JSX.Element {
  const { name } = field;
  const names = stage.fields.filter(({ type }) => field.kind !== 'field' || !field.types || field.types.includes(type)).map((each) => each.name);
  switch (field.kind) {
    case 'switch':
      return <OptionField editor={{ path: field.path, name, group: '', kind: 'switch' }} value={value ?? field.otherwise ?? false} onChange={onChange} />;
    case 'number':
      return (
        <Labelled name={name}>
          {typeof value === 'string' && Number.isNaN(Number(value)) ? <TextField value={value} onChange={(text) => onChange(written(text))} /> : <NumberField value={value === undefined || value === null || value === '' ? undefined : Number(value)} min={field.min} step={field.step} placeholder={field.placeholder} onChange={onChange} />}
        </Labelled>
      );
    case 'choice':
      return (
        <Labelled name={name}>
          <ChoiceField value={value ?? field.otherwise} choices={field.choices} onChange={onChange} />
        </Labelled>
      );
    case 'reducer':
      return (
        <Labelled name={name}>
          <ChoiceField value={value ?? field.otherwise} choices={REDUCERS} onChange={onChange} />
        </Labelled>
      );
    case 'reducers':
      return <OptionField editor={{ path: field.path, name, group: '', kind: 'choices', choices: [...USUAL_REDUCERS, ...REDUCERS.filter((each) => !USUAL_REDUCERS.includes(each) && texts(value).includes(each.value))] }} value={texts(value)} onChange={onChange} />;
    case 'field':
      return (
        <Labelled name={name}>
          <SuggestField value={textOf(value)} choices={names} onChange={(text) => onChange(text || undefined)} />
        </Labelled>
      );
    case 'fields':
      return <NamesField label={name} value={texts(value)} choices={names} onChange={onChange} />;
    case 'label':
      return (
        <Labelled name={name}>
          <SuggestField value={textOf(value)} choices={stage.labels} onChange={(text) => onChange(text || undefined)} />
        </Labelled>
      );
    case 'labels':
      return <NamesField label={name} value={texts(value)} choices={stage.labels} onChange={onChange} />;
    case 'query':
      return (
        <Labelled name={name}>
          <SuggestField value={textOf(value)} choices={stage.refIds} onChange={onChange} />
        </Labelled>
      );
    case 'queries':
      // A pattern is not taken apart.
      return textOf(value).startsWith('/') ? (
        <Labelled name={name}>
          <TextField value={textOf(value)} onChange={(text) => onChange(text || undefined)} />
        </Labelled>
      ) : (
        <NamesField label={name} value={textOf(value).split('|').filter(Boolean)} choices={stage.refIds} onChange={(list) => onChange(list.join('|') || undefined)} />
      );
    case 'operand':
      return <OperandField name={name} value={value} stage={stage} onChange={onChange} />;
    case 'matcher':
      return (
        <div class="option-inner">
          <FieldMatcherField label={name} value={typeof record(value)['id'] === 'string' ? (value as Matcher) : { id: '' }} stage={stage} onChange={onChange} />
          {value !== undefined && (
            <button type="button" class="link" onClick={() => onChange(undefined)}>
              {english.without(name)}
            </button>
          )}
        </div>
      );
    case 'arrange':
      return <ArrangeFields parts={field.parts} options={record(value)} stage={stage} onChange={onChange} />;
    case 'byField':
    case 'byQuery': {
      const of = record(value);
      const all = [...new Set([...(field.kind === 'byField' ? stage.fields.map((each) => each.name) : stage.refIds), ...Object.keys(of)])];
      return (
        <>
          {all.length === 0 && <p class="muted">{english.thereIsNothingYetToChoose}</p>}
          {all.map((each) => (
            <fieldset class="form-line" key={each} aria-label={each}>
              <b>{each}</b>
              <OptionForm form={field.form} value={record(of[each])} stage={stage} onChange={(next) => onChange({ ...of, [each]: next })} />
            </fieldset>
          ))}
        </>
      );
    }
    case 'list': {
      const list = Array.isArray(value) ? (value as unknown[]) : [];
      return (
        <div role="group" aria-label={name}>
          {list.map((each, index) => (
            <fieldset class="form-line" key={index} aria-label={`${name} ${index + 1}`}>
              <OptionForm form={field.form} value={record(each)} stage={stage} onChange={(next) => onChange(list.map((one, at) => (at === index ? next : one)))} />
              <span class="query-tools">
                <button type="button" class="link" disabled={index === 0} aria-label={english.moveUp(field.item, index + 1)} onClick={() => onChange(moved(list, index, index - 1))}>
                  ↑
                </button>
                <button type="button" class="link" aria-label={english.remove(field.item, index + 1)} onClick={() => onChange(list.filter((_, at) => at !== index))}>
                  {english.removeNote}
                </button>
              </span>
            </fieldset>
          ))}
          <button type="button" class="button" onClick={() => onChange([...list, structuredClone(field.initial)])}>
            {english.add(field.item)}
          </button>
        </div>
      );
    }
    case 'text':
      return (
        <Labelled name={name}>
          <TextField value={textOf(value)} placeholder={field.placeholder} onChange={(text) => onChange(text === '' ? undefined : field.path.startsWith('config.options.') ? written(text) : text)} />
        </Labelled>
      );
  }
}

const ALL_NUMBERS = { matcher: { id: 'byType', options: 'number' } };
const ALL_NUMBERS_TEXT = english.allNumberFields;

/** As Grafana keeps it: a field by a matcher, anything else as it is written. */
export function operandOf(text: string, names: readonly string[]): unknown {
  if (text === '') return undefined;
  if (text === ALL_NUMBERS_TEXT) return structuredClone(ALL_NUMBERS);
  return names.includes(text) || Number.isNaN(Number(text)) ? { matcher: { id: 'byName', options: text } } : { fixed: text };
}

export function operandText(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  const { fixed, matcher } = record(value);
  if (record(matcher)['id'] === 'byType') return ALL_NUMBERS_TEXT;
  return textOf(fixed ?? record(matcher)['options']);
}

function OperandField({ name, value, stage, onChange }: { name: string; value: unknown; stage: Stage; onChange: (value: unknown) => void }): JSX.Element {
  const names = stage.fields.filter(({ type }) => type === 'number' || type === 'boolean').map((each) => each.name);
  return (
    <Labelled name={name}>
      <SuggestField value={operandText(value)} choices={[...names, ALL_NUMBERS_TEXT]} placeholder={english.fieldOrNumber} onChange={(text) => onChange(operandOf(text.trim(), stage.fields.map((each) => each.name)))} />
    </Labelled>
  );
}
