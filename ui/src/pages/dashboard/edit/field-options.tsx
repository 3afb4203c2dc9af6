/** How a panel's values read: unit, bounds, colours, thresholds, mappings, links, and exceptions by field. */
import type { JSX } from 'preact';
import type { FieldConfig, Panel } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import type { PanelKind } from '../../../panels/panel.ts';
import { changeDefaults } from './change.ts';
import { PropertyField, STANDARD_PROPERTIES } from './field-properties.tsx';
import { Overrides } from './overrides.tsx';
import type { Stage } from './stage.ts';

interface Props {
  panel: Panel;
  /** Of the panel: its fields' defaults hold where the panel says nothing. */
  kind: PanelKind;
  /** What there is to choose from: the fields that are drawn. */
  stage: Stage;
  change: (next: (panel: Panel) => Panel) => void;
}

/** Properties with a group of their own, and how many parts of them there are. */
const APART: Record<string, (config: FieldConfig) => number> = {
  thresholds: ({ thresholds }) => Math.max(0, (Array.isArray(thresholds?.steps) ? thresholds.steps.length : 1) - 1),
  mappings: ({ mappings }) => mappings?.length ?? 0,
  links: ({ links }) => links?.length ?? 0,
};
const TOGETHER = ['min', 'max', 'decimals'];

export function FieldOptions({ panel, kind, stage, change }: Props): JSX.Element {
  const config = panel.fieldConfig.defaults;
  const edit = (id: string): JSX.Element | null => {
    const property = STANDARD_PROPERTIES.find((one) => one.id === id);
    if (!property) return null;
    const value = config[id] ?? (id === 'color' ? (kind.field as FieldConfig).color : undefined);
    return <PropertyField key={id} property={property} value={value} onChange={(next) => change((before) => changeDefaults(before, { [id]: next }))} />;
  };
  const plain = STANDARD_PROPERTIES.filter(({ id }) => !(id in APART) && !TOGETHER.includes(id));
  return (
    <>
      <details class="options-group" open>
        <summary>{english.values}</summary>
        {edit('unit')}
        <div class="option-row">{TOGETHER.map(edit)}</div>
        {plain.filter(({ id }) => id !== 'unit').map(({ id }) => edit(id))}
      </details>
      {Object.entries(APART).map(([id, count]) => (
        <details class="options-group" key={id}>
          <summary>
            {STANDARD_PROPERTIES.find((property) => property.id === id)?.name} <span class="count">{count(config)}</span>
          </summary>
          {edit(id)}
        </details>
      ))}
      <details class="options-group">
        <summary>
          {english.overrides} <span class="count">{panel.fieldConfig.overrides.length}</span>
        </summary>
        <Overrides panel={panel} kind={kind} stage={stage} change={change} />
      </details>
    </>
  );
}
