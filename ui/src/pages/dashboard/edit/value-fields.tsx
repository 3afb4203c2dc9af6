/** Editors of what has parts: thresholds, mappings, links. */
import type { JSX } from 'preact';
import type { DataLink, Thresholds, ValueMapping } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import { ChoiceField, ColorField, NumberField, TextField } from './option-fields.tsx';

export function ThresholdsField({ value, onChange }: { value: Thresholds | undefined; onChange: (value: Thresholds) => void }): JSX.Element {
  const now: Thresholds = value ?? { mode: 'absolute', steps: [{ value: null, color: 'green' }] };
  const steps = Array.isArray(now.steps) && now.steps.length > 0 ? now.steps : [{ value: null, color: 'green' }];
  const sorted = (list: Thresholds['steps']): Thresholds['steps'] => [list[0]!, ...list.slice(1).sort((a, b) => (a.value ?? 0) - (b.value ?? 0))];
  const put = (index: number, step: Thresholds['steps'][number]): void => onChange({ ...now, steps: sorted(steps.map((each, at) => (at === index ? step : each))) });
  return (
    <>
      {steps.map((step, index) => (
        <div class="option-row" key={index}>
          {index === 0 ? <span class="muted option-base">{english.base}</span> : <NumberField label={english.threshold(index)} value={step.value} onChange={(number) => put(index, { ...step, value: number ?? 0 })} />}
          <ColorField label={english.colourOf(index === 0 ? english.ofBase : english.thresholdFrom(index))} value={step.color} onChange={(color) => put(index, { ...step, color })} />
          {index > 0 && (
            <button type="button" class="button button-icon" aria-label={english.removeThreshold(index)} onClick={() => onChange({ ...now, steps: steps.filter((_, at) => at !== index) })}>
              ×
            </button>
          )}
        </div>
      ))}
      <div class="option-row">
        <button type="button" class="button" onClick={() => onChange({ ...now, steps: [...steps, { value: (steps[steps.length - 1]?.value ?? 70) + 10, color: 'red' }] })}>
          {english.addThreshold}
        </button>
        <ChoiceField
          label={english.thresholdsMean}
          value={now.mode}
          choices={[
            { value: 'absolute', text: 'values' },
            { value: 'percentage', text: english.percentOfMinToMax },
          ]}
          onChange={(mode) => onChange({ ...now, mode: mode as Thresholds['mode'] })}
        />
      </div>
    </>
  );
}

const MAPPING_KINDS = [
  { value: 'value', text: english.value },
  { value: 'range', text: english.range },
  { value: 'regex', text: english.regex },
  { value: 'special', text: english.special },
];

/** A mapping as one line of a form; a `value` mapping of several values is several lines. */
interface Line {
  type: ValueMapping['type'];
  match: string;
  to: string;
  text: string;
  color: string;
}

export function mappingLines(mappings: readonly ValueMapping[]): Line[] {
  return mappings.flatMap((mapping): Line[] => {
    const result = (each: { text?: string; color?: string }): Pick<Line, 'text' | 'color'> => ({ text: each.text ?? '', color: each.color ?? '' });
    if (mapping.type === 'value') return Object.entries(mapping.options).map(([match, each]) => ({ type: 'value', match, to: '', ...result(each) }));
    if (mapping.type === 'range') return [{ type: 'range', match: mapping.options.from === null ? '' : String(mapping.options.from), to: mapping.options.to === null ? '' : String(mapping.options.to), ...result(mapping.options.result) }];
    if (mapping.type === 'regex') return [{ type: 'regex', match: mapping.options.pattern, to: '', ...result(mapping.options.result) }];
    return [{ type: 'special', match: mapping.options.match, to: '', ...result(mapping.options.result) }];
  });
}

