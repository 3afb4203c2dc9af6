/** One panel being edited: how it looks now above, what it asks below, its options beside. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { PlacedPanel } from '../../../dashboard/layout.ts';
import { withShared } from '../../../dashboard/library.ts';
import type { Dashboard, Panel } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import type { OptionEditor, PanelKind } from '../../../panels/panel.ts';
import { PANEL_IDS, panelKind } from '../../../panels/registry.ts';
import { withDefaults } from '../../../panels/values/options.ts';
import { useBoard } from '../board.ts';
import { PanelFrame } from '../panel.tsx';
import { usePanelKind, type PanelData } from '../panel-data.ts';
import type { Session } from '../session.ts';
import { UnappliedPlace } from '../unapplied.ts';
import { changePanel, findById, optionPath, valueAt, withValue } from './change.ts';
import './edit.css';
import { FieldOptions } from './field-options.tsx';
import { JsonField } from './json-field.tsx';
import { Labelled, OptionField, TextField } from './option-fields.tsx';
import { Queries } from './queries.tsx';
import { MakeShared, SharedBar } from './shared-panel.tsx';
import { stageOf } from './stage.ts';
import { Transformations } from './transformations.tsx';
import { LinksField } from './value-fields.tsx';

interface Props {
  placed: PlacedPanel;
  session: Session;
  refresh: () => void;
}

export function PanelEditor({ placed, session, refresh }: Props): JSX.Element {
  const board = useBoard();
  const { panel } = placed;
  const before = useRef(panel);
  const [tab, setTab] = useState<'queries' | 'transformations' | 'json'>('queries');
  const kind = usePanelKind(panel.type);
  const ready = kind.state === 'ready' ? kind.kind : undefined;
  const set = (next: (panel: Panel) => Panel): void => session.change((dashboard) => changeEverywhere(dashboard, panel.id, next));
  const scope = useMemo(() => ({ ...board.scope, ...placed.scope }), [board.scope, placed.scope]);
  const [data, setData] = useState<PanelData | undefined>(undefined);
  const drawn = useMemo(() => stageOf(data?.transformed ?? []), [data?.transformed]);
  const tabs = [
    ['queries', english.queries(panel.targets.length)],
    ['transformations', english.transformations(panel.transformations.length)],
    ['json', english.panelJson],
  ] as const;
  return (
    <UnappliedPlace value={english.panelNumber(panel.id)}>
      <div class="panel-editor">
        <div class="panel-editor-main">
          <div class="panel-editor-bar">
            <button type="button" class="button" onClick={() => board.act.edit(undefined)}>
              {english.backToDashboard}
            </button>
            {panel !== before.current && (
              <button type="button" class="button" onClick={() => set(() => before.current)}>
                {english.undoPanel}
              </button>
            )}
            {!panel.libraryPanel && <MakeShared session={session} panel={panel} />}
          </div>
          {panel.libraryPanel && <SharedBar session={session} panel={panel} />}
          <div class="panel-editor-preview">
            <PanelFrame placed={placed} alone onData={setData} />
          </div>
          <div class="tabs" role="tablist" aria-label={english.ofPanel}>
            {tabs.map(([id, text]) => (
              <button type="button" key={id} role="tab" aria-selected={tab === id} onClick={() => setTab(id)}>
                {text}
              </button>
            ))}
          </div>
          <div role="tabpanel">
            {tab === 'queries' && (ready?.data === false ? <p class="muted">{english.asksNoData}</p> : <Queries panel={panel} change={set} run={refresh} />)}
            {tab === 'transformations' && <Transformations panel={panel} frames={data?.answer?.frames ?? NO_FRAMES} scope={scope} change={set} />}
            {tab === 'json' && (
              <JsonField
                label={english.panelJson}
                value={panel}
                rows={24}
                onApply={(value) => {
                  if (typeof value !== 'object' || value === null || typeof (value as Panel).type !== 'string') throw new Error(english.panelNeedsType);
                  set((now) => ({ ...now, ...(value as Panel), id: now.id }));
                }}
              />
            )}
          </div>
        </div>
        <aside class="panel-editor-options" aria-label={english.optionsOfPanel}>
          <KindPicker panel={panel} change={set} />
          <details class="options-group" open>
            <summary>{english.panel}</summary>
            <Labelled name={english.title}>
              <TextField value={panel.title} onChange={(title) => set((now) => ({ ...now, title }))} />
            </Labelled>
            <Labelled name={english.description}>
              <TextField lines value={panel.description ?? ''} onChange={(description) => set((now) => ({ ...now, description: description || undefined }))} />
            </Labelled>
            <label class="option option-switch">
              <input type="checkbox" checked={panel.transparent === true} onChange={(event) => set((now) => ({ ...now, transparent: event.currentTarget.checked || undefined }))} />
              <span>{english.withoutGround}</span>
            </label>
            <Repeat panel={panel} change={set} />
          </details>
          {ready && <KindOptions panel={panel} kind={ready} change={set} />}
          {ready?.data && <FieldOptions panel={panel} kind={ready} stage={drawn} change={set} />}
          <details class="options-group">
            <summary>
              {english.linksOfPanel} <span class="count">{panel.links.length}</span>
            </summary>
            <LinksField value={panel.links} onChange={(links) => set((now) => ({ ...now, links: links.map((link) => ({ type: 'link' as const, ...link })) }))} />
          </details>
        </aside>
      </div>
    </UnappliedPlace>
  );
}

const NO_FRAMES: never[] = [];

/** A change of a panel; others of the dashboard that stand for the same one of the library change with it. */
function changeEverywhere(dashboard: Dashboard, id: number, next: (panel: Panel) => Panel): Dashboard {
  const changed = changePanel(dashboard, id, next);
  const panel = findById(changed, id);
  return panel?.libraryPanel ? withShared(changed, panel.libraryPanel.uid, panel) : changed;
}

