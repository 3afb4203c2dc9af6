/** JSON that somebody typed and did not apply: it is work too, which no click may throw away. */
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import * as english from '../../english/dashboard.ts';

export interface Typed {
  text: string;
  /** What stood there before. */
  of: string;
  /** Where it stands, for people. */
  name: string;
}

/** Texts by the field that they were typed into; they are there again when one comes back to it. */
export class Unapplied {
  private readonly typed = new Map<string, Typed>();
  private readonly listeners = new Set<() => void>();

  get size(): number {
    return this.typed.size;
  }

  get names(): string[] {
    return [...this.typed.values()].map(({ name }) => name);
  }

  get(key: string): Typed | undefined {
    return this.typed.get(key);
  }

  set(key: string, typed: Typed): void {
    this.typed.set(key, typed);
    this.tell();
  }

  delete(key: string): void {
    if (this.typed.delete(key)) this.tell();
  }

  clear(): void {
    if (this.typed.size === 0) return;
    this.typed.clear();
    this.tell();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

const Context = createContext<Unapplied | undefined>(undefined);
export const UnappliedProvider = Context.Provider;

/** The panel that fields are about; empty for the dashboard itself. */
const Place = createContext('');
export const UnappliedPlace = Place.Provider;

/** Draws anew with each change of these. */
export function useChanges(unapplied: Unapplied | undefined): void {
  const [, setCount] = useState(0);
  useEffect(() => unapplied?.subscribe(() => setCount((count) => count + 1)), [unapplied]);
}

/** What was typed into one field, and how to keep it. */
export function useTyped(label: string): { typed: Typed | undefined; keep: (text: string, of: string) => void; drop: () => void } {
  const unapplied = useContext(Context);
  const place = useContext(Place);
  useChanges(unapplied);
  const key = `${place} ${label}`;
  return {
    typed: unapplied?.get(key),
    keep: (text, of) => unapplied?.set(key, { text, of, name: place === '' ? label : english.ofLabel(label, place) }),
    drop: () => unapplied?.delete(key),
  };
}
