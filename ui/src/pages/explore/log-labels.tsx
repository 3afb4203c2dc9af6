/** The labels that streams have, to begin a query with. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError, ask } from '../../api/client.ts';
import { baseOf, type DataSource } from '../../dashboard/sources.ts';
import * as english from '../../english/explore.ts';
import { Failure, Popover } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { Span } from '../../state/range.ts';

const SHOWN = 200;

export function LabelMenu(props: { source: DataSource; span: Span; onChoose: (label: string, value: string) => void }): JSX.Element {
  return (
    <Popover label={english.labels} button={english.labels}>
      {(close) => (
        <Labels
          {...props}
          onChoose={(label, value) => {
            props.onChoose(label, value);
            close();
          }}
        />
      )}
    </Popover>
  );
}

function Labels({ source, span, onChoose }: { source: DataSource; span: Span; onChoose: (label: string, value: string) => void }): JSX.Element {
  const [label, setLabel] = useState<string | undefined>(undefined);
  const time = { start: `${Math.floor(span.from)}000000000`, end: `${Math.ceil(span.to)}000000000` };
  const { data, error } = useLoad(label === undefined ? 'labels' : `label ${label}`, 0, async (signal) => {
    const path = label === undefined ? 'labels' : `label/${encodeURIComponent(label)}/values`;
    try {
      return (await ask<string[]>(baseOf(source), path, time, { signal })).data;
    } catch (failure) {
      // Where there are none, Loki's answer has no list.
      if (failure instanceof ApiError && failure.status === 200) return [];
      throw failure;
    }
  });
  return (
    <div class="history">
      {label !== undefined && (
        <button type="button" class="menu-item" onClick={() => setLabel(undefined)}>
          ← <span class="mono">{label}</span>
        </button>
      )}
      {error && <Failure error={error} compact />}
      {!data && !error && <p class="muted history-empty">{english.asking}</p>}
      {data?.length === 0 && <p class="muted history-empty">{english.nothingInThisRange}</p>}
      {data?.slice(0, SHOWN).map((name) => (
        <button type="button" key={name} class="menu-item mono" onClick={() => (label === undefined ? setLabel(name) : onChoose(label, name))}>
          {name}
        </button>
      ))}
      {data && data.length > SHOWN && <p class="muted history-empty">{english.andMore(data.length - SHOWN)}</p>}
    </div>
  );
}
