/** Where the cursor is in a plot. Kept outside the panel's state, so that moving it draws nothing but the readout. */
import { useEffect, useState } from 'preact/hooks';
import type uPlot from 'uplot';

export interface Hover {
  plot: uPlot;
  /** The row of the data nearest to the cursor. */
  row: number;
  /** By series of the plot: the row to show, null for none nearby. */
  rows: readonly (number | null)[];
  /** CSS pixels within the plot. */
  left: number;
  top: number;
  /** CSS pixels within the window. */
  pageLeft: number;
  pageTop: number;
  /** Whether the pointer or the keyboard is on this plot, rather than on one that shares its cursor. */
  own: boolean;
}

export interface HoverStore {
  readonly hover: Hover | undefined;
  /** A pinned readout stays until it is closed, and its links can be reached. */
  readonly pinned: boolean;
  set: (hover: Hover | undefined) => void;
  pin: (pinned: boolean) => void;
  subscribe: (listener: () => void) => () => void;
}

export function hoverStore(): HoverStore {
  const listeners = new Set<() => void>();
  let hover: Hover | undefined;
  let pinned = false;
  const tell = (): void => listeners.forEach((listener) => listener());
  return {
    get hover() {
      return hover;
    },
    get pinned() {
      return pinned;
    },
    set(next) {
      if (pinned || next === hover) return;
      hover = next;
      tell();
    },
    pin(next) {
      if (next === pinned) return;
      pinned = next && hover !== undefined;
      if (!pinned) hover = undefined;
      tell();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useHover(store: HoverStore): { hover: Hover | undefined; pinned: boolean } {
  const [, changed] = useState({});
  useEffect(() => store.subscribe(() => changed({})), [store]);
  return { hover: store.hover, pinned: store.pinned };
}
