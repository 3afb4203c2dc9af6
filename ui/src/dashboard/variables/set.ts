/** All variables of a dashboard: their options, what is chosen, and what depends on what. */
import * as english from '../../english/queries.ts';
import type { Patch } from '../../router.ts';
import type { Span } from '../../state/range.ts';
import { builtins, timeScope, writeInterval, type BuiltinsGiven } from '../builtins.ts';
import { durationMs, roundInterval } from '../durations.ts';
import { interpolate, references, type Chosen, type Scope } from '../interpolate.ts';
import { textOf } from '../json.ts';
import type { Dashboard, Variable } from '../model.ts';
import type { Requests } from '../requests.ts';
import { findSource, type DataSource } from '../sources.ts';
import type { TimeRange } from '../time.ts';
import { ALL, choose, readFilter, sameChosen, savedFilters, savedValues, valuesOf, writeFilter, type AdHocFilter } from './choose.ts';
import { customOptions, dataSourceOptions, intervalOptions, queryOptions, queryText, suggestions, type Option } from './options.ts';

export type { AdHocFilter, Option };

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
  /** For links: the range as it stands in the address. */
  range?: TimeRange;
  user?: BuiltinsGiven['user'];
}

/** Filters that a data source's queries get, under this name in a scope. */
export const FILTERS = '__adhoc';

/** Filters of one ad hoc variable. */
export interface SourceFilters {
  /** Of the data source. */
  uid: string;
  filters: readonly AdHocFilter[];
}

/** Labels that a data source's queries are grouped by, under this name in a scope. */
export const GROUPING = '__groupby';

/** What one variable “Group by” has chosen. */
export interface SourceGrouping {
  /** Of the data source. */
  uid: string;
  keys: readonly string[];
}

interface Node {
  state: VariableState;
  /** Variables that its query names. */
  needs: readonly string[];
  /** From the address, until it was first used. */
  wanted?: readonly string[];
  /** Options must be loaded (again). */
  due: boolean;
  /** As before, but panels need not wait: the time moved on. */
  quiet: boolean;
  /** Options were there once. */
  known: boolean;
  control?: AbortController;
}

const AUTO = '$__auto_interval_';
/** Kinds whose value need not be among the options. */
const FREE = new Set(['query', 'custom', 'interval', 'groupby', 'textbox', 'snapshot']);

/** A plain state machine; `useVariables` of `hooks.ts` drives it for a page. */
export class VariableSet {
  /** Replaced, never changed, with every change. */
  states: readonly VariableState[] = [];
  /** Counts changes of what is chosen: what it was interpolated with is out of date. */
  version = 0;

  private readonly nodes = new Map<string, Node>();
  private readonly listeners = new Set<() => void>();
  private span: Span;
  private range: TimeRange | undefined;
  private params: URLSearchParams;
  private told = false;
  private stopped = false;
  private cached: { version: number; scope: Scope } | undefined;

  constructor(readonly setup: VariableSetup) {
    this.span = setup.span;
    this.range = setup.range;
    this.params = setup.params;
    const names = new Set(setup.dashboard.templating.list.map(({ name }) => name));
    for (const variable of setup.dashboard.templating.list) {
      const needs = [...references([variable.query, variable.definition, variable.regex, variable.datasource, variable.allValue])].filter((name) => names.has(name) && name !== variable.name);
      const filters = savedFilters(variable);
      const wanted = wantedOf(variable, setup.params);
      const state: VariableState = { variable, options: [], chosen: choose(variable, [], wanted ?? savedValues(variable), true), filters, loading: false };
      if (variable.type === 'adhoc' && wanted) state.filters = wanted.map(readFilter).filter((filter): filter is AdHocFilter => filter !== undefined);
      this.nodes.set(variable.name, { state, needs, ...(wanted ? { wanted } : {}), due: true, quiet: false, known: false });
    }
    this.breakCircles();
    this.publish();
  }

  /** Whether no variable is about to change: before that panels need not ask. */
  get ready(): boolean {
    return [...this.nodes.values()].every(({ due, quiet }) => !due || quiet);
  }

  /** Loads options, each after those that it depends on. */
  start(): void {
    this.stopped = false;
    this.pump();
  }

  /** Chooses; `$__all` among the values means All. Loads again what depends on it. */
  choose(name: string, values: readonly string[]): void {
    const node = this.nodes.get(name);
    if (!node || node.state.variable.type === 'adhoc') return;
    const { variable, options } = node.state;
    // All and something else: the one that came last counts.
    const last = values.at(-1);
    const clean = values.includes(ALL) && values.length > 1 ? (last === ALL ? [ALL] : values.filter((value) => value !== ALL)) : values;
    this.accept(node, choose(variable, withoutAll(options), clean, FREE.has(variable.type)));
    this.pump();
  }

