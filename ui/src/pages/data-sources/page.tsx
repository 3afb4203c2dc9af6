/** Data sources: which there are, whether they answer, and how administrators add and change them. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../api/client.ts';
import { dataSources, type DataSource } from '../../api/data-sources.ts';
import * as english from '../../english/data-sources.ts';
import { Empty, Failure, Search } from '../../parts/parts.tsx';
import { href, setParams, type Place } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { mayAdminister, type Offers } from '../../state/offers.ts';
import './data-sources.css';
import { SourceForm } from './form.tsx';
import { Found, type Tested } from './found.tsx';
import { isExplored, kindName } from './model.ts';

/** Sources asked at a time when all are tested. */
const TESTED_AT_ONCE = 4;

export function DataSources({ place, offers }: { place: Place; offers: Offers | undefined }): JSX.Element {
  const [changes, setChanges] = useState(0);
  const listed = useLoad('data sources', changes, dataSources.list);
  const [saved, setSaved] = useState<DataSource | undefined>(undefined);
  const [tested, setTested] = useState<ReadonlyMap<string, Tested>>(new Map());
  const test = async (uid: string): Promise<void> => {
    const found = (result: Tested): void => setTested((last) => new Map(last).set(uid, result));
    found('testing');
    try {
      found(await dataSources.health(uid));
    } catch (error) {
      found({ ok: false, message: error instanceof Error ? error.message : String(error), tookMs: 0 });
    }
  };
  const { params } = place;
  const admin = mayAdminister(offers);
  const edited = params.get('edit');
  const type = params.get('new');
  const sources = listed.data ?? [];
  // What was just saved is known before the list says so.
  const one = (saved?.uid === edited && (sources.find(({ uid }) => uid === edited)?.version ?? 0) <= (saved?.version ?? 0) ? saved : undefined) ?? sources.find(({ uid }) => uid === edited);
  if (!offers || listed.waiting) return <main class="page" aria-busy="true" />;
  if (listed.error instanceof ApiError && listed.error.status === 404) return <Alone title={english.thisServerKeepsNoDataSources}>{english.itAsksItsOwnMetricsOnly}</Alone>;
  if (listed.error && !listed.data)
    return (
      <main class="page">
        <h1 class="hidden">{english.dataSources}</h1>
        <Failure error={listed.error} />
      </main>
    );
  if (edited !== null || type !== null) {
    if (!admin)
      return (
        <Alone title={english.thisIsForAdministrators}>
          {english.onlyTheyAddAndChangeData(<a href="data-sources">{english.seeWhichThereAre}</a>)}
        </Alone>
      );
    if (edited !== null && !one)
      return (
        <Alone title={english.thereIsNoSuchDataSource}>
          {english.itMayHaveBeenDeleted(<a href="data-sources">{english.seeWhichThereAre}</a>)}
        </Alone>
      );
    return (
      <SourceForm
        source={edited === null ? undefined : one}
        type={type ?? ''}
        names={sources.map(({ name }) => name)}
        tested={edited === null ? undefined : tested.get(edited)}
        test={test}
        onSaved={(source) => (setSaved(source), setChanges((count) => count + 1), setParams({ new: undefined, edit: source.uid }, { replace: true }))}
        onChanged={() => (setSaved(undefined), setChanges((count) => count + 1))}
      />
    );
  }
  return <List sources={sources} words={params.get('q') ?? ''} admin={admin} tested={tested} test={test} />;
}

function Alone({ title, children }: { title: string; children: JSX.Element | string | (JSX.Element | string)[] }): JSX.Element {
  return (
    <main class="page">
      <h1 class="hidden">{english.dataSources}</h1>
      <Empty title={title}>{children}</Empty>
    </main>
  );
}

function List({ sources, words, admin, tested, test }: { sources: readonly DataSource[]; words: string; admin: boolean; tested: ReadonlyMap<string, Tested>; test: (uid: string) => Promise<void> }): JSX.Element {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = sources.filter(({ name, type, url = '' }) => wanted.every((word) => `${name} ${kindName(type)} ${url}`.toLowerCase().includes(word)));
  const testAll = (): void => {
    const open = shown.map(({ uid }) => uid);
    const next = async (): Promise<void> => {
      for (let uid = open.shift(); uid !== undefined; uid = open.shift()) await test(uid);
    };
    for (let at = 0; at < TESTED_AT_ONCE; at += 1) void next();
  };
  return (
    <main class="page data-sources">
      <h1 class="hidden">{english.dataSources}</h1>
      <div class="toolbar">
        {admin && (
          <a class="button button-strong" href={href('data-sources', { new: 'prometheus' })}>
            {english.addDataSource}
          </a>
        )}
        <button type="button" class="button" onClick={testAll}>
          {english.testAll}
        </button>
        <Search value={words} placeholder={english.searchNameTypeOrAddress} onInput={(q) => setParams({ q: q || undefined }, { replace: true })} />
      </div>
      {!admin && <p class="muted data-sources-note">{english.administratorsAddAndChangeDataSources}</p>}
      {shown.length === 0 ? (
        <Empty title={english.noDataSourceMatches} />
      ) : (
        <section class="panel table-scroll" aria-label={english.dataSources}>
          <table class="rows">
            <thead>
              <tr>
                <th>{english.name}</th>
                <th class="data-sources-side">{english.type}</th>
                {admin && <th class="data-sources-side">{english.address}</th>}
                <th>{english.health}</th>
                <th>
                  <span class="hidden">{english.ask}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((source) => (
                <tr key={source.uid} data-source={source.uid}>
                  <td class="data-sources-name">
                    {admin ? (
                      <a href={href('data-sources', { edit: source.uid })} data-row="">
                        {source.name}
                      </a>
                    ) : (
                      <b>{source.name}</b>
                    )}
                    {source.isDefault && (
                      <span class="read-only" title={english.askedWherePanelNamesNone}>
                        {english.byDefault}
                      </span>
                    )}
                    {admin && source.readOnly && (
                      <span class="read-only" title={english.comesFromFile}>
                        {english.readOnly}
                      </span>
                    )}
                    <span class="muted data-sources-narrow">{kindName(source.type)}</span>
                  </td>
                  <td class="data-sources-side">{kindName(source.type)}</td>
                  {admin && <td class="data-sources-side data-sources-url">{source.url || <span class="muted">{english.thisServer}</span>}</td>}
                  <td class="wide">
                    <HealthOf name={source.name} tested={tested.get(source.uid)} onTest={() => void test(source.uid)} />
                  </td>
                  <td>
                    {isExplored(source.type) && (
                      <a href={href('explore', { source: source.uid })} aria-label={english.exploreLabel(source.name)}>
                        {english.explore}
                      </a>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </main>
  );
}

function HealthOf({ name, tested, onTest }: { name: string; tested: Tested | undefined; onTest: () => void }): JSX.Element {
  return (
    <span class="data-sources-health">
      <button type="button" class="button" aria-label={english.testLabel(name)} disabled={tested === 'testing'} onClick={onTest}>
        {english.test}
      </button>
      <Found tested={tested} />
    </span>
  );
}
