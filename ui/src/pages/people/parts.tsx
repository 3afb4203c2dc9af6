/** What the pages over people share. */
import type { ComponentChildren, JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { ROLES, type Role } from '../../api/people.ts';
import { ROLE_WORDS } from '../../me-menu.tsx';
import { Mark } from '../../parts/parts.tsx';

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
        {copied ? 'Copied' : 'Copy'}
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