  /** Filters of an ad hoc variable. */
  filter(name: string, filters: readonly AdHocFilter[]): void {
    const node = this.nodes.get(name);
    if (!node) return;
    node.state = { ...node.state, filters: [...filters] };
    this.changed();
  }

  /** Another range of time: what is refreshed with it loads again, while panels go on with what is there. */
  setSpan(span: Span, range?: TimeRange): void {
    const before = this.moving();
    this.range = range ?? this.range;
    const same = span.from === this.span.from && span.to === this.span.to;
    this.span = span;
    if (this.moving() !== before) this.changed();
    if (same) return;
    for (const node of this.nodes.values()) {
      const { variable } = node.state;
      const moves = variable.type === 'interval' ? variable.auto === true : variable.type === 'query' && variable.refresh === 2;
      // What is under way for the old range goes on: a slow server is not asked ever more.
      if (moves && !node.due) Object.assign(node, { due: true, quiet: true });
    }
    this.pump();
  }

  /** The address changed (back button). */
  setParams(params: URLSearchParams): void {
    const before = this.params;
    this.params = params;
    for (const [name, node] of this.nodes) {
      const { variable, options } = node.state;
      const wanted = wantedOf(variable, params);
      // What the address says of it is as old as before: what was chosen since, and is not written yet, stays.
      if (JSON.stringify(wanted) === JSON.stringify(wantedOf(variable, before))) continue;
      if (variable.type === 'adhoc') {
        const filters = wanted ? wanted.map(readFilter).filter((filter): filter is AdHocFilter => filter !== undefined) : savedFilters(variable);
        if (JSON.stringify(filters.map(writeFilter)) !== JSON.stringify(node.state.filters.map(writeFilter))) this.filter(name, filters);
        continue;
      }
      if (variable.skipUrlSync || variable.type === 'constant') continue;
      if (node.due && !node.quiet) {
        node.wanted = wanted;
        continue;
      }
      const values = wanted ?? savedValues(variable);
      if (JSON.stringify(valuesOf(node.state.chosen)) === JSON.stringify(values)) continue;
      if (wanted || this.told) this.accept(node, choose(variable, withoutAll(options), values, wanted !== undefined && FREE.has(variable.type)));
    }
    this.pump();
  }

  /** Names of labels, and with `key` its values, that an ad hoc variable may filter by. */
  async suggest(name: string, key?: string, signal: AbortSignal = new AbortController().signal): Promise<string[]> {
    const node = this.nodes.get(name);
    return node ? suggestions(node.state.variable, key, this.given(signal)) : [];
  }

  /** What a variable's repetitions are: all options for All. Undefined for no such variable. */
  valuesOf(name: string): Option[] | undefined {
    const chosen = this.nodes.get(name)?.state.chosen;
    if (!chosen) return undefined;
    const values = Array.isArray(chosen.value) ? chosen.value : chosen.value === '' ? [] : [chosen.value];
    const options = this.nodes.get(name)!.state.options;
    return values.map((value) => ({ value, text: options.find((option) => option.value === value)?.text ?? value }));
  }

  /** What the address has to say: `var-x` for all that is not skipped. */
  patch(): Patch {
    const patch: Record<string, string[]> = {};
    for (const [name, { state }] of this.nodes) {
      const { variable, options, chosen, filters } = state;
      if (variable.skipUrlSync || variable.type === 'constant' || variable.type === 'system') continue;
      const values = variable.type === 'adhoc' ? filters.map(writeFilter) : valuesOf(chosen);
      // Nothing chosen is not the same as nothing said, where the dashboard was saved with something.
      const emptied = values.length === 0 && (variable.type === 'adhoc' ? savedFilters(variable).length > 0 : variable.multi === true && options.length > 0);
      patch[`var-${name}`] = emptied ? [''] : values;
    }
    this.told = true;
    return patch;
  }

  /**
   * All variables and what is built in, for `interpolate`. The same object until something is chosen: times in it are
   * those of the moment when they are read.
   */
  scope(): Scope {
    if (this.cached?.version !== this.version) this.cached = { version: this.version, scope: this.buildScope() };
    return this.cached.scope;
  }

  /** Calls back after each change; returns how to stop that. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Cancels what is under way; `start` goes on with it. */
  stop(): void {
    this.stopped = true;
    for (const node of this.nodes.values()) {
      node.control?.abort();
      delete node.control;
      node.state = { ...node.state, loading: false };
    }
  }

