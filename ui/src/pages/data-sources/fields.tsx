/** Fields of the form of a data source. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useState } from 'preact/hooks';
import * as english from '../../english/data-sources.ts';

export function Section({ title, children }: { title: string; children: ComponentChildren }): JSX.Element {
  return (
    <fieldset class="panel source-section">
      <legend>{title}</legend>
      {children}
    </fieldset>
  );
}

/** A label over its field, with what is to be known of it and what is wrong with it beside. */
export function Field({ name, about, wrong, children }: { name: string; about?: ComponentChildren; wrong?: string | undefined; children: (aria: { id: string; 'aria-describedby': string; 'aria-invalid': boolean }) => JSX.Element }): JSX.Element {
  const id = useId();
  return (
    <div class="source-field">
      <label for={id}>{name}</label>
      {children({ id, 'aria-describedby': `${id}-about`, 'aria-invalid': wrong !== undefined })}
      <span id={`${id}-about`} class={wrong === undefined ? 'muted' : 'text-critical'} role={wrong === undefined ? undefined : 'alert'}>
        {wrong ?? about}
      </span>
    </div>
  );
}

export function TextField(props: { name: string; about?: ComponentChildren; wrong?: string | undefined; value: string; placeholder?: string; inputMode?: 'url' | 'numeric' | 'text'; onInput: (value: string) => void }): JSX.Element {
  return (
    <Field name={props.name} about={props.about} wrong={props.wrong}>
      {(aria) => (
        <input {...aria} value={props.value} placeholder={props.placeholder ?? ''} inputMode={props.inputMode ?? 'text'} spellcheck={false} autocapitalize="none" autocomplete="off" onInput={(event) => props.onInput(event.currentTarget.value)} />
      )}
    </Field>
  );
}

export function CheckField({ name, about, checked, onChange }: { name: string; about?: string; checked: boolean; onChange: (checked: boolean) => void }): JSX.Element {
  return (
    <label class="source-check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>
        {name}
        {about && <span class="muted"> {about}</span>}
      </span>
    </label>
  );
}

/**
 * A secret, which can be set, replaced and removed but never read. `value` is the new one, empty to remove it, undefined
 * to leave what there is.
 */
export function SecretField(props: { name: string; about?: string; wrong?: string | undefined; isSet: boolean; value: string | undefined; lines?: boolean; placeholder?: string; onChange: (value: string | undefined) => void }): JSX.Element {
  const { name, isSet, value, onChange } = props;
  const [typing, setTyping] = useState(!isSet);
  useEffect(() => setTyping(!isSet), [isSet]);
  const removed = isSet && !typing && value === '';
  if (isSet && !typing)
    return (
      <div class="source-field" role="group" aria-label={name}>
        <span class="source-label">{name}</span>
        <span class="source-secret">
          <span class={removed ? 'text-critical' : ''}>{removed ? english.isRemovedWhenSaved : english.set}</span>
          {removed ? (
            <button type="button" class="button" onClick={() => onChange(undefined)}>
              {english.keepIt}
            </button>
          ) : (
            <>
              <button type="button" class="button" aria-label={english.replace(name)} onClick={() => setTyping(true)}>
                {english.replaceNote}
              </button>
              <button type="button" class="button" aria-label={english.remove(name)} onClick={() => onChange('')}>
                {english.removeNote}
              </button>
            </>
          )}
        </span>
        <span class="muted">{props.wrong ?? english.nobodyCanReadItAgain}</span>
      </div>
    );
  const input = (text: string): void => onChange(text === '' ? undefined : text);
  return (
    <Field
      name={name}
      wrong={props.wrong}
      about={
        isSet ? (
          <button type="button" class="link" onClick={() => (setTyping(false), onChange(undefined))}>
            {english.keepOneThatIsSet}
          </button>
        ) : (
          props.about
        )
      }
    >
      {(aria) =>
        props.lines ? (
          <textarea {...aria} rows={4} class="mono" value={value ?? ''} placeholder={props.placeholder ?? ''} spellcheck={false} autocomplete="off" autofocus={isSet} onInput={(event) => input(event.currentTarget.value)} />
        ) : (
          <input {...aria} type="password" value={value ?? ''} placeholder={props.placeholder ?? ''} autocomplete="new-password" autofocus={isSet} onInput={(event) => input(event.currentTarget.value)} />
        )
      }
    </Field>
  );
}
