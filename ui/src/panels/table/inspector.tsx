/** One value in full. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import * as english from '../../english/panels.ts';
import { jsonText } from './model.ts';

export interface Inspected {
  title: string;
  value: unknown;
  /** As its cell shows it. */
  text: string;
}

export function Inspector({ title, value, text, onClose }: Inspected & { onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const raw = typeof value === 'object' || (typeof value === 'string' && /^\s*[[{]/.test(value)) ? jsonText(value, 2) : typeof value === 'string' ? value : text;
  return (
    <dialog
      ref={dialog}
      class="table-inspector"
      aria-label={english.valueOf(title)}
      onClose={onClose}
      onKeyDown={(event) => event.stopPropagation()}
      onClick={(event) => event.target === event.currentTarget && dialog.current?.close()}
    >
      <div class="table-inspector-head">
        <h2>{title}</h2>
        <button type="button" class="button" onClick={() => void navigator.clipboard?.writeText(raw).then(() => setCopied(true), () => undefined)}>
          {copied ? english.copied : english.copy}
        </button>
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          {english.close}
        </button>
      </div>
      <pre>{raw}</pre>
    </dialog>
  );
}
