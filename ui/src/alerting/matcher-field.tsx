/** A field for matchers: each becomes a chip, names and values in use are offered while one types. */
import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { Matcher } from '../api/alertmanager.ts';
import * as english from '../english/alerting.ts';
import { readMatcher, suggest, writeMatcher } from './matchers.ts';

export function MatcherField(props: {
  label: string;
  placeholder: string;
  value: readonly Matcher[];
  names: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** The field that `/` goes to. */
  first?: boolean;
  onChange: (value: Matcher[]) => void;
}): JSX.Element {
  const { value, onChange } = props;
  const id = useId();
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  const [chosen, choose] = useState(-1);
  const [wrong, setWrong] = useState(false);
  const offers = open ? suggest(text, props.names) : [];

  const take = (source: string): void => {
    const matcher = readMatcher(source);
    if (!matcher || source.endsWith('=')) {
      // A name alone: its values come next.
      setText(source);
      setWrong(!source.endsWith('='));
      choose(-1);
      return;
    }
    const written = writeMatcher(matcher);
    if (!value.some((other) => writeMatcher(other) === written)) onChange([...value, matcher]);
    setText('');
    setWrong(false);
    choose(-1);
  };

  const key = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setOpen(true);
      if (offers.length > 0) choose((chosen + (event.key === 'ArrowDown' ? 1 : chosen < 0 ? 0 : -1) + offers.length) % offers.length);
    } else if (event.key === 'Enter' || (event.key === 'Tab' && chosen >= 0) || event.key === ',') {
      const source = offers[chosen] ?? text;
      if (source.trim() === '') return;
      event.preventDefault();
      take(source);
    } else if (event.key === 'Backspace' && text === '' && value.length > 0) {
      onChange(value.slice(0, -1));
    } else if (event.key === 'Escape' && open) {
      event.stopPropagation();
      setOpen(false);
    }
  };

  return (
    <div class={`matchers${wrong ? ' matchers-wrong' : ''}`}>
      {value.map((matcher, index) => {
        const written = writeMatcher(matcher);
        return (
          <span class="matcher mono" key={written}>
            {written}
            <button type="button" aria-label={english.removeMatcher(written)} onClick={() => onChange(value.filter((_, other) => other !== index))}>
              ×
            </button>
          </span>
        );
      })}
      <span class="matchers-field">
        <input
          type="text"
          class="mono"
          role="combobox"
          aria-label={props.label}
          aria-expanded={offers.length > 0}
          aria-controls={`${id}-offers`}
          aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
          aria-invalid={wrong}
          placeholder={value.length === 0 ? props.placeholder : ''}
          spellcheck={false}
          autocomplete="off"
          value={text}
          {...(props.first ? { 'data-search': '' } : {})}
          onInput={(event) => (setText(event.currentTarget.value), setWrong(false), setOpen(true), choose(-1))}
          onFocus={() => setOpen(true)}
          onBlur={() => (setOpen(false), text.trim() !== '' && readMatcher(text) && !text.trim().endsWith('=') && take(text))}
          onKeyDown={key}
        />
        {offers.length > 0 && (
          <ul class="offers" role="listbox" id={`${id}-offers`} aria-label={english.suggestions}>
            {offers.map((offer, index) => (
              <li
                key={offer}
                id={`${id}-${index}`}
                role="option"
                class="mono"
                aria-selected={index === chosen}
                onPointerDown={(event) => (event.preventDefault(), take(offer))}
              >
                {offer}
              </li>
            ))}
          </ul>
        )}
      </span>
      {wrong && (
        <span class="text-critical" role="alert">
          {english.matcherHint(<code>name="value"</code>)}
        </span>
      )}
    </div>
  );
}
