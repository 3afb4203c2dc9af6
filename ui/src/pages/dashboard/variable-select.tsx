/** The choice of one or several values, with search: for lists too long for a select. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { valuesOf } from '../../dashboard/variables/choose.ts';
import type { Option, VariableState } from '../../dashboard/variables/set.ts';
import * as english from '../../english/dashboard.ts';
import { Popover } from '../../parts/parts.tsx';

export const ALL = '$__all';
const SHOWN = 200;

export const listOf = (value: string | string[]): string[] => (typeof value === 'string' ? (value === '' ? [] : [value]) : value);

/** What is chosen after a click on `value` where several may be: All stands alone, and nothing means All or what was. */
export function toggled(chosen: readonly string[], value: string, hasAll: boolean): string[] {
  if (value === ALL) return [ALL];
  const without = chosen.filter((each) => each !== ALL);
  const next = without.includes(value) ? without.filter((each) => each !== value) : [...without, value];
  return next.length === 0 && hasAll ? [ALL] : next;
}

/** The options that a search finds; those that begin with it first. */
export function searched(options: readonly Option[], words: string): Option[] {
  const wanted = words.trim().toLowerCase();
  if (wanted === '') return [...options];
  const found = options.filter(({ text }) => text.toLowerCase().includes(wanted));
  return [...found.filter(({ text }) => text.toLowerCase().startsWith(wanted)), ...found.filter(({ text }) => !text.toLowerCase().startsWith(wanted))];
}

/** How a choice reads in one line. */
export function summary(state: VariableState): string {
  if (state.chosen.whole) return english.all;
  const texts = listOf(state.chosen.text);
  return texts.length === 0 ? (state.loading ? '…' : 'none') : texts.length <= 2 ? texts.join(' + ') : english.valueAndMore(texts[0], texts.length - 1);
}

interface Props {
  state: VariableState;
  label: string;
  onChoose: (values: string[]) => void;
}

export function VariableSelect({ state, label, onChoose }: Props): JSX.Element {
  const shown = summary(state);
  return (
    <Popover label={`${label}: ${shown}`} title={listOf(state.chosen.text).slice(0, 20).join('\n')} button={<span class="variable-value">{shown}<i class="variable-arrow" aria-hidden="true">▾</i></span>}>
      {(close) => <Choice state={state} label={label} onChoose={onChoose} close={close} />}
    </Popover>
  );
}

function Choice({ state, label, onChoose, close }: Props & { close: () => void }): JSX.Element {
  const multi = state.variable.multi === true;
  const [words, setWords] = useState('');
  const [at, setAt] = useState(0);
  const [chosen, setChosen] = useState<string[]>(() => valuesOf(state.chosen));
  const pending = useRef<string[] | undefined>(undefined);
  const list = useRef<HTMLUListElement>(null);
  const field = useRef<HTMLInputElement>(null);
  // Once: whoever goes on to the buttons with the keyboard stays there.
  useEffect(() => field.current?.focus({ preventScroll: true }), []);
  const found = useMemo(() => searched(state.options, words), [state.options, words]);
  const shown = found.slice(0, SHOWN);
  const own = words.trim();
  const free = own !== '' && !state.options.some(({ text, value }) => text === own || value === own);

  // Several are chosen with the box open, and count once it closes: each click would ask all panels.
  useEffect(() => () => {
    if (pending.current) onChoose(pending.current);
  }, []);
  useEffect(() => {
    list.current?.querySelector('[data-at]')?.scrollIntoView({ block: 'nearest' });
  }, [at, words]);

  const pick = (value: string): void => {
    if (!multi) {
      onChoose([value]);
      close();
      return;
    }
    const next = toggled(chosen, value, state.variable.includeAll === true);
    setChosen(next);
    pending.current = next;
  };
  const pressed = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown') setAt(Math.min(shown.length - (free ? 0 : 1), at + 1));
    else if (event.key === 'ArrowUp') setAt(Math.max(0, at - 1));
    else if (event.key === 'Enter') {
      const option = shown[at];
      if (option) pick(option.value);
      else if (free) pick(own);
    } else return;
    event.preventDefault();
  };
  const listId = `choice-${state.variable.name}`;
  return (
    <div class="choice">
      <input
        type="text"
        ref={field}
        role="combobox"
        aria-expanded="true"
        aria-controls={listId}
        aria-activedescendant={shown[at] || free ? `${listId}-${at}` : undefined}
        aria-label={english.searchValues(label)}
        placeholder={state.options.length > 0 ? english.searchValues(state.options.length) : english.typeValue}
        spellcheck={false}
        autocomplete="off"
        value={words}
        onKeyDown={pressed}
        onInput={(event) => (setWords(event.currentTarget.value), setAt(0))}
      />
      {multi && (
        <div class="choice-tools">
          <button type="button" class="link" onClick={() => ((pending.current = found.map(({ value }) => value).filter((value) => value !== ALL)), setChosen(pending.current))}>
            {english.chooseAll(words ? english.foundOnes : '')}
          </button>
          <button type="button" class="link" onClick={() => ((pending.current = state.variable.includeAll ? [ALL] : []), setChosen(pending.current))}>
            {english.clear}
          </button>
          <span class="muted">{chosen.includes(ALL) ? english.all : chosen.length}</span>
        </div>
      )}
      <ul role="listbox" id={listId} ref={list} aria-label={label} aria-multiselectable={multi} onMouseDown={(event) => event.preventDefault()}>
        {shown.map((option, index) => (
          <li
            key={option.value}
            id={`${listId}-${index}`}
            role="option"
            aria-selected={chosen.includes(option.value)}
            class="menu-item choice-item"
            {...(index === at ? { 'data-at': '' } : {})}
            onClick={() => pick(option.value)}
          >
            {multi && <i class="choice-box" aria-hidden="true" />}
            <span>{option.text === '' ? english.empty : option.text}</span>
          </li>
        ))}
        {free && (
          <li role="option" id={`${listId}-${shown.length}`} aria-selected="false" class="menu-item choice-item muted" {...(at >= shown.length ? { 'data-at': '' } : {})} onClick={() => pick(own)}>
            {english.takeTyped(own)}
          </li>
        )}
      </ul>
      {found.length > SHOWN && <p class="muted choice-more">{english.moreByTyping(found.length - SHOWN)}</p>}
      {state.options.length === 0 && !state.loading && <p class="muted choice-more">{state.error ?? english.thereAreNoValues}</p>}
    </div>
  );
}
