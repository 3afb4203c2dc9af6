/** JSON that people write: a mistake is named with its place, and the cursor goes there. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { mistakeOffset, parseJson } from '../../../format/json.ts';

interface Props {
  label: string;
  value: unknown;
  rows?: number;
  /** Throws where the value is not what it should be; its message is shown. */
  onApply: (value: unknown) => void;
  apply?: string;
}

export function JsonField({ label, value, rows = 10, onApply, apply = 'Apply' }: Props): JSX.Element {
  const kept = JSON.stringify(value, null, 2) ?? '';
  const [text, setText] = useState(kept);
  const [error, setError] = useState<string | undefined>(undefined);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    setText(kept);
    setError(undefined);
  }, [kept]);
  const run = (): void => {
    try {
      onApply(parseJson(text));
      setError(undefined);
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
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {error !== undefined && (
        <p class="text-critical" role="alert">
          {error}
        </p>
      )}
      <div class="json-actions">
        <button type="button" class="button" disabled={text === kept} onClick={run}>
          {apply}
        </button>
        {text !== kept && (
          <button type="button" class="link" onClick={() => (setText(kept), setError(undefined))}>
            Back to what it was
          </button>
        )}
      </div>
    </div>
  );
}
