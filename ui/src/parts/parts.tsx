/** Small pieces that several pages share. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Labels } from '../api/types.ts';

/** Meanings that have a colour. Each also has a shape, so that nobody depends on the colour. */
export type Tone = 'critical' | 'warning' | 'info' | 'ok' | 'quiet';

const SHAPES: Record<Tone, JSX.Element> = {
  critical: <path d="M5 1h6l4 4v6l-4 4H5l-4-4V5zM7.2 4v5h1.6V4zm0 6.4V12h1.6v-1.6z" fill-rule="evenodd" />,
  warning: <path d="M8 1.2 15.6 15H.4zM7.2 6v4.4h1.6V6zm0 5.6v1.6h1.6v-1.6z" fill-rule="evenodd" />,
  info: <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm-.8 3h1.6v1.6H7.2zm0 3h1.6v5H7.2z" fill-rule="evenodd" />,
  ok: <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM7 11.4 3.7 8.1l1.1-1.1L7 9.1l4.2-4.2 1.1 1.1z" fill-rule="evenodd" />,
  quiet: <path d="M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 1.6a4.4 4.4 0 1 1 0 8.8 4.4 4.4 0 0 1 0-8.8z" fill-rule="evenodd" />,
};

export function Mark({ tone, large }: { tone: Tone; large?: boolean }): JSX.Element {
  return (
    <svg class={`mark tone-${tone}${large ? ' mark-large' : ''}`} viewBox="0 0 16 16" aria-hidden="true">
      {SHAPES[tone]}
    </svg>
  );
}

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return (
    <span class={`badge tone-${tone}`}>
      <Mark tone={tone} />
      {children}
    </span>
  );
}

/** Labels as people compare them: names quiet, values plain. */
export function LabelList({ labels, omit = [] }: { labels: Labels; omit?: readonly string[] }): JSX.Element {
  const entries = Object.entries(labels).filter(([name]) => !omit.includes(name));
  return (
    <span class="labels">
      {entries.map(([name, value]) => (
        <span class="label" key={name}>
          <span class="label-name">{name}</span>
          <span class="label-value">{value === '' ? '""' : value}</span>
        </span>
      ))}
    </span>
  );
}

/** Says that something is missing, why, and what to do. */
export function Empty({ title, children, compact }: { title: string; children?: ComponentChildren; compact?: boolean }): JSX.Element {
  return (
    <div class={compact ? 'empty empty-compact' : 'empty'}>
      <p class="empty-title">{title}</p>
      {children && <p class="muted">{children}</p>}
    </div>
  );
}

export function Failure({ error, compact }: { error: Error; compact?: boolean }): JSX.Element {
  return (
    <div class={compact ? 'failure failure-compact' : 'failure'} role="alert">
      <Mark tone="critical" />
      <span>{error.message}</span>
    </div>
  );
}

/** A choice of one, as chips. */
export function Chips<T extends string>(props: {
  label: string;
  options: readonly { value: T; text: string; count?: number; tone?: Tone }[];
  value: T;
  onChange: (value: T) => void;
}): JSX.Element {
  return (
    <div class="chips" role="group" aria-label={props.label}>
      {props.options.map(({ value, text, count, tone }) => (
        <button type="button" key={value} class="chip" aria-pressed={props.value === value} onClick={() => props.onChange(value)}>
          {tone && <Mark tone={count ? tone : 'quiet'} />}
          {text}
          {count !== undefined && <span class="count">{count}</span>}
        </button>
      ))}
    </div>
  );
}

/** The search field of a page; `/` puts the cursor here. */
export function Search({ value, placeholder, onInput }: { value: string; placeholder: string; onInput: (value: string) => void }): JSX.Element {
  return (
    <input
      type="search"
      class="search"
      data-search=""
      value={value}
      placeholder={placeholder}
      aria-label={placeholder}
      spellcheck={false}
      autocomplete="off"
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

/** A button that opens a small box below itself; Escape and a click elsewhere close it. */
export function Popover(props: {
  button: ComponentChildren;
  label: string;
  title?: string;
  align?: 'left' | 'right';
  children: (close: () => void) => ComponentChildren;
}): JSX.Element {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event): void => {
      if (root.current && !event.composedPath().includes(root.current)) setOpen(false);
    };
    const key = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      setOpen(false);
      root.current?.querySelector('button')?.focus();
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('focusin', outside);
    document.addEventListener('keydown', key, true);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('focusin', outside);
      document.removeEventListener('keydown', key, true);
    };
  }, [open]);
  return (
    <div class="popover" ref={root}>
      <button type="button" class="button" aria-expanded={open} aria-label={props.label} title={props.title} onClick={() => setOpen(!open)}>
        {props.button}
      </button>
      {/* Can have the focus itself, so that a click on its ground is not one elsewhere. */}
      {open && <div tabIndex={-1} class={`popover-box popover-${props.align ?? 'left'}`}>{props.children(() => setOpen(false))}</div>}
    </div>
  );
}

/** True once `milliseconds` have gone by since the first showing. */
export function useDelay(milliseconds: number): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setOver(true), milliseconds);
    return () => clearTimeout(timer);
  }, []);
  return over;
}
