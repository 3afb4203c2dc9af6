/** What the dashboard can be turned to: its variables, its annotations, its links. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { dashboards } from '../../api/dashboards.ts';
import { interpolate } from '../../dashboard/interpolate.ts';
import type { DashboardLink } from '../../dashboard/model.ts';
import { cssColor } from '../../fields/color.ts';
import type { Notice } from '../../dashboard/query.ts';
import type { VariableState } from '../../dashboard/variables/set.ts';
import * as english from '../../english/dashboard.ts';
import { Mark, Popover } from '../../parts/parts.tsx';
import { dashboardHref } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { AdHocFilters } from './adhoc.tsx';
import { useBoard } from './board.ts';
import { headLinks, withView } from './links.ts';
import { listOf, VariableSelect } from './variable-select.tsx';
import { viewPatch } from './view-links.ts';

interface Props {
  /** What went wrong with annotations, or is left out of them. */
  notices: readonly Notice[];
  switched: ReadonlyMap<string, boolean>;
  onSwitch: (name: string, on: boolean) => void;
}

export function VariablesBar({ notices, switched, onSwitch }: Props): JSX.Element | null {
  const board = useBoard();
  const { dashboard, variables } = board;
  const shown = variables.states.filter(({ variable }) => variable.hide !== 2 && !['constant', 'system', 'snapshot'].includes(variable.type));
  const annotations = dashboard.annotations.list.filter(({ hide, builtIn }) => !hide && !builtIn);
  if (shown.length === 0 && annotations.length === 0 && dashboard.links.length === 0 && notices.length === 0) return null;
  return (
    <div class="board-variables">
      {shown.map((state) => (
        <VariableField key={state.variable.name} state={state} />
      ))}
      {annotations.map(({ name, enable, iconColor }) => {
        const on = switched.get(name) ?? enable;
        return (
          <button type="button" key={name} class="chip board-annotation" aria-pressed={on} title={english.showOnPanels(name)} onClick={() => onSwitch(name, !on)}>
            <i class="swatch" style={{ background: iconColor ? cssColor(iconColor) : 'var(--accent)' }} />
            {name}
          </button>
        );
      })}
      {notices.length > 0 && (
        <ul class="board-notices" role="status" aria-label={english.annotations}>
          {notices.slice(0, NOTICES_SHOWN).map(({ severity, text }) => (
            <li key={text} title={text}>
              <Mark tone={severity === 'error' ? 'critical' : 'warning'} /> <span>{text}</span>
            </li>
          ))}
          {notices.length > NOTICES_SHOWN && <li class="muted">{english.andMore(notices.length - NOTICES_SHOWN)}</li>}
        </ul>
      )}
      {dashboard.links.length > 0 && (
        <nav class="board-dashboard-links" aria-label={english.linksOfThisDashboard}>
          {dashboard.links.map((link, index) => (
            <DashboardLinks key={index} link={link} />
          ))}
        </nav>
      )}
    </div>
  );
}

/** More of them would push the panels away. */
const NOTICES_SHOWN = 3;

function VariableField({ state }: { state: VariableState }): JSX.Element {
  const { variables, scope } = useBoard();
  const { variable, error, loading } = state;
  const label = interpolate(variable.label || variable.name, scope, 'text');
  const choose = (values: string[]): void => variables.choose(variable.name, values);
  const current = listOf(state.chosen.value)[0] ?? '';
  return (
    <span class="variable" aria-busy={loading} data-variable={variable.name}>
      {variable.hide !== 1 && (
        <span class="variable-label" title={variable.description ?? undefined}>
          {label}
        </span>
      )}
      {variable.type === 'textbox' ? (
        <TextBox label={label} value={current} onChange={(value) => choose([value])} />
      ) : variable.type === 'adhoc' ? (
        <AdHocFilters state={state} label={label} variables={variables} onFilter={(filters) => variables.filter(variable.name, filters)} />
      ) : variable.type === 'switch' ? (
        <input type="checkbox" aria-label={label} checked={current === (state.options[0]?.value ?? 'true')} onChange={(event) => choose([state.options[event.currentTarget.checked ? 0 : 1]?.value ?? String(event.currentTarget.checked)])} />
      ) : (
        <VariableSelect state={state} label={label} onChoose={choose} />
      )}
      {loading && <i class="variable-busy" title={english.loadingValues} />}
      {error !== undefined && (
        <span class="variable-error" role="img" aria-label={`${label}: ${error}`} title={error}>
          <Mark tone="critical" />
        </span>
      )}
    </span>
  );
}

/** What is typed counts with Enter or when the field is left. */
function TextBox({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }): JSX.Element {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const done = (): void => {
    if (text !== value) onChange(text);
  };
  return <input class="variable-text" aria-label={label} value={text} spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} onBlur={done} onKeyDown={(event) => event.key === 'Enter' && done()} />;
}

function DashboardLinks({ link }: { link: DashboardLink }): JSX.Element | null {
  const board = useBoard();
  const time = viewPatch(board);
  const values = board.variables.patch();
  const byTags = link.type === 'dashboards';
  const found = useLoad(byTags ? JSON.stringify(link.tags ?? []) : null, 0, (signal) => dashboards.search({ tags: link.tags ?? [], type: 'dash-db', limit: 100 }, signal));
  if (!byTags) {
    const [ready] = headLinks([link], board.scope, time, values);
    return ready ? <Follow href={ready.href} title={link.tooltip ?? ''} text={ready.title} newTab={ready.newTab} /> : null;
  }
  const others = (found.data ?? []).filter(({ uid }) => uid !== board.dashboard.uid);
  const follow = others.map((hit) => <Follow key={hit.uid} href={withView(dashboardHref(hit.uid), link, time, values)} title="" text={hit.title} newTab={link.targetBlank === true} menu={link.asDropdown} />);
  if (!link.asDropdown) return <>{follow}</>;
  const title = interpolate(link.title || 'Dashboards', board.scope, 'text');
  return (
    <Popover label={title} title={link.tooltip} align="right" button={<>{title} ▾</>}>
      {() => <div class="board-link-list">{follow.length > 0 ? follow : <p class="muted choice-more">{found.waiting ? english.loading : english.noneHasTag((link.tags ?? []).join(' and '))}</p>}</div>}
    </Popover>
  );
}

const Follow = ({ href, title, text, newTab, menu = false }: { href: string; title: string; text: string; newTab: boolean; menu?: boolean }): JSX.Element => (
  <a class={menu ? 'menu-item' : 'button'} href={href} title={title || undefined} {...(newTab ? { target: '_blank', rel: 'noopener' } : {})}>
    {text}
    {newTab && ' ↗'}
  </a>
);