/** What stays of a panel when it becomes one of another kind: what it asks, and how values read. */
export function asKind(panel: Panel, type: string): Panel {
  const { custom: _, ...defaults } = panel.fieldConfig.defaults;
  return { ...panel, type, options: {}, fieldConfig: { defaults, overrides: panel.fieldConfig.overrides.filter(({ properties }) => properties.every(({ id }) => !id.startsWith('custom.'))) } };
}

function KindPicker({ panel, change }: { panel: Panel; change: (next: (panel: Panel) => Panel) => void }): JSX.Element {
  const [names, setNames] = useState<Record<string, string>>({});
  // Options of a kind come back when one looks at another kind and returns.
  const seen = useRef(new Map<string, Panel>());
  useEffect(() => {
    let gone = false;
    for (const id of PANEL_IDS) panelKind(id)?.then((kind) => !gone && setNames((last) => ({ ...last, [id]: kind.name })), () => undefined);
    return () => {
      gone = true;
    };
  }, []);
  return (
    <Labelled name={english.kindOfPanel}>
      <select
        value={panel.type}
        onChange={(event) => {
          const type = event.currentTarget.value;
          seen.current.set(panel.type, panel);
          const old = seen.current.get(type);
          change((now) => (old ? { ...now, type, options: old.options, fieldConfig: old.fieldConfig } : asKind(now, type)));
        }}
      >
        {[...new Set([panel.type, ...PANEL_IDS.filter((id) => id !== 'row')])].map((id) => (
          <option key={id} value={id} selected={id === panel.type}>
            {names[id] ?? id}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

function Repeat({ panel, change }: { panel: Panel; change: (next: (panel: Panel) => Panel) => void }): JSX.Element {
  const { variables } = useBoard();
  return (
    <>
      <Labelled name={english.repeatFor}>
        <select value={panel.repeat ?? ''} onChange={(event) => change((now) => ({ ...now, repeat: event.currentTarget.value || undefined, repeatDirection: now.repeatDirection ?? 'h' }))}>
          <option value="">{english.notRepeated}</option>
          {variables.states.filter(({ variable }) => variable.type !== 'adhoc').map(({ variable }) => (
            <option key={variable.name} value={variable.name} selected={variable.name === panel.repeat}>
              {english.eachSeconds(variable.name)}
            </option>
          ))}
        </select>
      </Labelled>
      {panel.repeat && (
        <div class="option-row">
          <Labelled name={english.direction}>
            <select value={panel.repeatDirection ?? 'h'} onChange={(event) => change((now) => ({ ...now, repeatDirection: event.currentTarget.value as 'h' | 'v' }))}>
              <option value="h">{english.beside}</option>
              <option value="v" selected={panel.repeatDirection === 'v'}>
                {english.below}
              </option>
            </select>
          </Labelled>
          {panel.repeatDirection !== 'v' && (
            <Labelled name={english.atMostInLine}>
              <input type="number" min={1} max={24} value={String(panel.maxPerRow ?? 4)} onChange={(event) => change((now) => ({ ...now, maxPerRow: Number(event.currentTarget.value) || undefined }))} />
            </Labelled>
          )}
        </div>
      )}
    </>
  );
}

function KindOptions({ panel, kind, change }: { panel: Panel; kind: PanelKind; change: (next: (panel: Panel) => Panel) => void }): JSX.Element {
  const groups = useMemo(() => {
    const found = new Map<string, OptionEditor[]>();
    for (const editor of kind.editor) found.set(editor.group, [...(found.get(editor.group) ?? []), editor]);
    return [...found];
  }, [kind]);
  const whole = useMemo(
    () => ({ ...panel, options: withDefaults(kind.options, panel.options), fieldConfig: { ...panel.fieldConfig, defaults: withDefaults(kind.field, panel.fieldConfig.defaults) } }),
    [panel, kind],
  );
  return (
    <>
      {groups.map(([group, editors], index) => (
        <details class="options-group" key={group} open={index === 0}>
          <summary>{group}</summary>
          {editors.map((editor) => (
            <OptionField key={editor.path} editor={editor} value={valueAt(whole, optionPath(editor.path))} onChange={(value) => change((now) => withValue(now, optionPath(editor.path), value))} />
          ))}
        </details>
      ))}
    </>
  );
}
