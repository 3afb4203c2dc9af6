/** The fields of a table: which are seen, what they are called, and in which order. */
import type { JSX } from 'preact';
import * as english from '../../../english/dashboard-edit.ts';
import { moved } from './change.ts';
import { ChoiceField, Labelled, TextField } from './option-fields.tsx';
import type { Stage } from './stage.ts';

type Options = Record<string, unknown>;

const record = (value: unknown): Options => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Options) : {});

/** Fields in the order that the options say; those that they do not name come after, as they are. */
export function arrangedNames(options: Options, names: readonly string[]): string[] {
  const places = record(options['indexByName']);
  const place = (name: string): number => (typeof places[name] === 'number' ? places[name] : Number.MAX_SAFE_INTEGER);
  return [...names].sort((a, b) => place(a) - place(b));
}

export function isShown(options: Options, name: string): boolean {
  const include = record(options['includeByName']);
  const chosen = Object.values(include).some(Boolean);
  return record(options['excludeByName'])[name] !== true && (!chosen || include[name] === true);
}

/** The options with a field seen or not. */
export function withShown(options: Options, name: string, shown: boolean): Options {
  const { [name]: _, ...exclude } = record(options['excludeByName']);
  const include = record(options['includeByName']);
  const chosen = Object.values(include).some(Boolean);
  return { ...options, excludeByName: shown ? exclude : { ...exclude, [name]: true }, ...(chosen && shown ? { includeByName: { ...include, [name]: true } } : {}) };
}

export function withName(options: Options, name: string, text: string): Options {
  const { [name]: _, ...names } = record(options['renameByName']);
  return { ...options, renameByName: text === '' || text === name ? names : { ...names, [name]: text } };
}

interface Props {
  parts: readonly ('show' | 'rename' | 'order')[];
  options: Options;
  stage: Stage;
  onChange: (options: Options) => void;
}

export function ArrangeFields({ parts, options, stage, onChange }: Props): JSX.Element {
  const names = arrangedNames(options, stage.fields.map(({ name }) => name));
  const types = new Map(stage.fields.map(({ name, type }) => [name, type]));
  const renamed = record(options['renameByName']);
  const manual = (options['orderByMode'] ?? 'manual') === 'manual';
  const orders = parts.includes('order');
  const move = (from: number, to: number): void => onChange({ ...options, indexByName: Object.fromEntries(moved(names, from, to).map((name, index) => [name, index])) });
  const gone = Object.keys(renamed).filter((name) => !types.has(name));
  return (
    <div class="arrange">
      {orders && (
        <Labelled name={english.order}>
          <ChoiceField value={manual ? 'manual' : 'auto'} choices={[{ value: 'manual', text: english.byHand }, { value: 'auto', text: english.byName }]} onChange={(mode) => onChange({ ...options, orderByMode: mode, ...(mode === 'auto' && !Array.isArray(options['orderBy']) ? { orderBy: [{ type: 'name', desc: false }] } : {}) })} />
        </Labelled>
      )}
      {stage.frames.length > 1 && <p class="muted">{english.thereAreTables(stage.frames.length)}</p>}
      {names.length === 0 && <p class="muted">{english.thereAreNoFieldsYet}</p>}
      <ol class="arrange-list" aria-label={english.fields}>
        {names.map((name, index) => (
          <li key={name} class="form-line">
            {parts.includes('show') && (
              <label class="check">
                <input type="checkbox" aria-label={english.show(name)} checked={isShown(options, name)} onChange={(event) => onChange(withShown(options, name, event.currentTarget.checked))} />
              </label>
            )}
            <span class="arrange-name">
              {name} <span class="muted">{types.get(name)}</span>
            </span>
            {parts.includes('rename') && <TextField label={english.newNameOf(name)} placeholder={name} value={typeof renamed[name] === 'string' ? renamed[name] : ''} onChange={(text) => onChange(withName(options, name, text))} />}
            {orders && manual && (
              <span class="query-tools">
                <button type="button" class="link" disabled={index === 0} aria-label={english.moveQueryUp(name)} onClick={() => move(index, index - 1)}>
                  ↑
                </button>
                <button type="button" class="link" disabled={index === names.length - 1} aria-label={english.moveDown(name)} onClick={() => move(index, index + 1)}>
                  ↓
                </button>
              </span>
            )}
          </li>
        ))}
      </ol>
      {gone.length > 0 && names.length > 0 && <p class="muted">{english.alsoRenamedWhereTheyCome(gone.slice(0, 20).join(', '))}</p>}
    </div>
  );
}
