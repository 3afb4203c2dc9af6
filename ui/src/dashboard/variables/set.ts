/** All variables of a dashboard: their options, what is chosen, and what depends on what. */
import type { Patch } from '../../router.ts';
import type { Span } from '../../state/range.ts';
import type { Chosen, Scope } from '../interpolate.ts';
import type { Dashboard, Variable } from '../model.ts';
import type { Requests } from '../requests.ts';
import type { DataSource } from '../sources.ts';

export interface Option {
  text: string;
  value: string;
}

export interface AdHocFilter {
  key: string;
  operator: string;
  value: string;
}

export interface VariableState {
  variable: Variable;
  /** What may be chosen; All (`$__all`) first where it is offered. */
  options: readonly Option[];
  chosen: Chosen;
  /** Of ad hoc variables. */
  filters: readonly AdHocFilter[];
  loading: boolean;
  error?: string;
}

export interface VariableSetup {
  dashboard: Dashboard;
  sources: readonly DataSource[];
  requests: Requests;
  span: Span;
  timeZone: string;
  /** The address's parameters, `var-x` among them. */
  params: URLSearchParams;
}

/** A plain state machine; `useVariables` of `hooks.ts` drives it for a page. */
export class VariableSet {
  /** Replaced, never changed, with every change. */
  states: readonly VariableState[] = [];
  /** Whether every variable has got its value: before that panels need not ask. */
  ready = false;

  constructor(readonly setup: VariableSetup) {}

  /** Loads options, each after those that it depends on. */
  start(): void {}
  /** Chooses; `$__all` among the values means All. Loads again what depends on it. */
  choose(name: string, values: readonly string[]): void {
    void name;
    void values;
  }
  /** Filters of an ad hoc variable. */
  filter(name: string, filters: readonly AdHocFilter[]): void {
    void name;
    void filters;
  }
  /** Another range of time: what is refreshed with it loads again. */
  setSpan(span: Span): void {
    void span;
  }
  /** The address changed (back button). */
  setParams(params: URLSearchParams): void {
    void params;
  }
  /** Keys, and with `key` values, that an ad hoc variable may filter by. */
  async suggest(name: string, key?: string, signal?: AbortSignal): Promise<string[]> {
    void name;
    void key;
    signal?.throwIfAborted();
    return [];
  }
  /** What the address has to say: `var-x` for all that is not skipped. */
  patch(): Patch {
    return {};
  }
  scope(): Scope {
    return {};
  }
  subscribe(listener: () => void): () => void {
    void listener;
    return () => undefined;
  }
  /** Cancels what is under way. */
  stop(): void {}
}
