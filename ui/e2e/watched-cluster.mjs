// The dashboards of kube-prometheus among the conformance data, and the real program as it scrapes a made-up cluster.
import { join } from 'node:path';
import { serveCluster } from './cluster.mjs';
import { startProgram, until } from './program.mjs';

/** Of `conformance()`. */
export const dashboardsOf = (data) => join(data, 'mixins/dashboards');

/** Fewer panels with data than this are a fault of the cluster, of the server or of the page. */
export const LEAST_WITH_DATA = 0.9;

const SCRAPES_BEFORE = 75;

/** Starts the cluster and the program with the rules of kube-prometheus. `flags` are added to the program's. */
export async function startWatched(data, flags = []) {
  const cluster = await serveCluster();
  const program = await startProgram({
    files: {
      'prometheus.yml': `global: {scrape_interval: 1s, evaluation_interval: 2s}
rule_files: [${JSON.stringify(join(data, 'mixins/rules/kube-prometheus/*.rules.yaml'))}]
scrape_configs:
- job_name: cluster
  honor_labels: true
  static_configs: [{targets: [${JSON.stringify(cluster.address)}]}]
`,
    },
    flags: ['--prometheus.config', 'FOLDER/prometheus.yml', ...flags],
  });
  return { cluster, program };
}

/** Waits until there is enough to draw. `base` is the program's address. */
export async function untilWatched(base) {
  const count = async (expression) => {
    const answer = await (await fetch(new URL(`api/v1/query?${new URLSearchParams({ query: expression })}`, base))).json();
    return Number(answer.data?.result?.[0]?.value?.[1] ?? 0);
  };
  // Panels ask at steps of up to a minute: what is younger than that is not on their grid yet.
  await until('the cluster is scraped', async () => (await count('min(count_over_time(up{job="kubelet"}[2m]))')) >= SCRAPES_BEFORE, 300_000);
  await until('the rules ran', () => count('count(namespace_workload_pod:kube_pod_owner:relabel) and count(instance:node_cpu_utilisation:rate5m) and count(cluster_quantile:apiserver_request_sli_duration_seconds:histogram_quantile)'));
}
