/** An expression's field: plain text at once, the full editor as soon as it is here, in the same place and size. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Editor } from './promql-editor.ts';

interface Props {
  value: string;
  /** Changes when `value` was set from elsewhere; typing leaves it, so that a late redraw undoes no keystroke. */
  version: number;
  label: string;
  /** The field that `/` goes to. */
  first: boolean;
  /** The text has variables of a dashboard in it, which are no PromQL: mistakes are then left to the server. */
  variables?: boolean;
  /** Where the API stands that knows names to complete; our own unless it says another. Read when the field appears. */
  base?: string | undefined;
  onChange: (value: string) => void;
  onRun: () => void;
}

export function ExpressionField(props: Props): JSX.Element {
  const { value, label, first } = props;
  const host = useRef<HTMLDivElement>(null);
  const plain = useRef<HTMLTextAreaElement>(null);
  const editor = useRef<Editor | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const [loaded, setLoaded] = useState(false);

  useEffect(() => {
    let gone = false;
    import('./promql-editor.ts').then(
      ({ mountEditor }) => {
        if (gone || !host.current) return;
        const focused = document.activeElement === plain.current;
        editor.current = mountEditor(host.current, {
          text: latest.current.value,
          label: latest.current.label,
          lint: latest.current.variables !== true,
          base: latest.current.base ?? 'api/v1/',
          onChange: (text) => latest.current.onChange(text),
          onRun: () => latest.current.onRun(),
        });
        setLoaded(true);
        if (focused) editor.current.focus();
      },
      () => undefined, // the plain field keeps working
    );
    return () => {
      gone = true;
      editor.current?.destroy();
      editor.current = undefined;
    };
  }, []);

  useEffect(() => {
    if (editor.current && editor.current.read() !== latest.current.value) editor.current.write(latest.current.value);
  }, [props.version]);

  return (
    <div class="field">
      <div ref={host} tabIndex={-1} hidden={!loaded} class="field-editor" {...(first && loaded ? { 'data-search': '' } : {})} />
      {!loaded && (
        <textarea
          ref={plain}
          rows={1}
          class="field-plain"
          aria-label={label}
          spellcheck={false}
          value={value}
          {...(first ? { 'data-search': '' } : {})}
          onInput={(event) => props.onChange(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey) return;
            event.preventDefault();
            props.onRun();
          }}
        />
      )}
    </div>
  );
}
