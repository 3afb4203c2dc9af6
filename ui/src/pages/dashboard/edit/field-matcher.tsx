/** Which fields are meant: by name, type, query, value, or by several of these. */
import type { JSX } from 'preact';
import type { Matcher } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import { reducers } from '../../../fields/reduce.ts';
import { AddField } from './add-field.tsx';
import { ChoiceField, Labelled, NamesField, SuggestField, TextField } from './option-fields.tsx';
import type { Stage } from './stage.ts';

/** Every way of choosing fields, with options to begin with. */
export const MATCHERS: readonly { id: string; text: string; options?: unknown }[] = [
  { id: 'byName', text: english.fieldWithName, options: '' },
  { id: 'byRegexp', text: english.fieldsWhoseNameMatches, options: '/.*/' },
  { id: 'byType', text: english.fieldsOfType, options: 'number' },
  { id: 'byFrameRefID', text: english.fieldsOfQuery, options: '' },
  { id: 'byValue', text: english.fieldsWhoseValueIs, options: { reducer: 'lastNotNull', op: 'gte', value: 0 } },
  { id: 'byNames', text: english.fieldsWithOneOfNames, options: { mode: 'include', names: [] } },
  { id: 'byRegexpOrNames', text: english.fieldsByPatternOrName, options: { pattern: '', names: [] } },
  { id: 'byTypes', text: english.fieldsOfOneOfTypes, options: [] },
  { id: 'numeric', text: english.allNumbers },
  { id: 'time', text: english.allTimes },
  { id: 'first', text: english.firstField },
  { id: 'firstTimeField', text: english.firstTime },
  { id: 'anyMatch', text: english.anyOfThese, options: [] },
  { id: 'allMatch', text: english.allOfThese, options: [] },
  { id: 'invertMatch', text: english.allButThese, options: { id: 'byName', options: '' } },
  { id: 'alwaysMatch', text: english.everyField },
  { id: 'neverMatch', text: english.noField },
];

export const FIELD_TYPES = ['number', 'string', 'time', 'boolean', 'enum', 'frame', 'other'].map((type) => ({ value: type, text: type }));
const OPERATORS = [
  { value: 'gte', text: '≥' },
  { value: 'gt', text: '>' },
  { value: 'lte', text: '≤' },
  { value: 'lt', text: '<' },
  { value: 'eq', text: '=' },
  { value: 'neq', text: '≠' },
];
/** A matcher within a matcher within a matcher is enough; deeper ones are for JSON. */
const DEEPEST = 3;

/** What is meant, in a few words: for the head of an override. */
export function matcherText({ id, options }: Matcher): string {
  const known = MATCHERS.find((matcher) => matcher.id === id)?.text ?? id;
  const record = typeof options === 'object' && options !== null && !Array.isArray(options) ? (options as Record<string, unknown>) : {};
  const of = typeof options === 'string' ? options : Array.isArray(record['names']) ? record['names'].join(', ') : id === 'byValue' ? `${String(record['reducer'])} ${OPERATORS.find(({ value }) => value === record['op'])?.text ?? ''} ${String(record['value'] ?? '')}` : '';
  return of === '' ? known : `${known} ${of}`;
}

interface Props {
  label: string;
  value: Matcher;
  stage: Stage;
  depth?: number;
  onChange: (value: Matcher) => void;
}