export function linesToMappings(lines: readonly Line[]): ValueMapping[] {
  const mappings: ValueMapping[] = [];
  lines.forEach(({ type, match, to, text, color }, index) => {
    const result = { ...(text === '' ? {} : { text }), ...(color === '' ? {} : { color }), index };
    const last = mappings[mappings.length - 1];
    if (type === 'value' && last?.type === 'value') last.options[match] = result;
    else if (type === 'value') mappings.push({ type, options: { [match]: result } });
    else if (type === 'range') mappings.push({ type, options: { from: match === '' ? null : Number(match), to: to === '' ? null : Number(to), result } });
    else if (type === 'regex') mappings.push({ type, options: { pattern: match, result } });
    else mappings.push({ type, options: { match: (match || 'null') as 'null', result } });
  });
  return mappings;
}

export function MappingsField({ value, onChange }: { value: readonly ValueMapping[]; onChange: (value: ValueMapping[]) => void }): JSX.Element {
  const lines = mappingLines(value);
  const put = (index: number, line: Partial<Line>): void => onChange(linesToMappings(lines.map((each, at) => (at === index ? { ...each, ...line } : each))));
  return (
    <>
      {lines.map((line, index) => (
        <div class="mapping" key={index}>
          <ChoiceField label={english.kindOfMapping(index + 1)} value={line.type} choices={MAPPING_KINDS} onChange={(type) => put(index, { type: type as Line['type'], match: type === 'special' ? 'null' : line.match })} />
          {line.type === 'special' ? (
            <ChoiceField label={english.matches} value={line.match} choices={['null', 'nan', 'null+nan', 'true', 'false', 'empty'].map((each) => ({ value: each, text: each }))} onChange={(match) => put(index, { match: String(match) })} />
          ) : (
            <TextField label={english.matches} placeholder={line.type === 'range' ? english.fromPlaceholder : line.type} value={line.match} onChange={(match) => put(index, { match })} />
          )}
          {line.type === 'range' && <TextField label={english.toLabel} placeholder={english.toPlaceholder} value={line.to} onChange={(to) => put(index, { to })} />}
          <TextField label={english.shownAs} placeholder={english.shownAsPlaceholder} value={line.text} onChange={(text) => put(index, { text })} />
          <ColorField label={english.colour} value={line.color || undefined} onChange={(color) => put(index, { color })} />
          <button type="button" class="button button-icon" aria-label={english.removeMapping(index + 1)} onClick={() => onChange(linesToMappings(lines.filter((_, at) => at !== index)))}>
            ×
          </button>
        </div>
      ))}
      <button type="button" class="button" onClick={() => onChange(linesToMappings([...lines, { type: 'value', match: String(lines.length), to: '', text: '', color: '' }]))}>
        {english.addMapping}
      </button>
    </>
  );
}

export function LinksField({ value, onChange }: { value: readonly DataLink[]; onChange: (value: DataLink[]) => void }): JSX.Element {
  const put = (index: number, link: Partial<DataLink>): void => onChange(value.map((each, at) => (at === index ? { ...each, ...link } : each)));
  return (
    <>
      {value.map((link, index) => (
        <div class="link-line" key={index}>
          <TextField label={english.title} placeholder={english.titlePlaceholder} value={link.title} onChange={(title) => put(index, { title })} />
          <TextField label={english.address} placeholder="https://… or /d/uid?var-x=${__field.labels.x}" value={link.url} onChange={(url) => put(index, { url })} />
          <label class="check">
            <input type="checkbox" checked={link.targetBlank === true} onChange={(event) => put(index, { targetBlank: event.currentTarget.checked })} /> {english.newTab}
          </label>
          <button type="button" class="button button-icon" aria-label={english.removeLink(index + 1)} onClick={() => onChange(value.filter((_, at) => at !== index))}>
            ×
          </button>
        </div>
      ))}
      <button type="button" class="button" onClick={() => onChange([...value, { title: '', url: '' }])}>
        {english.addLink}
      </button>
    </>
  );
}
