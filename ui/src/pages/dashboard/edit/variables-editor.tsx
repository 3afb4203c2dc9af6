/** The dashboard's variables: what they are, where their values come from, and the values they have now. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Dashboard, Variable } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import { useBoard } from '../board.ts';
import { ChoiceField, Labelled, NumberField, TextField } from './option-fields.tsx';

const TYPES: readonly { value: Variable['type']; text: string }[] = [
  { value: 'query', text: english.query },
  { value: 'datasource', text: english.dataSource },
  { value: 'custom', text: english.listOfValues },
  { value: 'interval', text: english.interval },
  { value: 'textbox', text: english.text },
  { value: 'constant', text: english.constant },
  { value: 'adhoc', text: english.filters },
  { value: 'groupby', text: english.groupBy },
  { value: 'switch', text: english.switchWord },
];
const SORTS = [english.asItComes, english.aToZ, english.zToA, english.numbersUp, english.numbersDown, english.aToZAnyCase, english.zToAAnyCase, english.asPeopleCountUp, english.asPeopleCountDown];
const HIDES = [english.nameAndValues, english.valuesAlone, english.notShown];
const REFRESHES = [english.neverText, english.whenDashboardOpens, english.whenTimeChanges];
const numbered = (texts: readonly string[]): { value: number; text: string }[] => texts.map((text, value) => ({ value, text }));

/** A name that stands in expressions: letters, digits and underscores, and no other variable has it. */
export const nameProblem = (name: string, others: readonly string[]): string | undefined =>
  !/^[A-Za-z_]\w*$/.test(name) ? english.nameIsNoName : name.startsWith('__') ? english.nameIsReserved : others.includes(name) ? english.nameIsTaken : undefined;

const queryText = (variable: Variable): string => {
  const { query } = variable;
  if (typeof query === 'string') return query;
  const inner = (query as { query?: unknown } | undefined)?.query;
  return typeof inner === 'string' ? inner : '';
};

