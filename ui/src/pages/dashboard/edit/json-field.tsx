/** JSON that people write: a mistake is named with its place, and the cursor goes there. What is not applied is kept. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import * as english from '../../../english/dashboard-edit.ts';
import { mistakeOffset, parseJson } from '../../../format/json.ts';
import { useTyped } from '../unapplied.ts';

interface Props {
  /** Names the field, and what is typed into it, within its panel. */
  label: string;
  value: unknown;
  rows?: number;
  /** Throws where the value is not what it should be; its message is shown. Not given, the JSON is only shown. */
  onApply?: (value: unknown) => void;
  apply?: string;
}

export function JsonField({ label, value, rows = 10, onApply, apply = english.apply }: Props): JSX.Element {
  const kept = JSON.stringify(value, null, 2) ?? '';
  const { typed, keep, drop } = useTyped(label);
  const [error, setError] = useState<string | undefined>(undefined);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => setError(undefined), [kept]);
  const text = typed?.text ?? kept;
  const run = (): void => {
    try {
      onApply?.(parseJson(text));
      setError(undefined);
      drop();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
      if (!(problem instanceof Error) || problem.name !== 'JsonMistake') return;
      const offset = mistakeOffset(text);
      area.current?.focus();
      area.current?.setSelectionRange(Math.max(0, offset), offset + 1);
    }
  };
  return (
    <div class="json-field">
      <textarea
        ref={area}
        class="mono"
        rows={rows}
        spellcheck={false}
        wrap="off"
        aria-label={label}
        aria-invalid={error !== undefined}
        readOnly={!onApply}
        value={text}
        onInput={(event) => {
          const written = event.currentTarget.value;
          if (written === kept) drop();
          else keep(written, typed?.of ?? kept);
        }}
      />
      {error !== undefined && (
        <p class="text-critical" role="alert">
          {error}
        </p>
      )}
      {onApply && (
        <div class="json-actions">
          <button type="button" class="button" disabled={!typed} onClick={run}>
            {apply}
          </button>
          {typed && (
            <>
              <button type="button" class="link" onClick={() => (drop(), setError(undefined))}>
                {english.back}
              </button>
              <span class="muted">{typed.of === kept ? english.typedNotAppliedYet : english.typedNotAppliedYetWhat}</span>
            </>
          )}
        </div>
      )}
    </div>
  );
}
