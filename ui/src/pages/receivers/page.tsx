/** Who is told, how that goes, and whether it would work now. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { AlertingTabs } from '../../alerting/tabs.tsx';
import { alerting, type IntegrationState, type ReceiverState, type TestResult } from '../../api/alerting.ts';
import type { PageProps } from '../../app.tsx';
import * as english from '../../english/receivers.ts';
import { duration, moment } from '../../format/time.ts';
import { Empty, Failure, Mark, Search, type Tone } from '../../parts/parts.tsx';
import { link, setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { useMay } from '../../state/offers.ts';

const toneOf = ({ last_status }: IntegrationState): Tone => (last_status === 'failed' ? 'critical' : last_status === 'taken' ? 'ok' : 'quiet');

export function Receivers({ place, tick, refresh }: PageProps): JSX.Element {
  const { data, error } = useLoad('receivers', tick, (signal) => alerting.receivers(signal));
  const query = place.params.get('q') ?? '';
  const shown = data?.filter(({ name, integrations }) => [name, ...integrations.map((integration) => integration.name)].join('\n').toLowerCase().includes(query.toLowerCase()));
  return (
    <main class="page">
      <h1 class="hidden">{english.receivers}</h1>
      <AlertingTabs current="receivers" />
      <div class="toolbar">
        <Search value={query} placeholder={english.searchReceivers} onInput={(q) => setParams({ q: q === '' ? undefined : q }, { replace: true })} />
      </div>
      {error && <Failure error={error} />}
      {!data && !error && <div class="skeleton skeleton-page" />}
      {shown?.length === 0 && <Empty title={english.noneMatches} />}
      {shown?.map((receiver) => (
        <ReceiverView key={receiver.name} receiver={receiver} now={tick.now} refresh={refresh} />
      ))}
    </main>
  );
}

function ReceiverView({ receiver, now, refresh }: { receiver: ReceiverState; now: number; refresh: () => void }): JSX.Element {
  const [results, setResults] = useState<TestResult[] | undefined>(undefined);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const may = useMay('edit');
  const test = (): void => {
    setBusy(true);
    setFailed(undefined);
    alerting
      .testReceiver(receiver.name)
      .then(setResults, (error: Error) => setFailed(error))
      .finally(() => (setBusy(false), refresh()));
  };
  return (
    <section class="group" aria-label={english.receiverLabel(receiver.name)}>
      <header class="group-head">
        <h2>{receiver.name}</h2>
        <a class="muted" href={link('alerts', { receiver: receiver.name })}>
          {english.itsAlerts}
        </a>
        {may && receiver.integrations.length > 0 && (
          <button type="button" class="button group-meta" disabled={busy} onClick={test}>
            {busy ? english.sending : english.sendTest}
          </button>
        )}
      </header>
      {receiver.integrations.length === 0 && <p class="muted alert-note">{english.tellsNobody}</p>}
      {failed && <Failure error={failed} compact />}
      {receiver.integrations.map((integration) => (
        <Integration key={integration.name} integration={integration} result={results?.find((result) => result.integration === integration.name)} now={now} />
      ))}
    </section>
  );
}

function Integration({ integration, result, now }: { integration: IntegrationState; result: TestResult | undefined; now: number }): JSX.Element {
  const last = Date.parse(integration.last_attempt ?? '') / 1000;
  return (
    <div class="row-box">
      <div class="row integration-row">
        <span class="row-state">
          <Mark tone={toneOf(integration)} />
          {integration.last_status === 'failed' ? english.failing : integration.last_status === 'taken' ? english.works : english.notUsedYet}
        </span>
        <span class="row-name">{integration.name.slice(integration.name.indexOf('/') + 1)}</span>
        <span class="row-text muted">
          {english.toldAndFailed(integration.notifications, integration.failed, integration.send_resolved ? '' : english.notToldOfEnds)}
        </span>
        <span class="row-end muted" title={Number.isFinite(last) ? moment(last) : ''}>
          {Number.isFinite(last) && english.ago(duration(Math.max(0, Math.round(now - last))))}
          {integration.last_latency_ms !== undefined && english.lastTook(duration(integration.last_latency_ms / 1000))}
        </span>
        {integration.last_status === 'failed' && integration.last_error && <span class="row-error">{integration.last_error}</span>}
        {result && (
          <span class={result.ok ? 'row-text' : 'row-error'} role="status">
            {result.ok ? english.testWorked(duration(result.latency_ms / 1000)) : english.testFailed(result.error ?? english.noReason)}
          </span>
        )}
      </div>
    </div>
  );
}
