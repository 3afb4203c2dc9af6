/** Every option that a field can have, with its editor: for all fields of a panel, and for some by an override. */
import type { FunctionComponent, JSX } from 'preact';
import type { FieldConfig, Thresholds, ValueMapping, DataLink } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import { colorModes } from '../../../fields/color.ts';
import type { OptionEditor, PanelKind } from '../../../panels/panel.ts';
import { withDefaults } from '../../../panels/values/options.ts';
import { valueAt, withValue } from './change.ts';
import { ChoiceField, ColorField, Labelled, NumberField, OptionField, TextField, UnitField } from './option-fields.tsx';
import { LinksField, MappingsField, ThresholdsField } from './value-fields.tsx';

export interface FieldProperty {
  /** A name among the field's options, or `custom.x` of the panel's kind, as Grafana's overrides have it. */
  id: string;
  name: string;
  group: string;
  Edit: FunctionComponent<{ value: unknown; onChange: (value: unknown) => void }>;
}

const text = (id: string, name: string, placeholder: string): FieldProperty => ({
  id,
  name,
  group: english.values,
  Edit: ({ value, onChange }) => (
    <Labelled name={name}>
      <TextField value={typeof value === 'string' ? value : ''} placeholder={placeholder} onChange={(written) => onChange(written || undefined)} />
    </Labelled>
  ),
});

const number = (id: string, name: string, bounds: { min?: number; max?: number; step?: number } = {}): FieldProperty => ({
  id,
  name,
  group: english.values,
  Edit: ({ value, onChange }) => (
    <Labelled name={name}>
      <NumberField value={typeof value === 'number' ? value : undefined} {...bounds} onChange={onChange} />
    </Labelled>
  ),
});

type Color = NonNullable<FieldConfig['color']>;

function ColorOfValues({ value, onChange }: { value: unknown; onChange: (value: unknown) => void }): JSX.Element {
  const color: Partial<Color> = typeof value === 'object' && value !== null ? (value as Color) : {};
  const mode = color.mode ?? 'thresholds';
  const byValue = colorModes.find(({ id }) => id === mode)?.byValue === true;
  return (
    <>
      <Labelled name={english.colours}>
        <ChoiceField value={mode} choices={colorModes.map(({ id, name }) => ({ value: id, text: name }))} onChange={(chosen) => onChange({ ...color, mode: String(chosen) })} />
      </Labelled>
      {(mode === 'fixed' || mode === 'shades') && (
        <Labelled name={english.colour}>
          <ColorField label={english.colour} value={color.fixedColor} onChange={(fixedColor) => onChange({ ...color, mode, fixedColor })} />
        </Labelled>
      )}
      {byValue && (
        <Labelled name={english.seriesHasColourOfIts}>
          <ChoiceField value={color.seriesBy ?? 'last'} choices={[{ value: 'last', text: english.lastValue }, { value: 'min', text: english.lowestValue }, { value: 'max', text: english.highestValue }]} onChange={(seriesBy) => onChange({ ...color, mode, seriesBy })} />
        </Labelled>
      )}
    </>
  );
}

/** Options of the fields of every kind of panel. */
export const STANDARD_PROPERTIES: readonly FieldProperty[] = [
  {
    id: 'unit',
    name: english.unit,
    group: english.values,
    Edit: ({ value, onChange }) => (
      <Labelled name={english.unit}>
        <UnitField value={typeof value === 'string' ? value : undefined} onChange={onChange} />
      </Labelled>
    ),
  },
  number('min', 'Min'),
  number('max', 'Max'),
  number('decimals', 'Decimals', { min: 0, max: 20, step: 1 }),
  {
    id: 'fieldMinMax',
    name: english.eachFieldItsOwnMin,
    group: english.values,
    Edit: ({ value, onChange }) => <OptionField editor={{ path: '', name: english.eachFieldItsOwnMin, group: '', kind: 'switch' }} value={value} onChange={(on) => onChange(on || undefined)} />,
  },
  text('displayName', 'Name', english.namePlaceholder),
  text('description', english.whatItMeans, english.shownBesideItsName),
  text('noValue', english.noValueLabel, '–'),
  { id: 'color', name: english.colours, group: english.values, Edit: ColorOfValues },
  { id: 'thresholds', name: english.thresholds, group: english.values, Edit: ({ value, onChange }) => <ThresholdsField value={value as Thresholds | undefined} onChange={onChange} /> },
  { id: 'mappings', name: english.mappings, group: english.values, Edit: ({ value, onChange }) => <MappingsField value={Array.isArray(value) ? (value as ValueMapping[]) : []} onChange={(list) => onChange(list.length > 0 ? list : undefined)} /> },
  { id: 'links', name: english.linksOnValues, group: english.values, Edit: ({ value, onChange }) => <LinksField value={Array.isArray(value) ? (value as DataLink[]) : []} onChange={(list) => onChange(list.length > 0 ? list : undefined)} /> },
];

/** Where a field is hidden; only an override has a use for it. */
const HIDDEN: readonly OptionEditor[] = [
  { path: 'custom.hideFrom.viz', name: english.hiddenOnGraph, group: english.graph, kind: 'switch' },
  { path: 'custom.hideFrom.legend', name: english.hiddenInLegend, group: english.graph, kind: 'switch' },
  { path: 'custom.hideFrom.tooltip', name: english.hiddenInReadout, group: english.graph, kind: 'switch' },
];

/** What an override may say in a panel of this kind: what all fields may, and the kind's own. */
export function propertiesOf(kind: PanelKind): FieldProperty[] {
  const custom = valueAt(kind.field, ['custom']);
  const editors = [...kind.editor, ...(valueAt(custom, ['hideFrom']) ? HIDDEN : [])];
  // Grafana knows `custom.lineStyle` as a whole: its parts are edited together.
  const byId = new Map<string, OptionEditor[]>();
  for (const editor of editors) {
    const [first, name] = editor.path.split('.');
    if (first === 'custom' && name !== undefined) byId.set(`custom.${name}`, [...(byId.get(`custom.${name}`) ?? []), editor]);
  }
  return [...STANDARD_PROPERTIES, ...[...byId].map(([id, parts]) => customProperty(id, parts))];
}

function customProperty(id: string, parts: readonly OptionEditor[]): FieldProperty {
  const [{ name, group }] = parts as [OptionEditor];
  return {
    id,
    name,
    group,
    Edit: ({ value, onChange }) => (
      <>
        {parts.map((editor) => {
          const path = editor.path.split('.').slice(2);
          return <OptionField key={editor.path} editor={editor} value={valueAt(value, path)} onChange={(next) => onChange(withValue(value, path, next))} />;
        })}
      </>
    ),
  };
}

/** What an override begins with: what holds for all fields of the panel. */
export const startValue = (id: string, defaults: FieldConfig, kind: PanelKind): unknown => structuredClone(valueAt(withDefaults(kind.field, defaults), id.split('.')));

export function PropertyField({ property: { Edit }, value, onChange }: { property: FieldProperty; value: unknown; onChange: (value: unknown) => void }): JSX.Element {
  return <Edit value={value} onChange={onChange} />;
}
