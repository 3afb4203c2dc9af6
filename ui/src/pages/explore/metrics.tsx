/** The metrics there are: by job and beginning of name, with type and help, their labels and values. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { MetricsApi } from '../../api/client.ts';
import * as english from '../../english/explore.ts';
import { text } from '../../format/units.ts';
import { Empty, Failure, Search } from '../../parts/parts.tsx';
import { matchers } from '../../promql/build.ts';
import { useLoad } from '../../state/load.ts';
import { branchesOf, labelsOf, selectorOf, type Branch } from './browse.ts';

/** Series looked at for labels and their values. */
const SERIES_READ = 5000;
const NAMES_SHOWN = 300;
const VALUES_SHOWN = 30;

export function MetricBrowser({ metrics, onChoose, onClose }: { metrics: MetricsApi; onChoose: (selector: string) => void; onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [job, setJob] = useState('');
  const [query, setQuery] = useState('');
  const [metric, setMetric] = useState<string | undefined>(undefined);
  useEffect(() => dialog.current?.showModal(), []);
  const jobs = useLoad('jobs', 0, (signal) => metrics.labelValues('job', [], signal));
  const names = useLoad(`names ${job}`, 0, (signal) => metrics.labelValues('__name__', job === '' ? [] : [`{${matchers({ job })}}`], signal));
  const about = useLoad('metadata', 0, (signal) => metrics.metadata(undefined, signal));
  const found = useMemo(() => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    return (names.data ?? []).filter((name) => words.every((word) => name.toLowerCase().includes(word) || about.data?.[name]?.[0]?.help.toLowerCase().includes(word)));
  }, [names.data, about.data, query]);
  const tree = useMemo(() => branchesOf(found), [found]);
  const choose = (selector: string): void => {
    onChoose(selector);
    onClose();
  };
  return (
    <dialog class="browser" ref={dialog} aria-label={english.metrics} onClose={onClose} onClick={(event) => event.target === dialog.current && onClose()}>
      <header class="browser-head">
        <h2>{english.metrics}</h2>
        <label>
          {english.job}{' '}
          <select value={job} onChange={(event) => (setJob(event.currentTarget.value), setMetric(undefined))}>
            <option value="">{english.allJobs}</option>
            {(jobs.data ?? []).map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <Search value={query} placeholder={english.searchPlaceholder} onInput={setQuery} />
        <button type="button" class="button button-icon" aria-label={english.close} onClick={onClose}>
          ×
        </button>
      </header>
      <div class="browser-body">
        <nav class="browser-names" aria-label={english.names}>
          {names.error && <Failure error={names.error} compact />}
          {names.waiting && <div class="skeleton skeleton-result" />}
          {names.data && found.length === 0 && <Empty compact title={query === '' ? english.thisJobHasNoMetrics : english.noMetricMatches} />}
          {query !== '' ? (
            <>
              {found.slice(0, NAMES_SHOWN).map((name) => (
                <Name key={name} name={name} chosen={name === metric} type={about.data?.[name]?.[0]?.type} onChoose={setMetric} />
              ))}
              {found.length > NAMES_SHOWN && <p class="muted browser-more">{english.moreMetrics(found.length - NAMES_SHOWN)}</p>}
            </>
          ) : (
            <Branches branches={tree} metric={metric} typeOf={(name) => about.data?.[name]?.[0]?.type} onChoose={setMetric} />
          )}
        </nav>
        <section class="browser-metric" aria-label={english.metric}>
          {metric === undefined ? (
            <Empty title={english.metricCount(found.length.toLocaleString('en'))}>{english.chooseMetric}</Empty>
          ) : (
            <Metric key={metric} metrics={metrics} name={metric} job={job} about={about.data?.[metric]?.[0]} onChoose={choose} />
          )}
        </section>
      </div>
    </dialog>
  );
}

function Name({ name, chosen, type, onChoose }: { name: string; chosen: boolean; type: string | undefined; onChoose: (name: string) => void }): JSX.Element {
  return (
    <button type="button" class="menu-item browser-name" aria-pressed={chosen} onClick={() => onChoose(name)}>
      <span class="mono ellipsis" title={name}>
        {name}
      </span>
      {type !== undefined && type !== 'unknown' && <span class="muted">{type}</span>}
    </button>
  );
}

function Branches({ branches, metric, typeOf, onChoose }: { branches: readonly Branch[]; metric: string | undefined; typeOf: (name: string) => string | undefined; onChoose: (name: string) => void }): JSX.Element {
  return (
    <ul class="browser-branches">
      {branches.map((branch) => (
        <li key={branch.prefix}>
          {branch.branches.length === 0 ? (
            <Name name={branch.prefix} chosen={branch.prefix === metric} type={typeOf(branch.prefix)} onChoose={onChoose} />
          ) : (
            <Fold branch={branch}>
              {() => <Branches branches={branch.branches} metric={metric} typeOf={typeOf} onChoose={onChoose} />}
            </Fold>
          )}
        </li>
      ))}
    </ul>
  );
}

function Fold({ branch, children }: { branch: Branch; children: () => JSX.Element }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="menu-item browser-name" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class="mono">
          {open ? '▾' : '▸'} {branch.prefix}…
        </span>
        <span class="muted">{branch.count}</span>
      </button>
      {open && children()}
    </>
  );
}

