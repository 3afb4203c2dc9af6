/** Exceptions: other options for some fields, the later ones over the earlier. */
import type { JSX } from 'preact';
import type { FieldConfigSource, Panel } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import type { PanelKind } from '../../../panels/panel.ts';
import { AddField } from './add-field.tsx';
import { FieldMatcherField, MATCHERS, matcherText } from './field-matcher.tsx';
import { propertiesOf, PropertyField, startValue, type FieldProperty } from './field-properties.tsx';
import { JsonField } from './json-field.tsx';
import { moved } from './change.ts';
import type { Stage } from './stage.ts';

type Override = FieldConfigSource['overrides'][number];

interface Props {
  panel: Panel;
  kind: PanelKind;
  stage: Stage;
  change: (next: (panel: Panel) => Panel) => void;
}

/** Throws what is wrong with it. */
export function readOverrides(value: unknown): Override[] {
  if (!Array.isArray(value)) throw new Error(english.overridesAreList);
  for (const each of value as Partial<Override>[]) {
    if (typeof each?.matcher?.id !== 'string' || !Array.isArray(each.properties) || each.properties.some((property) => typeof property?.id !== 'string')) throw new Error(english.eachOverrideHasMatcherWithId);
  }
  return value as Override[];
}

export function Overrides({ panel, kind, stage, change }: Props): JSX.Element {
  const { overrides, defaults } = panel.fieldConfig;
  const properties = propertiesOf(kind);
  const set = (next: (list: readonly Override[]) => Override[]): void => change((before) => ({ ...before, fieldConfig: { ...before.fieldConfig, overrides: next(before.fieldConfig.overrides) } }));
  const put = (index: number, next: Override): void => set((list) => list.map((each, at) => (at === index ? next : each)));
  return (
    <div class="overrides">
      {overrides.length === 0 && <p class="muted">{english.otherOptionsForSomeOfFields}</p>}
      {overrides.map((override, index) => (
        <section class="override" key={index} aria-label={english.override(index + 1)}>
          <header>
            <b>
              {index + 1}. {matcherText(override.matcher)}
            </b>
            <span class="query-tools">
              <button type="button" class="link" disabled={index === 0} aria-label={english.moveOverrideUp(index + 1)} onClick={() => set((list) => moved(list, index, index - 1))}>
                ↑
              </button>
              <button type="button" class="link" disabled={index === overrides.length - 1} aria-label={english.moveOverrideDown(index + 1)} onClick={() => set((list) => moved(list, index, index + 1))}>
                ↓
              </button>
              <button type="button" class="link" aria-label={english.removeOverride(index + 1)} onClick={() => set((list) => list.filter((_, at) => at !== index))}>
                {english.removeNote}
              </button>
            </span>
          </header>
          <FieldMatcherField label={english.whichFields} value={override.matcher} stage={stage} onChange={(matcher) => put(index, { ...override, matcher })} />
          {override.properties.map((given, at) => (
            <Property key={`${at} ${given.id}`} number={index + 1} property={properties.find(({ id }) => id === given.id)} given={given} onChange={(value) => put(index, { ...override, properties: override.properties.map((each, place) => (place === at ? { ...each, value } : each)) })} onRemove={() => put(index, { ...override, properties: override.properties.filter((_, place) => place !== at) })} />
          ))}
          <AddField
            label={english.addProperty}
            groups={grouped(properties.filter(({ id }) => override.properties.every((each) => each.id !== id)))}
            onAdd={(id) => put(index, { ...override, properties: [...override.properties, { id, value: startValue(id, defaults, kind) }] })}
          />
        </section>
      ))}
      <AddField label={english.addOverride} groups={[['', MATCHERS.map(({ id, text }) => ({ id, text }))]]} onAdd={(id) => set((list) => [...list, { matcher: { id, options: startOptions(id, stage) }, properties: [] }])} />
      <details class="options-group">
        <summary>{english.overridesAsJson}</summary>
        <JsonField
          label={english.overrides}
          value={overrides}
          onApply={(value) => {
            const list = readOverrides(value);
            set(() => list);
          }}
        />
      </details>
    </div>
  );
}

/** The first name or query that there is, so that one sees at once what an override does. */
function startOptions(id: string, stage: Stage): unknown {
  if (id === 'byName') return (stage.fields.find(({ type }) => type === 'number') ?? stage.fields[0])?.name ?? '';
  if (id === 'byFrameRefID') return stage.refIds[0] ?? 'A';
  return structuredClone(MATCHERS.find((matcher) => matcher.id === id)?.options);
}

function grouped(properties: readonly FieldProperty[]): [string, { id: string; text: string }[]][] {
  const groups = new Map<string, { id: string; text: string }[]>();
  for (const { id, name, group } of properties) groups.set(group, [...(groups.get(group) ?? []), { id, text: name }]);
  return [...groups];
}

function Property({ number, property, given, onChange, onRemove }: { number: number; property: FieldProperty | undefined; given: Override['properties'][number]; onChange: (value: unknown) => void; onRemove: () => void }): JSX.Element {
  const name = property?.name ?? given.id;
  return (
    <fieldset class="property" aria-label={english.property(name)}>
      <div class="property-edit">
        {property ? <PropertyField property={property} value={given.value} onChange={onChange} /> : <JsonField label={english.ofOverride(given.id, number)} value={given.value ?? null} rows={3} onApply={onChange} />}
      </div>
      <button type="button" class="button button-icon" aria-label={english.removeLabel(name)} onClick={onRemove}>
        ×
      </button>
    </fieldset>
  );
}