  private buildScope(): Scope {
    const { dashboard, timeZone, user } = this.setup;
    const now = (): Scope => builtins({ dashboard, span: this.span, timeZone, ...(this.range ? { range: this.range } : {}), ...(user ? { user } : {}) });
    const scope: Record<string, unknown> = { ...now() };
    for (const name of Object.keys(timeScope(this.span, timeZone))) if (name !== '__timezone') scope[name] = () => timeScope(this.span, timeZone)[name];
    scope['__url_time_range'] = () => (now()['__url_time_range'] as () => string)();
    const filters: SourceFilters[] = [];
    for (const [name, { state }] of this.nodes) {
      const { variable, chosen } = state;
      scope[name] = chosen;
      if (typeof chosen.value === 'string' && chosen.value.startsWith(AUTO)) scope[name] = { ...chosen, value: this.autoInterval(variable) };
    }
    for (const [name, { state }] of this.nodes) {
      const { variable } = state;
      if (variable.type !== 'adhoc') continue;
      const all = [...(variable.baseFilters ?? []), ...state.filters].filter(({ key, operator }) => key !== '' && operator !== '');
      scope[name] = all.map(({ key, operator, value }) => `${key}${operator}"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`).join(',');
      const source = findSource(variable.datasource, this.setup.sources, scope);
      if (source && all.length > 0) filters.push({ uid: source.uid, filters: all });
    }
    scope[FILTERS] = filters;
    scope[GROUPING] = [...this.nodes.values()].flatMap(({ state: { variable, chosen } }): SourceGrouping[] => {
      const source = variable.type === 'groupby' ? findSource(variable.datasource, this.setup.sources, scope) : undefined;
      const keys = (Array.isArray(chosen.value) ? chosen.value : [chosen.value]).filter((key) => key !== '');
      return source && keys.length > 0 ? [{ uid: source.uid, keys }] : [];
    });
    scope['__all_variables'] = (): string => {
      const query = new URLSearchParams();
      for (const [name, { state }] of this.nodes) {
        if (state.variable.skipUrlSync || state.variable.type === 'system') continue;
        for (const value of state.variable.type === 'adhoc' ? state.filters.map(writeFilter) : valuesOf(state.chosen)) query.append(`var-${name}`, value);
      }
      return query.toString();
    };
    return scope;
  }

  /** What changes with the range, though nobody chose it. */
  private moving(): string {
    const autos = [...this.nodes.values()].filter(({ state }) => state.variable.auto).map(({ state }) => this.autoInterval(state.variable));
    return JSON.stringify([this.range, autos]);
  }

  private autoInterval(variable: Variable): string {
    const rangeMs = (this.span.to - this.span.from) * 1000;
    const least = durationMs(variable.auto_min) ?? 10_000;
    return writeInterval(Math.max(roundInterval(rangeMs / (Number(variable.auto_count) || 30)), least));
  }

  /** What depends on itself in the end is loaded without that. */
  private breakCircles(): void {
    const settled = new Set<string>();
    const visit = (name: string, path: readonly string[]): void => {
      const node = this.nodes.get(name);
      if (!node || settled.has(name)) return;
      const circle = node.needs.filter((need) => need === name || path.includes(need));
      if (circle.length > 0) {
        node.needs = node.needs.filter((need) => !circle.includes(need));
        node.state = { ...node.state, error: english.variablesInCircle(circle.join(', ')) };
      }
      for (const need of node.needs) visit(need, [...path, name]);
      settled.add(name);
    };
    for (const name of this.nodes.keys()) visit(name, [name]);
  }

  private given(signal: AbortSignal): Parameters<typeof queryOptions>[1] {
    const { sources, requests } = this.setup;
    const rateMs = 4 * (durationMs(sources.find(({ isDefault }) => isDefault)?.jsonData?.timeInterval) ?? 15_000);
    const scope = { __interval: '1m', __interval_ms: '60000', __rate_interval: writeInterval(rateMs), __rate_interval_ms: String(rateMs), ...this.scope() };
    return { scope, sources, requests, span: this.span, signal };
  }

  /** Starts all that is due and waits for nothing. */
  private pump(): void {
    if (this.stopped) return;
    for (let again = true; again; ) {
      again = false;
      for (const node of this.nodes.values()) {
        if (!node.due || node.control || node.needs.some((need) => this.nodes.get(need)?.due)) continue;
        const control = new AbortController();
        try {
          const made = this.optionsOf(node.state.variable, control.signal);
          if (made instanceof Promise) {
            this.wait(node, control, made);
            continue;
          }
          this.settle(node, made);
        } catch (error) {
          this.fail(node, messageOf(error));
        }
        again = true;
      }
    }
    this.publish();
  }

