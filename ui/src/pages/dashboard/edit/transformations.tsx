/** What happens to the answers before they are drawn, step by step. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { interpolate, type Scope } from '../../../dashboard/interpolate.ts';
import type { Panel, Transformation } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import type { Frame } from '../../../frames/frame.ts';
import { useBoard } from '../board.ts';
import { AddField } from './add-field.tsx';
import { moved } from './change.ts';
import { JsonField } from './json-field.tsx';
import { Labelled, SuggestField } from './option-fields.tsx';
import { OptionForm } from './option-form.tsx';
import { stagesOf, type Stage } from './stage.ts';
import { StepData } from './step-data.tsx';
import { transformForm, TRANSFORM_FORMS } from './transform-forms.ts';

interface Props {
  panel: Panel;
  /** As the queries answered. */
  frames: readonly Frame[];
  scope: Scope;
  change: (next: (panel: Panel) => Panel) => void;
}

export function Transformations({ panel, frames, scope, change }: Props): JSX.Element {
  const { timeZone } = useBoard();
  const { transformations } = panel;
  const stages = useMemo(() => stagesOf(frames, transformations, { timeZone, interpolate: (text, more) => interpolate(text, more ? { ...scope, ...more } : scope) }), [frames, transformations, timeZone, scope]);
  const set = (next: (list: readonly Transformation[]) => Transformation[]): void => change((before) => ({ ...before, transformations: next(before.transformations) }));
  return (
    <div class="queries">
      {transformations.length === 0 && <p class="muted">{english.transformationsHint}</p>}
      {transformations.map((each, index) => (
        <Step
          key={index}
          step={each}
          index={index}
          last={index === transformations.length - 1}
          before={stages[index]!}
          after={stages[index + 1]!}
          queries={stages[0]!.refIds}
          put={(next) => set((list) => list.map((one, at) => (at === index ? next : one)))}
          move={(to) => set((list) => moved(list, index, to))}
          remove={() => set((list) => list.filter((_, at) => at !== index))}
        />
      ))}
      <AddField
        label={english.addTransformation}
        groups={[['', Object.entries(TRANSFORM_FORMS).map(([id, { text }]) => ({ id, text }))]]}
        onAdd={(id) => set((list) => [...list, { id, options: structuredClone(TRANSFORM_FORMS[id]!.initial) }])}
      />
    </div>
  );
}

interface StepProps {
  step: Transformation;
  index: number;
  last: boolean;
  before: Stage;
  after: Stage;
  /** Of the panel: a step may be for one of them only. */
  queries: readonly string[];
  put: (next: Transformation) => void;
  move: (to: number) => void;
  remove: () => void;
}

function Step({ step, index, last, before, after, queries, put, move, remove }: StepProps): JSX.Element {
  const [debug, setDebug] = useState(false);
  const number = index + 1;
  const form = transformForm(step.id);
  const filter = step.filter?.id === 'byRefId' && typeof step.filter.options === 'string' ? step.filter.options : '';
  const json = (
    <JsonField
      label={english.optionsOfTransformation(number)}
      value={step.options}
      rows={Math.min(14, JSON.stringify(step.options, null, 2).split('\n').length + 1)}
      onApply={(value) => {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(english.optionsAreObject);
        put({ ...step, options: value as Record<string, unknown> });
      }}
    />
  );
  return (
    <section class="query" aria-label={english.transformation(number)}>
      <header>
        <b>
          {number}. {form?.text ?? step.id}
        </b>
        {step.disabled && <span class="muted">{english.off}</span>}
        <span class="query-tools">
          <button type="button" class="link" aria-pressed={debug} onClick={() => setDebug(!debug)}>
            {english.debug}
          </button>
          <button type="button" class="link" aria-pressed={step.disabled === true} onClick={() => put({ ...step, disabled: step.disabled ? undefined : true })}>
            {step.disabled ? english.enable : english.disable}
          </button>
          <button type="button" class="link" disabled={index === 0} aria-label={english.moveTransformationUp(number)} onClick={() => move(index - 1)}>
            ↑
          </button>
          <button type="button" class="link" disabled={last} aria-label={english.moveTransformationDown(number)} onClick={() => move(index + 1)}>
            ↓
          </button>
          <button type="button" class="link" aria-label={english.removeTransformation(number)} onClick={remove}>
            {english.removeNote}
          </button>
        </span>
      </header>
      {form && <p class="muted">{form.about}</p>}
      {after.problems.map((problem) => (
        <p class="text-critical" role="alert" key={problem}>
          {problem}
        </p>
      ))}
      <div class="step-form">
        {form && <OptionForm form={form.form} value={step.options ?? {}} stage={before} onChange={(options) => put({ ...step, options })} />}
        {(queries.length > 1 || step.filter) && (
          <Labelled name={english.onlyForQueries}>
            <SuggestField value={filter} choices={queries} placeholder={english.allOrOrB} onChange={(text) => put({ ...step, filter: text === '' ? undefined : { id: 'byRefId', options: text } })} />
          </Labelled>
        )}
      </div>
      {form ? (
        <details class="step-json">
          <summary class="muted">{english.optionsAsJson}</summary>
          {json}
        </details>
      ) : (
        json
      )}
      {debug && <StepData before={before} after={after} />}
    </section>
  );
}
