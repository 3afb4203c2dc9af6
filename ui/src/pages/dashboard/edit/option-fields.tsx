/** Editors of single options, as a panel's kind lists them. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useMemo, useState } from 'preact/hooks';
import * as english from '../../../english/dashboard-edit.ts';
import { cssColor } from '../../../fields/color.ts';
import { HUES, SHADES } from '../../../fields/schemes.ts';
import { unitIds } from '../../../fields/units.ts';
import type { OptionEditor } from '../../../panels/panel.ts';

export function Labelled({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <label class="option">
      <span>{name}</span>
      {children}
    </label>
  );
}

/** A text that counts when it is left or with Enter: each letter would draw the panel anew. */
export function TextField({ value, onChange, lines = false, placeholder, label }: { value: string; onChange: (value: string) => void; lines?: boolean; placeholder?: string; label?: string }): JSX.Element {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const done = (): void => {
    if (text !== value) onChange(text);
  };
  if (lines) return <textarea rows={3} aria-label={label} value={text} placeholder={placeholder} onInput={(event) => setText(event.currentTarget.value)} onBlur={done} />;
  return <input aria-label={label} value={text} placeholder={placeholder} onInput={(event) => setText(event.currentTarget.value)} onBlur={done} onKeyDown={(event) => event.key === 'Enter' && done()} />;
}

export function NumberField({ value, onChange, min, max, step, placeholder = 'auto', label }: { value: number | null | undefined; onChange: (value: number | undefined) => void; min?: number; max?: number; step?: number; placeholder?: string; label?: string }): JSX.Element {
  return (
    <input
      type="number"
      aria-label={label}
      value={value === null || value === undefined ? '' : String(value)}
      min={min}
      max={max}
      step={step ?? 'any'}
      placeholder={placeholder}
      onChange={(event) => {
        const number = event.currentTarget.value === '' ? undefined : Number(event.currentTarget.value);
        onChange(number !== undefined && Number.isNaN(number) ? undefined : number);
      }}
    />
  );
}

export function ChoiceField({ value, choices, onChange, label }: { value: unknown; choices: readonly { value: unknown; text: string }[]; onChange: (value: unknown) => void; label?: string }): JSX.Element {
  const at = choices.findIndex((choice) => JSON.stringify(choice.value) === JSON.stringify(value));
  return (
    <select aria-label={label} value={String(at)} onChange={(event) => onChange(choices[Number(event.currentTarget.value)]?.value)}>
      {at < 0 && <option value="-1">{value === undefined ? '' : JSON.stringify(value)}</option>}
      {choices.map(({ text }, index) => (
        <option key={text} value={String(index)} selected={index === at}>
          {text}
        </option>
      ))}
    </select>
  );
}

const NAMED_COLORS = Object.keys(HUES).flatMap((hue) => SHADES.map((shade) => `${shade}${hue}`));

