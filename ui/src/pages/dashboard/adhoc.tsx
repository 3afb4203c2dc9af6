/** Filters over all panels: a label, how it compares, and a value, completed from what there is. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { AdHocFilter, VariableSet, VariableState } from '../../dashboard/variables/set.ts';
import * as english from '../../english/dashboard.ts';
import { Popover } from '../../parts/parts.tsx';

const OPERATORS = ['=', '!=', '=~', '!~'];

interface Props {
  state: VariableState;
  label: string;
  variables: VariableSet;
  onFilter: (filters: AdHocFilter[]) => void;
}

export function AdHocFilters({ state, label, variables, onFilter }: Props): JSX.Element {
  const { filters } = state;
  return (
    <span class="adhoc" role="group" aria-label={label}>
      {filters.map((filter, index) => (
        <span class="adhoc-filter" key={`${filter.key} ${index}`}>
          <Popover label={`${filter.key} ${filter.operator} ${filter.value}`} button={<code>{`${filter.key} ${filter.operator} ${filter.value}`}</code>}>
            {(close) => (
              <FilterForm
                name={state.variable.name}
                start={filter}
                variables={variables}
                done={(next) => (onFilter(filters.map((each, at) => (at === index ? next : each))), close())}
              />
            )}
          </Popover>
          <button type="button" class="button button-icon" aria-label={english.removeFilter(filter.key, filter.operator, filter.value)} onClick={() => onFilter(filters.filter((_, at) => at !== index))}>
            ×
          </button>
        </span>
      ))}
      <Popover label={english.addFilter(label)} title={english.filterHint} button={english.filterButton}>
        {(close) => <FilterForm name={state.variable.name} variables={variables} done={(next) => (onFilter([...filters, next]), close())} />}
      </Popover>
    </span>
  );
}

function FilterForm({ name, start, variables, done }: { name: string; start?: AdHocFilter; variables: VariableSet; done: (filter: AdHocFilter) => void }): JSX.Element {
  const [key, setKey] = useState(start?.key ?? '');
  const [operator, setOperator] = useState(start?.operator ?? '=');
  const [value, setValue] = useState(start?.value ?? '');
  const keys = useSuggestions((signal) => variables.suggest(name, undefined, signal), 'keys');
  const values = useSuggestions((signal) => (key === '' ? Promise.resolve([]) : variables.suggest(name, key, signal)), key);
  return (
    <form
      class="small-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (key !== '') done({ key, operator, value });
      }}
    >
      <label>
        {english.label}
        <input autofocus list={`${name}-keys`} value={key} spellcheck={false} autocomplete="off" onInput={(event) => setKey(event.currentTarget.value)} />
      </label>
      <label>
        {english.compares}
        <select value={operator} onChange={(event) => setOperator(event.currentTarget.value)}>
          {OPERATORS.map((each) => (
            <option key={each} selected={each === operator}>
              {each}
            </option>
          ))}
        </select>
      </label>
      <label>
        {english.value}
        <input list={`${name}-values`} value={value} spellcheck={false} autocomplete="off" onInput={(event) => setValue(event.currentTarget.value)} />
      </label>
      <datalist id={`${name}-keys`}>
        {keys.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <datalist id={`${name}-values`}>
        {values.slice(0, 500).map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <button type="submit" class="button button-strong" disabled={key === ''}>
        {english.filter}
      </button>
    </form>
  );
}

function useSuggestions(load: (signal: AbortSignal) => Promise<string[]>, about: string): string[] {
  const [found, setFound] = useState<string[]>([]);
  useEffect(() => {
    const control = new AbortController();
    load(control.signal).then(setFound, () => setFound([]));
    return () => control.abort();
  }, [about]);
  return found;
}