function Metric({ metrics, name, job, about, onChoose }: { metrics: MetricsApi; name: string; job: string; about: { type: string; help: string; unit: string } | undefined; onChoose: (selector: string) => void }): JSX.Element {
  const [chosen, setChosen] = useState<ReadonlyMap<string, ReadonlySet<string>>>(() => new Map(job === '' ? [] : [['job', new Set([job])]]));
  const all = selectorOf(name, new Map());
  const { data, error } = useLoad(`series ${name} ${job}`, 0, (signal) => metrics.series([selectorOf(name, new Map(job === '' ? [] : [['job', new Set([job])]]))], SERIES_READ, signal));
  const labels = useMemo(() => labelsOf(data ?? []), [data]);
  const toggle = (label: string, value: string): void => {
    const values = new Set(chosen.get(label));
    if (!values.delete(value)) values.add(value);
    setChosen(new Map(chosen).set(label, values));
  };
  const selector = selectorOf(name, chosen);
  return (
    <>
      <h3 class="mono">{name}</h3>
      <p>{about?.help || <span class="muted">{english.noHelp}</span>}</p>
      <p class="muted">
        {[about?.type, about?.unit, data && english.seriesInLastHour(data.length === SERIES_READ ? english.atLeast : '', text(data.length, 'number'))].filter(Boolean).join(' · ')}
      </p>
      {error && <Failure error={error} compact />}
      {!data && !error && <div class="skeleton" />}
      {labels.map((label) => (
        <LabelChoice key={label.name} label={label} chosen={chosen.get(label.name)} onToggle={(value) => toggle(label.name, value)} />
      ))}
      <footer class="browser-choose">
        <code class="ellipsis" title={selector}>
          {selector}
        </code>
        <button type="button" class="button button-strong" onClick={() => onChoose(selector)}>
          {english.takeSelector(selector === all ? english.theMetric : english.thisSelector)}
        </button>
      </footer>
    </>
  );
}

function LabelChoice({ label, chosen, onToggle }: { label: ReturnType<typeof labelsOf>[number]; chosen: ReadonlySet<string> | undefined; onToggle: (value: string) => void }): JSX.Element {
  const [shown, setShown] = useState(VALUES_SHOWN);
  return (
    <fieldset class="browser-label">
      <legend>
        {label.name} <span class="muted">{label.values.length}</span>
      </legend>
      {label.values.slice(0, shown).map(({ value, series }) => (
        <button type="button" key={value} class="chip" aria-pressed={chosen?.has(value) ?? false} title={english.seriesCount(series)} onClick={() => onToggle(value)}>
          {value === '' ? '""' : value}
          <span class="count">{series}</span>
        </button>
      ))}
      {label.values.length > shown && (
        <button type="button" class="link" onClick={() => setShown(shown + 300)}>
          {english.moreValues(label.values.length - shown)}
        </button>
      )}
    </fieldset>
  );
}
