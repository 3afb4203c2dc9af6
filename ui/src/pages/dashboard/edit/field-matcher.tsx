/** Which fields are meant: by name, type, query, value, or by several of these. */
import type { JSX } from 'preact';
import type { Matcher } from '../../../dashboard/model.ts';
import { reducers } from '../../../fields/reduce.ts';
import { AddField } from './add-field.tsx';
import { ChoiceField, Labelled, NamesField, SuggestField, TextField } from './option-fields.tsx';
import type { Stage } from './stage.ts';

/** Every way of choosing fields, with options to begin with. */
export const MATCHERS: readonly { id: string; text: string; options?: unknown }[] = [
  { id: 'byName', text: 'Field with the name', options: '' },
  { id: 'byRegexp', text: 'Fields whose name matches', options: '/.*/' },
  { id: 'byType', text: 'Fields of the type', options: 'number' },
  { id: 'byFrameRefID', text: 'Fields of the query', options: '' },
  { id: 'byValue', text: 'Fields whose value is', options: { reducer: 'lastNotNull', op: 'gte', value: 0 } },
  { id: 'byNames', text: 'Fields with one of the names', options: { mode: 'include', names: [] } },
  { id: 'byRegexpOrNames', text: 'Fields by pattern or name', options: { pattern: '', names: [] } },
  { id: 'byTypes', text: 'Fields of one of the types', options: [] },
  { id: 'numeric', text: 'All numbers' },
  { id: 'time', text: 'All times' },
  { id: 'first', text: 'The first field' },
  { id: 'firstTimeField', text: 'The first time' },
  { id: 'anyMatch', text: 'Any of these', options: [] },
  { id: 'allMatch', text: 'All of these', options: [] },
  { id: 'invertMatch', text: 'All but these', options: { id: 'byName', options: '' } },
  { id: 'alwaysMatch', text: 'Every field' },
  { id: 'neverMatch', text: 'No field' },
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
      {id === 'byName' && <SuggestField label="Name of the field" value={typeof options === 'string' ? options : ''} choices={names} onChange={put} />}
      {id === 'byRegexp' && <TextField label="Pattern" placeholder="/^cpu/" value={typeof options === 'string' ? options : ''} onChange={put} />}
      {id === 'byType' && <ChoiceField label="Type" value={options} choices={FIELD_TYPES} onChange={put} />}
      {id === 'byFrameRefID' && <SuggestField label="Query" value={typeof options === 'string' ? options : ''} choices={stage.refIds} onChange={put} />}
      {id === 'byTypes' && <NamesField label="Types" value={texts(options)} choices={FIELD_TYPES.map(({ value: type }) => type)} closed onChange={put} />}
      {id === 'byNames' && (
        <>
          <NamesField label="Names" value={texts(record['names'])} choices={names} onChange={(list) => part({ names: list })} />
          <ChoiceField label="These or the others" value={record['mode'] ?? 'include'} choices={[{ value: 'include', text: 'these' }, { value: 'exclude', text: 'all but these' }]} onChange={(mode) => part({ mode })} />
        </>
      )}
      {id === 'byRegexpOrNames' && (
        <>
          <TextField label="Pattern" placeholder="/^cpu/" value={typeof record['pattern'] === 'string' ? record['pattern'] : ''} onChange={(pattern) => part({ pattern })} />
          <NamesField label="Names" value={texts(record['names'])} choices={names} onChange={(list) => part({ names: list })} />
        </>
      )}
      {id === 'byValue' && (
        <div class="option-row">
          <ChoiceField label="Calculation" value={record['reducer']} choices={reducers.map((reducer) => ({ value: reducer.id, text: reducer.name }))} onChange={(reducer) => part({ reducer })} />
          <ChoiceField label="Comparison" value={record['op'] ?? 'eq'} choices={OPERATORS} onChange={(op) => part({ op })} />
          <TextField label="Value" value={record['value'] === undefined || record['value'] === null ? '' : String(record['value'])} onChange={(written) => part({ value: written === '' || Number.isNaN(Number(written)) ? written : Number(written) })} />
        </div>
      )}
      {(id === 'anyMatch' || id === 'allMatch') && <Several value={Array.isArray(options) ? (options as Matcher[]) : []} stage={stage} depth={depth + 1} onChange={put} />}
      {id === 'invertMatch' && (
        <div class="option-inner">
          <FieldMatcherField label="All but" value={typeof record['id'] === 'string' ? (record as unknown as Matcher) : { id: 'byName', options: '' }} stage={stage} depth={depth + 1} onChange={put} />
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
          <FieldMatcherField label={`Part ${index + 1}`} value={each} stage={stage} depth={depth} onChange={(next) => onChange(value.map((one, at) => (at === index ? next : one)))} />
          <button type="button" class="link" onClick={() => onChange(value.filter((_, at) => at !== index))}>
            Remove part {index + 1}
          </button>
        </div>
      ))}
      <AddField label="Add a part" groups={[['', MATCHERS.filter(({ id }) => depth < DEEPEST || !id.endsWith('Match')).map(({ id, text }) => ({ id, text }))]]} onAdd={(id) => onChange([...value, { id, options: structuredClone(MATCHERS.find((matcher) => matcher.id === id)?.options) }])} />
    </div>
  );
}
