/** Who is told, how that goes, and whether it would work now. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { AlertingTabs } from '../../alerting/tabs.tsx';
import { alerting, type IntegrationState, type ReceiverState, type TestResult } from '../../api/alerting.ts';
import type { PageProps } from '../../app.tsx';
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
      <h1 class="hidden">Receivers</h1>
      <AlertingTabs current="receivers" />
      <div class="toolbar">
        <Search value={query} placeholder="Search receivers" onInput={(q) => setParams({ q: q === '' ? undefined : q }, { replace: true })} />
      </div>
      {error && <Failure error={error} />}
      {!data && !error && <div class="skeleton skeleton-page" />}
      {shown?.length === 0 && <Empty title="No receiver matches" />}
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
    <section class="group" aria-label={`Receiver ${receiver.name}`}>
      <header class="group-head">
        <h2>{receiver.name}</h2>
        <a class="muted" href={link('alerts', { receiver: receiver.name })}>
          its alerts
        </a>
        {may && receiver.integrations.length > 0 && (
          <button type="button" class="button group-meta" disabled={busy} onClick={test}>
            {busy ? 'Sending …' : 'Send a test'}
          </button>
        )}
      </header>
      {receiver.integrations.length === 0 && <p class="muted alert-note">Nobody is told: its alerts are only shown here.</p>}
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
          {integration.last_status === 'failed' ? 'failing' : integration.last_status === 'taken' ? 'works' : 'not used yet'}
        </span>
        <span class="row-name">{integration.name.slice(integration.name.indexOf('/') + 1)}</span>
        <span class="row-text muted">
          {integration.notifications} told, {integration.failed} failed{integration.send_resolved ? '' : ', not told of ends'}
        </span>
        <span class="row-end muted" title={Number.isFinite(last) ? moment(last) : ''}>
          {Number.isFinite(last) && `${duration(Math.max(0, Math.round(now - last)))} ago`}
          {integration.last_latency_ms !== undefined && `, took ${duration(integration.last_latency_ms / 1000)}`}
        </span>
        {integration.last_status === 'failed' && integration.last_error && <span class="row-error">{integration.last_error}</span>}
        {result && (
          <span class={result.ok ? 'row-text' : 'row-error'} role="status">
            {result.ok ? `The test was taken in ${duration(result.latency_ms / 1000)}.` : `The test failed: ${result.error ?? 'no reason was given'}`}
          </span>
        )}
      </div>
    </div>
  );
}
