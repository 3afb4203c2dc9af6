/** The configuration in force, as it was read; secrets are not in it. */
import type { JSX } from 'preact';
import { alertmanager } from '../../api/alertmanager.ts';
import { api } from '../../api/client.ts';
import * as english from '../../english/status.ts';
import { moment } from '../../format/time.ts';
import { Empty, Failure, Mark } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { Tick } from '../../state/refresh.ts';

export function Configuration({ tick }: { tick: Tick }): JSX.Element {
  const { data, error } = useLoad('configuration', Math.floor(tick.now / 15), async (signal) => {
    const [yaml, runtime, alerting] = await Promise.all([api.config(signal), api.runtimeInfo(signal), alertmanager.status(signal).catch(() => undefined)]);
    return { yaml, runtime, alerting: alerting?.config.original ?? '' };
  });
  if (error && !data) return <Failure error={error} />;
  if (!data) return <div class="skeleton skeleton-page" />;
  const { runtime } = data;
  return (
    <>
      {runtime.reloadConfigSuccess === false && (
        <div class="failure" role="alert">
          <Mark tone="critical" />
          <span>{english.configurationHasMistakes}</span>
        </div>
      )}
      <Text name={english.scrapingAndRules} about={runtime.lastConfigTime === undefined ? '' : english.readAt(moment(Date.parse(runtime.lastConfigTime) / 1000))} yaml={data.yaml} none={english.noConfiguration} />
      <Text name={english.deliveryOfAlerts} about={english.withDefaults} yaml={data.alerting} none={english.noDelivery} />
    </>
  );
}

function Text({ name, about, yaml, none }: { name: string; about: string; yaml: string; none: string }): JSX.Element {
  return (
    <section class="group" aria-label={name}>
      <header class="group-head">
        <h2>{name}</h2>
        <span class="muted">{about}</span>
        {yaml.trim() !== '' && (
          <button type="button" class="link group-meta" onClick={() => void navigator.clipboard?.writeText(yaml)}>
            {english.copy}
          </button>
        )}
      </header>
      {yaml.trim() === '' ? (
        <Empty compact title={none} />
      ) : (
        <pre class="configuration" tabIndex={0} aria-label={name}>
          {yaml}
        </pre>
      )}
    </section>
  );
}