/** A colour by Grafana's names, which fit both themes, or any other. */
export function ColorField({ value, onChange, label }: { value: string | undefined; onChange: (color: string) => void; label: string }): JSX.Element {
  const hex = cssColor(value ?? 'text');
  return (
    <span class="color-field">
      <input type="color" aria-label={english.anyColour(label)} value={/^#[0-9a-f]{6}$/i.test(hex) ? hex : '#808080'} onChange={(event) => onChange(event.currentTarget.value)} />
      <select aria-label={label} value={value ?? ''} onChange={(event) => onChange(event.currentTarget.value)}>
        {[...new Set([value ?? '', ...NAMED_COLORS, 'text', 'transparent'])].map((name) => (
          <option key={name} value={name} selected={name === (value ?? '')}>
            {name}
          </option>
        ))}
      </select>
    </span>
  );
}

/** Any unit of Grafana, found by name or id; what is typed counts as it is too, such as `suffix:req`. */
export function UnitField({ value, onChange }: { value: string | undefined; onChange: (unit: string | undefined) => void }): JSX.Element {
  const id = useId();
  const units = useMemo(() => unitIds.flatMap(({ group, units: of }) => of.map((unit) => ({ ...unit, group }))), []);
  const known = units.find((unit) => unit.id === value);
  const [text, setText] = useState<string | undefined>(undefined);
  const take = (written: string): void => {
    setText(undefined);
    const found = units.find((unit) => unit.id === written || `${unit.name} (${unit.id})` === written);
    onChange(written === '' ? undefined : (found?.id ?? written));
  };
  return (
    <>
      <input
        list={id}
        aria-label={english.unit}
        placeholder={english.none}
        spellcheck={false}
        value={text ?? (known ? `${known.name} (${known.id})` : (value ?? ''))}
        onFocus={(event) => event.currentTarget.select()}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={(event) => take(event.currentTarget.value.trim())}
      />
      <datalist id={id}>
        {units.map((unit) => (
          <option key={unit.id} value={`${unit.name} (${unit.id})`}>
            {unit.group}
          </option>
        ))}
      </datalist>
    </>
  );
}

/** One text that may be any, with those that suggest themselves. */
export function SuggestField({ label, value, choices, placeholder, onChange }: { label?: string; value: string; choices: readonly string[]; placeholder?: string; onChange: (value: string) => void }): JSX.Element {
  const id = useId();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <>
      <input list={id} aria-label={label} value={text} placeholder={placeholder} spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} onChange={(event) => event.currentTarget.value !== value && onChange(event.currentTarget.value)} />
      <datalist id={id}>
        {choices.map((choice) => (
          <option key={choice} value={choice} />
        ))}
      </datalist>
    </>
  );
}

/** Several names; those that are chosen and gone since stand there too. `closed`: no others can be written. */
export function NamesField({ label, value, choices, closed = false, onChange }: { label: string; value: readonly string[]; choices: readonly string[]; closed?: boolean; onChange: (value: string[]) => void }): JSX.Element {
  const all = [...new Set([...choices, ...value])];
  return (
    <fieldset class="option option-choices">
      <legend>{label}</legend>
      {all.map((name) => (
        <button type="button" key={name} class="chip" aria-pressed={value.includes(name)} onClick={() => onChange(value.includes(name) ? value.filter((each) => each !== name) : [...value, name])}>
          {name}
        </button>
      ))}
      {!closed && <SuggestField label={english.anotherOne(label)} placeholder={english.anotherOnePlaceholder} value="" choices={choices.filter((name) => !value.includes(name))} onChange={(name) => name !== '' && !value.includes(name) && onChange([...value, name])} />}
    </fieldset>
  );
}

/** One option as its kind describes it. */
export function OptionField({ editor, value, onChange }: { editor: OptionEditor; value: unknown; onChange: (value: unknown) => void }): JSX.Element {
  const { kind, name, choices = [] } = editor;
  if (kind === 'switch') {
    return (
      <label class="option option-switch">
        <input type="checkbox" checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} />
        <span>{name}</span>
      </label>
    );
  }
  if (kind === 'choices') {
    const chosen = Array.isArray(value) ? value : [];
    return (
      <fieldset class="option option-choices">
        <legend>{name}</legend>
        {choices.map((choice) => {
          const on = chosen.some((each) => each === choice.value);
          return (
            <button type="button" key={choice.text} class="chip" aria-pressed={on} onClick={() => onChange(on ? chosen.filter((each) => each !== choice.value) : [...chosen, choice.value])}>
              {choice.text}
            </button>
          );
        })}
      </fieldset>
    );
  }
  return (
    <Labelled name={name}>
      {kind === 'number' ? (
        <NumberField value={typeof value === 'number' ? value : undefined} min={editor.min} max={editor.max} step={editor.step} onChange={onChange} />
      ) : kind === 'choice' ? (
        <ChoiceField value={value} choices={choices} onChange={onChange} />
      ) : kind === 'unit' ? (
        <UnitField value={typeof value === 'string' ? value : undefined} onChange={onChange} />
      ) : kind === 'color' ? (
        <ColorField label={name} value={typeof value === 'string' ? value : undefined} onChange={onChange} />
      ) : (
        <TextField lines={kind === 'lines'} value={typeof value === 'string' ? value : value === undefined || value === null ? '' : String(value)} onChange={onChange} />
      )}
    </Labelled>
  );
}
