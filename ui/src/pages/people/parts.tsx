/** What the pages over people share. */
import type { ComponentChildren, JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { ROLES, type Role } from '../../api/people.ts';
import * as english from '../../english/people.ts';
import { ROLE_WORDS } from '../../me-menu.tsx';
import { Failure, Mark, Search } from '../../parts/parts.tsx';
import { setParams } from '../../router.ts';
import type { Loaded } from '../../state/load.ts';

/** Changes to what a list shows: each is followed by another look at it, and what failed last is told. */
export function useChanges(): { count: number; failed: Error | undefined; look: () => void; run: (change: Promise<unknown>) => void } {
  const [count, setCount] = useState(0);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const look = (): void => setCount((before) => before + 1);
  const run = (change: Promise<unknown>): void => void change.then(() => setFailed(undefined), (error: Error) => setFailed(error)).finally(look);
  return { count, failed, look, run };
}

interface ListedProps<Found, Item> {
  /** What the list is called. */
  label: string;
  found: Loaded<Found & { totalCount: number }>;
  items: (found: Found) => readonly Item[];
  failed: Error | undefined;
  /** How another one is made. */
  making: ComponentChildren;
  words: string;
  placeholder: string;
  empty: ComponentChildren;
  /** The heads of its columns but the last one, of changes. */
  heads: ComponentChildren;
  row: (item: Item) => JSX.Element;
}

/** A list that is searched, with what is done to its items at the end of each row. */
export function Listed<Found, Item>({ label, found: { data, error }, items, failed, making, words, placeholder, empty, heads, row }: ListedProps<Found, Item>): JSX.Element {
  const shown = data ? items(data) : [];
  return (
    <>
      <div class="toolbar">
        {making}
        <Search value={words} placeholder={placeholder} onInput={(q) => setParams({ q: q || undefined }, { replace: true })} />
      </div>
      {failed && <Failure error={failed} />}
      {error && <Failure error={error} />}
      {!data && !error && <div class="skeleton skeleton-page" />}
      {data && shown.length === 0 && empty}
      {data && shown.length > 0 && (
        <section class="panel table-scroll" aria-label={label}>
          <table class="rows">
            <thead>
              <tr>
                {heads}
                <ChangeHead />
              </tr>
            </thead>
            <tbody>{shown.map(row)}</tbody>
          </table>
          {data.totalCount > shown.length && (
            <p class="more">
              {english.onlyTheFirst(shown.length, data.totalCount)}
            </p>
          )}
        </section>
      )}
    </>
  );
}

/** The head of a column of buttons. */
export function ChangeHead(): JSX.Element {
  return (
    <th>
      <span class="hidden">{english.change}</span>
    </th>
  );
}

/** Closes a box in which all is done. */
export function Done({ strong = false, onClose }: { strong?: boolean; onClose: () => void }): JSX.Element {
  return (
    <div class="box-actions">
      <button type="button" class={strong ? 'button button-strong' : 'button'} onClick={onClose}>
        {english.done}
      </button>
    </div>
  );
}

/** A secret that is shown this once. */
export function Secret({ value, label, children }: { value: string; label: string; children: ComponentChildren }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = (): void => {
    field.current?.select();
    // Without TLS there is no clipboard; then it stands selected.
    void navigator.clipboard?.writeText(value).then(() => setCopied(true));
  };
  return (
    <div class="secret" role="status">
      <p>
        <Mark tone="warning" /> {children}
      </p>
      <input ref={field} readOnly value={value} aria-label={label} onFocus={(event) => event.currentTarget.select()} />
      <button type="button" class="button" onClick={copy}>
        {copied ? english.copied : english.copy}
      </button>
    </div>
  );
}

/** A button for what cannot be taken back: it is pressed twice. */
export function SureButton({ children, sure, label, onSure, disabled = false }: { children: string; sure: string; label: string; onSure: () => void; disabled?: boolean }): JSX.Element {
  const [asked, setAsked] = useState(false);
  return (
    <button
      type="button"
      class={asked ? 'button button-critical' : 'button'}
      disabled={disabled}
      aria-label={asked ? `${sure}: ${label}` : `${children}: ${label}`}
      onBlur={() => setAsked(false)}
      onClick={() => (asked ? (setAsked(false), onSure()) : setAsked(true))}
    >
      {asked ? sure : children}
    </button>
  );
}

export function RoleSelect({ value, label, disabled = false, onChange }: { value: Role; label: string; disabled?: boolean; onChange: (role: Role) => void }): JSX.Element {
  return (
    <select aria-label={label} value={value} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value as Role)}>
      {ROLES.map((role) => (
        <option key={role} value={role} selected={role === value}>
          {ROLE_WORDS[role]}
        </option>
      ))}
    </select>
  );
}