export function FieldMatcherField({ label, value, stage, depth = 0, onChange }: Props): JSX.Element {
  const offered = depth >= DEEPEST ? MATCHERS.filter(({ id }) => !['anyMatch', 'allMatch', 'invertMatch'].includes(id)) : MATCHERS;
  const names = stage.fields.map(({ name }) => name);
  const { id, options } = value;
  const record = typeof options === 'object' && options !== null ? (options as Record<string, unknown>) : {};
  // What else the matcher says, such as its scope, stays.
  const put = (next: unknown): void => onChange({ ...value, options: next });
  const part = (change: Record<string, unknown>): void => put({ ...record, ...change });
  const texts = (list: unknown): string[] => (Array.isArray(list) ? list.map(String) : []);
  return (
    <>
      <Labelled name={label}>
        <ChoiceField
          value={id}
          choices={offered.map((matcher) => ({ value: matcher.id, text: matcher.text }))}
          onChange={(chosen) => {
            const next = MATCHERS.find((matcher) => matcher.id === chosen)!;
            const { options: _, ...rest } = value;
            // A name stays when one asks for it in another way.
            const kept = typeof next.options === 'string' && typeof options === 'string' && chosen !== 'byType' && chosen !== 'byFrameRefID' ? options : structuredClone(next.options);
            onChange({ ...rest, id: next.id, ...(kept === undefined ? {} : { options: kept }) });
          }}
        />
      </Labelled>
      {id === 'byName' && <SuggestField label={english.nameOfField} value={typeof options === 'string' ? options : ''} choices={names} onChange={put} />}
      {id === 'byRegexp' && <TextField label={english.pattern} placeholder="/^cpu/" value={typeof options === 'string' ? options : ''} onChange={put} />}
      {id === 'byType' && <ChoiceField label={english.type} value={options} choices={FIELD_TYPES} onChange={put} />}
      {id === 'byFrameRefID' && <SuggestField label={english.query} value={typeof options === 'string' ? options : ''} choices={stage.refIds} onChange={put} />}
      {id === 'byTypes' && <NamesField label={english.types} value={texts(options)} choices={FIELD_TYPES.map(({ value: type }) => type)} closed onChange={put} />}
      {id === 'byNames' && (
        <>
          <NamesField label={english.names} value={texts(record['names'])} choices={names} onChange={(list) => part({ names: list })} />
          <ChoiceField label={english.theseOrOthers} value={record['mode'] ?? 'include'} choices={[{ value: 'include', text: 'these' }, { value: 'exclude', text: english.allButTheseText }]} onChange={(mode) => part({ mode })} />
        </>
      )}
      {id === 'byRegexpOrNames' && (
        <>
          <TextField label={english.pattern} placeholder="/^cpu/" value={typeof record['pattern'] === 'string' ? record['pattern'] : ''} onChange={(pattern) => part({ pattern })} />
          <NamesField label={english.names} value={texts(record['names'])} choices={names} onChange={(list) => part({ names: list })} />
        </>
      )}
      {id === 'byValue' && (
        <div class="option-row">
          <ChoiceField label={english.calculation} value={record['reducer']} choices={reducers.map((reducer) => ({ value: reducer.id, text: reducer.name }))} onChange={(reducer) => part({ reducer })} />
          <ChoiceField label={english.comparison} value={record['op'] ?? 'eq'} choices={OPERATORS} onChange={(op) => part({ op })} />
          <TextField label={english.value} value={record['value'] === undefined || record['value'] === null ? '' : String(record['value'])} onChange={(written) => part({ value: written === '' || Number.isNaN(Number(written)) ? written : Number(written) })} />
        </div>
      )}
      {(id === 'anyMatch' || id === 'allMatch') && <Several value={Array.isArray(options) ? (options as Matcher[]) : []} stage={stage} depth={depth + 1} onChange={put} />}
      {id === 'invertMatch' && (
        <div class="option-inner">
          <FieldMatcherField label={english.allBut} value={typeof record['id'] === 'string' ? (record as unknown as Matcher) : { id: 'byName', options: '' }} stage={stage} depth={depth + 1} onChange={put} />
        </div>
      )}
    </>
  );
}

function Several({ value, stage, depth, onChange }: { value: readonly Matcher[]; stage: Stage; depth: number; onChange: (value: Matcher[]) => void }): JSX.Element {
  return (
    <div class="option-inner">
      {value.map((each, index) => (
        <div key={index}>
          <FieldMatcherField label={english.part(index + 1)} value={each} stage={stage} depth={depth} onChange={(next) => onChange(value.map((one, at) => (at === index ? next : one)))} />
          <button type="button" class="link" onClick={() => onChange(value.filter((_, at) => at !== index))}>
            {english.removePart(index + 1)}
          </button>
        </div>
      ))}
      <AddField label={english.addPart} groups={[['', MATCHERS.filter(({ id }) => depth < DEEPEST || !id.endsWith('Match')).map(({ id, text }) => ({ id, text }))]]} onAdd={(id) => onChange([...value, { id, options: structuredClone(MATCHERS.find((matcher) => matcher.id === id)?.options) }])} />
    </div>
  );
}