export function VariablesEditor({ dashboard, set }: { dashboard: Dashboard; set: (next: Partial<Dashboard>) => void }): JSX.Element {
  const { variables, sources } = useBoard();
  const [at, setAt] = useState(0);
  const { list } = dashboard.templating;
  const setList = (next: Variable[]): void => set({ templating: { ...dashboard.templating, list: next } });
  const put = (change: Partial<Variable>): void => setList(list.map((each, index) => (index === at ? { ...each, ...change } : each)));
  const add = (): void => {
    const names = list.map(({ name }) => name);
    let count = list.length + 1;
    while (names.includes(`variable${count}`)) count += 1;
    const own = sources.find(({ isDefault }) => isDefault) ?? sources[0];
    setList([...list, { name: `variable${count}`, type: 'query', datasource: { type: own?.type ?? 'prometheus', uid: own?.uid }, query: 'label_values(up, job)', refresh: 1, sort: 1 }]);
    setAt(list.length);
  };
  const variable = list[at];
  const state = variables.states.find((each) => each.variable.name === variable?.name);
  return (
    <div class="variables-editor">
      <div>
        <ul class="variables-list" aria-label={english.variables}>
          {list.map(({ name, type, label }, index) => (
            <li key={name}>
              <button type="button" class="menu-item" aria-pressed={index === at} onClick={() => setAt(index)}>
                <code>${name}</code> <span class="muted">{label || TYPES.find(({ value }) => value === type)?.text || type}</span>
              </button>
            </li>
          ))}
        </ul>
        <button type="button" class="button" onClick={add}>
          {english.addVariable}
        </button>
      </div>
      {!variable ? (
        <p class="muted">{english.variablesHint}</p>
      ) : (
        <div class="variables-form" key={at}>
          <div class="form-grid">
            <NameField variable={variable} others={list.filter((each) => each !== variable).map(({ name }) => name)} onChange={(name) => put({ name })} />
            <Labelled name={english.kind}>
              <ChoiceField value={variable.type} choices={TYPES} onChange={(type) => put({ type: type as Variable['type'], multi: type === 'groupby' || (variable.multi && variable.type !== 'groupby'), query: type === 'datasource' ? 'prometheus' : type === 'interval' ? '1m,10m,30m,1h,6h,12h,1d' : '', current: undefined, options: undefined })} />
            </Labelled>
            <Labelled name={english.label}>
              <TextField value={variable.label ?? ''} placeholder={variable.name} onChange={(label) => put({ label: label || undefined })} />
            </Labelled>
            <Labelled name={english.shown}>
              <ChoiceField value={variable.hide ?? 0} choices={numbered(HIDES)} onChange={(hide) => put({ hide: hide as 0 | 1 | 2 })} />
            </Labelled>
            {['query', 'adhoc', 'groupby'].includes(variable.type) && (
              <Labelled name={english.dataSource}>
                <ChoiceField
                  value={variable.datasource?.uid}
                  choices={[...sources.map(({ uid, name }) => ({ value: uid, text: name })), ...list.filter(({ type }) => type === 'datasource').map(({ name }) => ({ value: `\${${name}}`, text: `$${name}` }))]}
                  onChange={(uid) => put({ datasource: { type: sources.find((each) => each.uid === uid)?.type ?? 'prometheus', uid: String(uid) } })}
                />
              </Labelled>
            )}
            {variable.type === 'query' && (
              <>
                <Labelled name={english.sorted}>
                  <ChoiceField value={variable.sort ?? 0} choices={numbered(SORTS)} onChange={(sort) => put({ sort: sort as number })} />
                </Labelled>
                <Labelled name={english.askedAnew}>
                  <ChoiceField value={variable.refresh ?? 1} choices={numbered(REFRESHES)} onChange={(refresh) => put({ refresh: refresh as 0 | 1 | 2 })} />
                </Labelled>
                <Labelled name={english.onlyWhatThisRegexFinds}>
                  <TextField value={variable.regex ?? ''} placeholder="/(?<value>.*):9100/" onChange={(regex) => put({ regex })} />
                </Labelled>
              </>
            )}
            {variable.type === 'datasource' && (
              <Labelled name={english.onlyNamesThatMatch}>
                <TextField value={variable.regex ?? ''} onChange={(regex) => put({ regex })} />
              </Labelled>
            )}
          </div>
          {variable.type === 'groupby' && <p class="muted">{english.labelsThatAreChosenJoinGroupings}</p>}
          {variable.type === 'switch' && (
            <div class="option-row">
              <Labelled name={english.onStandsFor}>
                <TextField value={String(variable['enabledValue'] ?? 'true')} onChange={(enabledValue) => put({ enabledValue: enabledValue || undefined, current: undefined })} />
              </Labelled>
              <Labelled name={english.offStandsFor}>
                <TextField value={String(variable['disabledValue'] ?? 'false')} onChange={(disabledValue) => put({ disabledValue: disabledValue || undefined, current: undefined })} />
              </Labelled>
            </div>
          )}
          {!['adhoc', 'groupby', 'switch'].includes(variable.type) && (
            <Labelled name={variable.type === 'query' ? english.queryLabel : variable.type === 'datasource' ? english.typeOfDataSource : variable.type === 'custom' ? english.customValuesLabel : variable.type === 'interval' ? english.intervalsWithCommas : english.value}>
              <TextField
                value={queryText(variable)}
                onChange={(query) => put({ query: typeof variable.query === 'object' && variable.query !== null ? { ...variable.query, query } : query, ...(variable.type === 'query' ? { definition: query } : { current: undefined }) })}
              />
            </Labelled>
          )}
          {['query', 'custom', 'datasource'].includes(variable.type) && (
            <div class="option-row">
              <label class="check">
                <input type="checkbox" checked={variable.multi === true} onChange={(event) => put({ multi: event.currentTarget.checked })} /> {english.severalAtOnce}
              </label>
              <label class="check">
                <input type="checkbox" checked={variable.includeAll === true} onChange={(event) => put({ includeAll: event.currentTarget.checked })} /> {english.withAll}
              </label>
              {variable.includeAll && <TextField label={english.whatAllStandsFor} placeholder={english.allPlaceholder} value={variable.allValue ?? ''} onChange={(allValue) => put({ allValue: allValue || null })} />}
            </div>
          )}
          {variable.type === 'interval' && (
            <div class="option-row">
              <label class="check">
                <input type="checkbox" checked={variable.auto === true} onChange={(event) => put({ auto: event.currentTarget.checked })} /> {english.withAuto}
              </label>
              {variable.auto && (
                <>
                  <Labelled name={english.inSoManySteps}>
                    <NumberField value={variable.auto_count ?? 30} min={1} onChange={(count) => put({ auto_count: count })} />
                  </Labelled>
                  <Labelled name={english.atLeast}>
                    <TextField value={variable.auto_min ?? '10s'} onChange={(auto_min) => put({ auto_min })} />
                  </Labelled>
                </>
              )}
            </div>
          )}
          {state && (
            <p class="muted variables-preview">
              {state.error ? <span class="text-critical">{state.error}</span> : english.foundValues(state.options.length)}
              {state.options.slice(0, 30).map(({ text, value }) => (
                <code key={value}>{text} </code>
              ))}
              {state.options.length > 30 && '…'}
            </p>
          )}
          <span class="query-tools">
            <button
              type="button"
              class="link"
              disabled={at === 0}
              onClick={() => {
                setList(list.map((each, index) => (index === at ? list[at - 1]! : index === at - 1 ? variable : each)));
                setAt(at - 1);
              }}
            >
              {english.moveUpNote}
            </button>
            <button type="button" class="link" onClick={() => (setList(list.filter((_, index) => index !== at)), setAt(Math.max(0, at - 1)))}>
              {english.removeNote}
            </button>
          </span>
        </div>
      )}
    </div>
  );
}

function NameField({ variable, others, onChange }: { variable: Variable; others: readonly string[]; onChange: (name: string) => void }): JSX.Element {
  const [problem, setProblem] = useState<string | undefined>(undefined);
  return (
    <Labelled name={english.name}>
      <TextField
        value={variable.name}
        onChange={(name) => {
          const wrong = nameProblem(name, others);
          setProblem(wrong);
          if (!wrong) onChange(name);
        }}
      />
      {problem && (
        <span class="text-critical" role="alert">
          {problem}
        </span>
      )}
    </Labelled>
  );
}
