/** How relabelling came from discovered labels to those of a target, rule by rule. */
import type { JSX } from 'preact';
import { api } from '../../api/client.ts';
import type { Labels, RelabelStep } from '../../api/types.ts';
import * as english from '../../english/targets.ts';
import { Failure, LabelList, Mark } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import { changesOf, ruleText } from './model.ts';

export function Relabelling({ pool, labels }: { pool: string; labels: Labels }): JSX.Element {
  const { data, error } = useLoad(`relabelling ${pool} ${JSON.stringify(labels)}`, 0, (signal) => api.relabelSteps(pool, labels, signal));
  if (error) return <Failure error={error} compact />;
  if (!data) return <div class="skeleton" />;
  if (data.length === 0) return <p class="muted">{english.noRelabelling}</p>;
  const dropped = data.findIndex(({ keep }) => !keep);
  return (
    <ol class="relabelling">
      {data.slice(0, dropped < 0 ? data.length : dropped + 1).map((step, index) => (
        <Step key={index} step={step} before={data[index - 1]?.output ?? labels} />
      ))}
      {dropped >= 0 && dropped + 1 < data.length && <li class="muted">{english.notReached(data.length - dropped === 2 ? english.ruleAfterIt : english.rulesAfterIt(data.length - dropped - 1))}</li>}
    </ol>
  );
}

function Step({ step, before }: { step: RelabelStep; before: Labels }): JSX.Element {
  const { set, removed } = changesOf(before, step.output);
  const nothing = Object.keys(set).length === 0 && removed.length === 0;
  return (
    <li>
      <code class="relabelling-rule">{ruleText(step.rule)}</code>
      {!step.keep ? (
        <span class="row-state text-critical">
          <Mark tone="critical" />
          {english.targetIsDroppedHere}
        </span>
      ) : nothing ? (
        <span class="muted">{english.changesNothing}</span>
      ) : (
        <span>
          {Object.keys(set).length > 0 && <LabelList labels={set} />}
          {removed.length > 0 && <span class="muted"> {english.removesLabels(removed.join(', '))}</span>}
        </span>
      )}
    </li>
  );
}