  private optionsOf(variable: Variable, signal: AbortSignal): Option[] | Promise<Option[]> {
    const text = (): string => interpolate(queryText(variable.query), this.scope(), 'raw');
    switch (variable.type) {
      case 'query':
        return queryOptions(variable, this.given(signal));
      case 'groupby':
        return suggestions(variable, undefined, this.given(signal)).then((names) => names.map((value) => ({ text: value, value })));
      case 'datasource':
        return dataSourceOptions(variable, this.setup.sources, this.scope());
      case 'custom': {
        const options = customOptions(text());
        return options.length > 0 ? options : (variable.options ?? []).filter(({ value }) => value !== ALL);
      }
      case 'interval': {
        const options = intervalOptions(text());
        return variable.auto ? [{ text: english.auto, value: `${AUTO}${variable.name}` }, ...options] : options;
      }
      case 'constant': {
        const value = text() || (savedValues(variable)?.[0] ?? '');
        return [{ text: value, value }];
      }
      case 'textbox': {
        const value = savedValues(variable)?.[0] ?? text();
        return [{ text: value, value }];
      }
      case 'switch': {
        const on = textOf(variable['enabledValue']) ?? 'true';
        const off = textOf(variable['disabledValue']) ?? 'false';
        return [{ text: on, value: on }, { text: off, value: off }];
      }
      default:
        return (variable.options ?? []).map(({ text: name, value }) => ({ text: name, value }));
    }
  }

  private wait(node: Node, control: AbortController, options: Promise<Option[]>): void {
    node.control = control;
    node.state = { ...node.state, loading: true };
    const done = (settle: () => void): void => {
      if (node.control !== control || this.stopped) return;
      delete node.control;
      settle();
      this.pump();
    };
    options.then(
      (found) => done(() => this.settle(node, found)),
      (error: unknown) => done(() => this.fail(node, messageOf(error))),
    );
  }

  private settle(node: Node, options: readonly Option[]): void {
    const { variable, chosen, error } = node.state;
    const first = !node.known;
    Object.assign(node, { known: true, due: false, quiet: false });
    const circle = error?.startsWith('It depends on itself') ? { error } : {};
    const offered = variable.includeAll && variable.type !== 'adhoc' ? [{ text: english.all, value: ALL }, ...options] : options;
    node.state = { variable, options: offered, chosen, filters: node.state.filters, loading: false, ...circle };
    if (variable.type === 'adhoc') return;
    if (variable.type === 'constant') return this.accept(node, choose(variable, options, undefined));
    const wanted = node.wanted;
    delete node.wanted;
    if (wanted !== undefined) this.accept(node, choose(variable, options, wanted, FREE.has(variable.type)));
    else if (first) this.accept(node, choose(variable, options, savedValues(variable), ['textbox', 'snapshot'].includes(variable.type)));
    else this.accept(node, choose(variable, options, valuesOf(chosen), variable.type === 'textbox'));
  }

  /** What is chosen stays when options cannot be had. */
  private fail(node: Node, error: string): void {
    Object.assign(node, { due: false, quiet: false });
    delete node.wanted;
    node.state = { ...node.state, loading: false, error };
  }

  private accept(node: Node, chosen: Chosen): void {
    if (sameChosen(node.state.chosen, chosen)) return;
    node.state = { ...node.state, chosen };
    this.version += 1;
    this.supersede(chosen.name);
    this.publish();
  }

  /** What depends on a changed variable is asked again, whatever was under way. */
  private supersede(name: string): void {
    for (const node of this.nodes.values()) {
      if (!node.needs.includes(name)) continue;
      node.control?.abort();
      delete node.control;
      Object.assign(node, { due: true, quiet: false });
      node.state = { ...node.state, loading: false };
    }
  }

  private changed(): void {
    this.version += 1;
    this.publish(true);
  }

  private publish(always = false): void {
    const states = [...this.nodes.values()].map(({ state }) => state);
    if (!always && states.length === this.states.length && states.every((state, index) => state === this.states[index])) return;
    this.states = states;
    for (const listener of this.listeners) listener();
  }
}

/** What an address says of a variable; nothing chosen is one empty value there. */
function wantedOf({ name, type, multi }: Variable, params: URLSearchParams): string[] | undefined {
  if (!params.has(`var-${name}`)) return undefined;
  const wanted = params.getAll(`var-${name}`);
  return (multi || type === 'adhoc') && wanted.length === 1 && wanted[0] === '' ? [] : wanted;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const withoutAll = (options: readonly Option[]): Option[] => options.filter(({ value }) => value !== ALL);
