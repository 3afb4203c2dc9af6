// For tests and for trying things out: a made-up Kubernetes cluster as one page of metrics, with the names that the
// usual dashboards ask for. A server scrapes it with `honor_labels: true`. The same moment always gives the same page.
//   node e2e/cluster.mjs [--port 9100]             serves /metrics
//   node e2e/cluster.mjs --hours 1 [--step 15]     prints OpenMetrics of the last hour, to make blocks from
import { createServer } from 'node:http';

const CLUSTERS = ['north', 'south'];
const NODES = ['node-a', 'node-b', 'node-c'];
const GIB = 2 ** 30;
/** Workloads of every cluster: namespace, kind, name, pods, share of a core, GiB. */
const WORKLOADS = [
  ['shop', 'Deployment', 'frontend', 3, 0.25, 0.4],
  ['shop', 'Deployment', 'checkout', 2, 0.6, 0.8],
  ['shop', 'StatefulSet', 'orders-db', 2, 0.9, 2.5],
  ['billing', 'Deployment', 'invoices', 2, 0.3, 0.7],
  ['billing', 'Job', 'monthly-run', 1, 0.8, 1.2],
  ['kube-system', 'DaemonSet', 'cni', 3, 0.05, 0.1],
  ['kube-system', 'Deployment', 'coredns', 2, 0.08, 0.1],
  ['monitoring', 'StatefulSet', 'metrics', 1, 0.5, 2],
];

const hash = (text) => {
  let value = 2166136261;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 16777619);
  return (value >>> 0) / 2 ** 32;
};
const escaped = (value) => String(value).replace(/\\/g, '\\\\').replace(/"/g, '\\"');

/** All samples of one moment, in seconds since 1970: `[family, type, name, labels, value]`. */
export function samples(now) {
  const out = [];
  const add = (type, family, labels, value, name = family) => {
    const text = Object.entries(labels)
      .map(([label, one]) => `${label}="${escaped(one)}"`)
      .join(',');
    out.push([family, type, name, text, value]);
  };
  /** Swings around a middle, each series in its own time. */
  const gauge = (name, labels, middle, swing = 0.2) => {
    const phase = hash(name + JSON.stringify(labels)) * 6.283;
    add('gauge', name, labels, middle * (1 + swing * Math.sin(now / 400 + phase)));
  };
  const fixed = (name, labels, value = 1) => add('gauge', name, labels, value);
  /** Rises by about `rate` a second. */
  const risen = (key, rate) => {
    const phase = hash(key) * 6.283;
    return rate * ((now % 10_000_000) + 150 * (1 + Math.sin(now / 300 + phase)));
  };
  const counter = (name, labels, rate) => add('counter', name, labels, risen(name + JSON.stringify(labels), rate));
  const histogram = (name, labels, rate, seconds, bounds = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60]) => {
    const count = Math.floor(risen(name + JSON.stringify(labels), rate));
    for (const le of bounds) add('histogram', name, { ...labels, le }, Math.floor(count * (1 - Math.exp(-le / seconds))), `${name}_bucket`);
    add('histogram', name, { ...labels, le: '+Inf' }, count, `${name}_bucket`);
    add('histogram', name, labels, count * seconds, `${name}_sum`);
    add('histogram', name, labels, count, `${name}_count`);
  };
  for (const cluster of CLUSTERS) oneCluster(cluster, { gauge, fixed, counter, histogram, now });
  return out;
}

function oneCluster(cluster, m) {
  const component = (job, instance, rest = {}) => ({ cluster, job, instance, ...rest });
  const ksm = { cluster, job: 'kube-state-metrics', instance: '10.0.0.9:8080' };
  m.fixed('up', ksm);

  for (const [index, node] of NODES.entries()) {
    const machine = component('node-exporter', node);
    m.fixed('up', machine);
    m.fixed('node_uname_info', { ...machine, sysname: 'Linux', nodename: node, release: '6.12.0' });
    m.fixed('node_time_seconds', machine, m.now);
    for (let cpu = 0; cpu < 4; cpu += 1) {
      for (const [mode, share] of [['idle', 0.62], ['user', 0.24], ['system', 0.1], ['iowait', 0.03], ['steal', 0.01]]) m.counter('node_cpu_seconds_total', { ...machine, cpu, mode }, share);
    }
    for (const [name, load] of [['node_load1', 2.1], ['node_load5', 1.8], ['node_load15', 1.6]]) m.gauge(name, machine, load + index);
    for (const [name, gib] of [['MemTotal', 16], ['MemFree', 3], ['MemAvailable', 9 - index * 3], ['Buffers', 0.5], ['Cached', 5], ['Slab', 0.6]]) {
      if (name === 'MemTotal') m.fixed('node_memory_MemTotal_bytes', machine, gib * GIB);
      else m.gauge(`node_memory_${name}_bytes`, machine, gib * GIB, 0.1);
    }
    m.counter('node_vmstat_pgmajfault', machine, 3);
    for (const device of ['nvme0n1', 'sda']) {
      const disk = { ...machine, device };
      m.counter('node_disk_read_bytes_total', disk, 2e6);
      m.counter('node_disk_written_bytes_total', disk, 5e6);
      m.counter('node_disk_io_time_seconds_total', disk, 0.2);
      m.counter('node_disk_io_time_weighted_seconds_total', disk, 0.3);
    }
    for (const [device, fstype, mountpoint, gib] of [['/dev/nvme0n1p1', 'ext4', '/', 80], ['/dev/sda1', 'xfs', '/var/lib', 500]]) {
      const disk = { ...machine, device, fstype, mountpoint };
      m.fixed('node_filesystem_size_bytes', disk, gib * GIB);
      m.gauge('node_filesystem_avail_bytes', disk, gib * GIB * (0.45 - 0.17 * index), 0.02);
      m.fixed('node_filesystem_files', disk, 5e6);
      m.fixed('node_filesystem_files_free', disk, 4e6);
      m.fixed('node_filesystem_readonly', disk, 0);
    }
    for (const device of ['eth0', 'lo']) {
      for (const direction of ['receive', 'transmit']) {
        m.counter(`node_network_${direction}_bytes_total`, { ...machine, device }, 3e6);
        m.counter(`node_network_${direction}_packets_total`, { ...machine, device }, 4000);
        m.counter(`node_network_${direction}_drop_total`, { ...machine, device }, 0.2);
        m.counter(`node_network_${direction}_errs_total`, { ...machine, device }, 0);
      }
    }
    m.counter('node_netstat_Tcp_OutSegs', machine, 3000);
    m.counter('node_netstat_Tcp_RetransSegs', machine, 6);
    m.counter('node_netstat_TcpExt_TCPSynRetrans', machine, 0.5);

    m.fixed('kube_node_info', { ...ksm, node, kubelet_version: 'v1.33.1' });
    m.fixed('kube_node_role', { ...ksm, node, role: index === 0 ? 'control-plane' : 'worker' });
    for (const [resource, amount] of [['cpu', 4], ['memory', 16 * GIB], ['pods', 110]]) {
      m.fixed('kube_node_status_allocatable', { ...ksm, node, resource }, amount * 0.95);
      m.fixed('kube_node_status_capacity', { ...ksm, node, resource }, amount);
    }
    for (const condition of ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']) m.fixed('kube_node_status_condition', { ...ksm, node, condition, status: 'true' }, condition === 'Ready' ? 1 : 0);

    const kubelet = component('kubelet', `${node}:10250`, { node, metrics_path: '/metrics' });
    m.fixed('up', kubelet);
    m.fixed('up', { ...kubelet, metrics_path: '/metrics/cadvisor' });
    m.fixed('kubelet_node_name', kubelet);
    m.gauge('kubelet_running_pods', kubelet, 20);
    m.gauge('kubelet_running_containers', { ...kubelet, container_state: 'running' }, 30);
    m.gauge('volume_manager_total_volumes', { ...kubelet, state: 'actual_state_of_world' }, 40);
    m.counter('kubelet_evictions', { ...kubelet, eviction_signal: 'memory.available' }, 0.001);
    m.fixed('kubelet_node_config_error', kubelet, 0);
    for (const operation_type of ['create_container', 'podsandbox_status']) {
      m.counter('kubelet_runtime_operations_total', { ...kubelet, operation_type }, 2);
      m.counter('kubelet_runtime_operations_errors_total', { ...kubelet, operation_type }, 0.02);
      m.histogram('kubelet_runtime_operations_duration_seconds', { ...kubelet, operation_type }, 2, 0.05);
      m.histogram('kubelet_pod_worker_duration_seconds', { ...kubelet, operation_type }, 1, 0.2);
      m.histogram('kubelet_pod_start_duration_seconds', { ...kubelet, operation_type }, 0.1, 2);
      m.histogram('storage_operation_duration_seconds', { ...kubelet, operation_name: operation_type, volume_plugin: 'csi', status: 'success' }, 0.5, 0.3);
      m.histogram('kubelet_cgroup_manager_duration_seconds', { ...kubelet, operation_type }, 1, 0.01);
    }
    m.histogram('kubelet_pleg_relist_duration_seconds', kubelet, 1, 0.02);
    m.histogram('kubelet_pleg_relist_interval_seconds', kubelet, 1, 1);
    runtime(kubelet);
  }

  function runtime(labels) {
    m.gauge('process_resident_memory_bytes', labels, 90 * 2 ** 20, 0.1);
    m.counter('process_cpu_seconds_total', labels, 0.12);
    m.gauge('go_goroutines', labels, 240);
    m.fixed('process_start_time_seconds', labels, Math.floor(m.now / 86_400) * 86_400);
    for (const code of ['200', '304', '404', '500']) m.counter('rest_client_requests_total', { ...labels, code, method: 'GET', host: '10.0.0.1:443' }, code === '200' ? 12 : 0.1);
    for (const verb of ['GET', 'POST']) m.histogram('rest_client_request_duration_seconds', { ...labels, verb }, 6, 0.03);
  }

  for (const [job, port] of [['kube-controller-manager', 10257], ['kube-scheduler', 10259], ['kube-proxy', 10249]]) {
    const labels = component(job, `${NODES[0]}:${port}`);
    m.fixed('up', labels);
    runtime(labels);
    if (job === 'kube-controller-manager') {
      for (const name of ['deployment', 'replicaset', 'job']) {
        m.counter('workqueue_adds_total', { ...labels, name }, 3);
        m.gauge('workqueue_depth', { ...labels, name }, 2, 0.9);
        m.histogram('workqueue_queue_duration_seconds', { ...labels, name }, 3, 0.02);
      }
    }
    if (job === 'kube-scheduler') for (const name of ['pod_scheduling_sli', 'scheduling_attempt', 'scheduling_algorithm', 'volume_scheduling']) m.histogram(`scheduler_${name}_duration_seconds`, labels, 1, 0.05);
    if (job === 'kube-proxy') for (const name of ['network_programming', 'sync_proxy_rules']) m.histogram(`kubeproxy_${name}_duration_seconds`, labels, 0.5, 0.3);
  }
  const apiserver = component('apiserver', `${NODES[0]}:6443`);
  m.fixed('up', apiserver);
  runtime(apiserver);
  m.fixed('kubernetes_build_info', { ...apiserver, git_version: 'v1.33.1' });
  for (const verb of ['LIST', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    for (const code of ['200', '404', '500']) m.counter('apiserver_request_total', { ...apiserver, verb, code, resource: 'pods' }, code === '200' ? 20 : 0.05);
    for (const scope of ['resource', 'namespace', 'cluster']) m.histogram('apiserver_request_sli_duration_seconds', { ...apiserver, verb, scope, resource: 'pods', subresource: '' }, 6, 0.15);
  }
  m.counter('apiserver_request_terminations_total', apiserver, 0.01);
  for (const name of ['APIServiceRegistrationController', 'crd_finalizer']) {
    m.counter('workqueue_adds_total', { ...apiserver, name }, 1);
    m.gauge('workqueue_depth', { ...apiserver, name }, 1, 0.9);
    m.histogram('workqueue_queue_duration_seconds', { ...apiserver, name }, 1, 0.01);
  }

  for (const namespace of new Set(WORKLOADS.map(([name]) => name))) {
    m.fixed('kube_namespace_status_phase', { ...ksm, namespace, phase: 'Active' });
    for (const [resource, amount] of [['requests.cpu', 8], ['limits.cpu', 16], ['requests.memory', 16 * GIB], ['limits.memory', 32 * GIB]]) {
      m.fixed('kube_resourcequota', { ...ksm, namespace, resourcequota: 'all', resource, type: 'hard' }, amount);
      m.gauge('kube_resourcequota', { ...ksm, namespace, resourcequota: 'all', resource, type: 'used' }, amount * 0.4, 0.05);
    }
  }
  for (const [namespace, kind, workload, pods, cores, gib] of WORKLOADS) oneWorkload(cluster, ksm, m, { namespace, kind, workload, pods, cores, gib });

  const volume = component('kubelet', `${NODES[1]}:10250`, { node: NODES[1], metrics_path: '/metrics', namespace: 'shop', persistentvolumeclaim: 'data-orders-db-0' });
  m.fixed('kubelet_volume_stats_capacity_bytes', volume, 100 * GIB);
  m.gauge('kubelet_volume_stats_available_bytes', volume, 37 * GIB, 0.03);
  m.gauge('kubelet_volume_stats_used_bytes', volume, 63 * GIB, 0.03);
  m.fixed('kubelet_volume_stats_inodes', volume, 6e6);
  m.gauge('kubelet_volume_stats_inodes_used', volume, 1e6, 0.05);
  m.gauge('kubelet_volume_stats_inodes_free', volume, 5e6, 0.01);

  monitoring(cluster, component, m, runtime);
  otherSystems(cluster, component, m);
}

function oneWorkload(cluster, ksm, m, { namespace, kind, workload, pods, cores, gib }) {
  for (let index = 0; index < pods; index += 1) {
    const node = NODES[index % NODES.length];
    const replicaset = `${workload}-6f7c9`;
    const pod = kind === 'Deployment' ? `${replicaset}-${index}x2z` : `${workload}-${index}`;
    const owner = kind === 'Deployment' ? { owner_kind: 'ReplicaSet', owner_name: replicaset } : { owner_kind: kind, owner_name: workload };
    const id = { namespace, pod, uid: `${cluster}-${pod}` };
    m.fixed('kube_pod_info', { ...ksm, ...id, node, pod_ip: `10.1.${index}.7`, created_by_kind: owner.owner_kind, created_by_name: owner.owner_name, host_network: 'false' });
    m.fixed('kube_pod_owner', { ...ksm, ...id, ...owner, owner_is_controller: 'true' });
    if (kind === 'Deployment') m.fixed('kube_replicaset_owner', { ...ksm, namespace, replicaset, owner_kind: 'Deployment', owner_name: workload });
    for (const phase of ['Pending', 'Running', 'Failed', 'Succeeded', 'Unknown']) m.fixed('kube_pod_status_phase', { ...ksm, ...id, phase }, phase === 'Running' ? 1 : 0);
    for (const container of [workload, 'sidecar']) {
      const share = container === workload ? 1 : 0.1;
      const placed = { ...ksm, ...id, container, node };
      for (const [resource, unit, amount] of [['cpu', 'core', cores * 1.4], ['memory', 'byte', gib * GIB * 1.3]]) {
        m.fixed('kube_pod_container_resource_requests', { ...placed, resource, unit }, amount * share);
        m.fixed('kube_pod_container_resource_limits', { ...placed, resource, unit }, amount * share * 1.5);
      }
      m.counter('kube_pod_container_status_restarts_total', { ...ksm, ...id, container }, 0.0002);
      const cadvisor = { cluster, job: 'kubelet', metrics_path: '/metrics/cadvisor', instance: `${node}:10250`, node, namespace, pod, container, image: `registry.example/${container}:1` };
      m.counter('container_cpu_usage_seconds_total', { ...cadvisor, cpu: 'total' }, cores * share);
      m.counter('container_cpu_cfs_periods_total', cadvisor, 10);
      m.counter('container_cpu_cfs_throttled_periods_total', cadvisor, workload === 'checkout' ? 3 : 0.2);
      for (const [name, part] of [['working_set_bytes', 1], ['rss', 0.8], ['cache', 0.3], ['swap', 0]]) m.gauge(`container_memory_${name}`, cadvisor, gib * GIB * share * part, 0.1);
      for (const [name, rate] of [['reads_total', 4], ['writes_total', 9], ['reads_bytes_total', 2e5], ['writes_bytes_total', 6e5]]) m.counter(`container_fs_${name}`, { ...cadvisor, device: '/dev/sda' }, rate * cores);
    }
    const network = { cluster, job: 'kubelet', metrics_path: '/metrics/cadvisor', instance: `${node}:10250`, node, namespace, pod, interface: 'eth0', image: 'pause' };
    for (const direction of ['receive', 'transmit']) {
      m.counter(`container_network_${direction}_bytes_total`, network, 4e5 * cores);
      m.counter(`container_network_${direction}_packets_total`, network, 500 * cores);
      m.counter(`container_network_${direction}_packets_dropped_total`, network, 0.05);
    }
  }
}

function monitoring(cluster, component, m, runtime) {
  const prometheus = component('prometheus-k8s', '10.0.1.5:9090', { namespace: 'monitoring', pod: 'prometheus-k8s-0', container: 'prometheus' });
  m.fixed('up', prometheus);
  runtime(prometheus);
  m.fixed('prometheus_build_info', { ...prometheus, version: '3.5.0' });
  m.gauge('prometheus_tsdb_head_series', prometheus, 250_000, 0.05);
  m.gauge('prometheus_tsdb_head_chunks', prometheus, 900_000, 0.05);
  m.counter('prometheus_tsdb_head_samples_appended_total', { ...prometheus, type: 'float' }, 16_000);
  m.counter('prometheus_tsdb_wal_segment_current', prometheus, 0.01);
  m.counter('prometheus_target_sync_length_seconds_sum', { ...prometheus, scrape_job: 'kubelet' }, 0.01);
  m.gauge('prometheus_sd_discovered_targets', { ...prometheus, config: 'kubelet', name: 'scrape' }, 120, 0.02);
  m.counter('prometheus_target_interval_length_seconds_sum', { ...prometheus, interval: '30s' }, 30);
  m.counter('prometheus_target_interval_length_seconds_count', { ...prometheus, interval: '30s' }, 1);
  for (const name of ['exceeded_body_size_limit', 'exceeded_sample_limit', 'sample_duplicate_timestamp', 'sample_out_of_bounds', 'sample_out_of_order']) m.counter(`prometheus_target_scrapes_${name}_total`, prometheus, 0.01);
  for (const slice of ['inner_eval', 'queue_time', 'result_sort', 'prepare_time']) {
    for (const quantile of ['0.5', '0.9', '0.99']) m.gauge('prometheus_engine_query_duration_seconds', { ...prometheus, slice, quantile }, 0.03, 0.5);
    m.counter('prometheus_engine_query_duration_seconds_count', { ...prometheus, slice }, 8);
    m.counter('prometheus_engine_query_duration_seconds_sum', { ...prometheus, slice }, 0.2);
  }
  const queue = { ...prometheus, remote_name: 'far', url: 'http://far.example/api/v1/write' };
  for (const name of ['samples_in', 'samples', 'succeeded_samples']) m.counter(`prometheus_remote_storage_${name}_total`, name === 'samples_in' ? prometheus : queue, 15_000);
  for (const name of ['samples_failed', 'samples_dropped', 'samples_retried', 'failed_samples', 'dropped_samples', 'retried_samples', 'enqueue_retries']) m.counter(`prometheus_remote_storage_${name}_total`, queue, 0.1);
  for (const name of ['samples_pending', 'pending_samples']) m.gauge(`prometheus_remote_storage_${name}`, queue, 4000, 0.8);
  for (const [name, value] of [['shards', 4], ['shards_desired', 3], ['shards_max', 50], ['shards_min', 1], ['shard_capacity', 10_000]]) m.fixed(`prometheus_remote_storage_${name}`, queue, value);
  m.fixed('prometheus_remote_storage_highest_timestamp_in_seconds', prometheus, m.now);
  for (const name of ['queue_highest_timestamp_seconds', 'queue_highest_sent_timestamp_seconds']) m.fixed(`prometheus_remote_storage_${name}`, queue, m.now - 4);
  m.counter('prometheus_wal_watcher_current_segment', { ...queue, consumer: 'far' }, 0.01);

  const alertmanager = component('alertmanager-main', '10.0.1.6:9093', { namespace: 'monitoring', service: 'alertmanager-main', pod: 'alertmanager-main-0', container: 'alertmanager' });
  m.fixed('up', alertmanager);
  for (const state of ['active', 'suppressed']) m.gauge('alertmanager_alerts', { ...alertmanager, state }, state === 'active' ? 12 : 3, 0.3);
  for (const status of ['firing', 'resolved']) {
    m.counter('alertmanager_alerts_received_total', { ...alertmanager, status, version: 'v2' }, 2);
    m.counter('alertmanager_alerts_invalid_total', { ...alertmanager, status, version: 'v2' }, 0.001);
  }
  for (const integration of ['email', 'slack', 'webhook']) {
    m.counter('alertmanager_notifications_total', { ...alertmanager, integration }, 0.2);
    m.counter('alertmanager_notifications_failed_total', { ...alertmanager, integration }, integration === 'slack' ? 0.02 : 0);
    m.histogram('alertmanager_notification_latency_seconds', { ...alertmanager, integration }, 0.2, 0.4);
  }
  const grafana = component('grafana', '10.0.1.7:3000', { namespace: 'monitoring' });
  m.fixed('up', grafana);
  m.fixed('grafana_build_info', { ...grafana, version: '13.1.3', edition: 'oss' });
  m.fixed('grafana_stat_totals_dashboard', grafana, 33);
  m.gauge('grafana_alerting_result_total', { ...grafana, state: 'alerting' }, 2, 0.5);
  for (const status_code of ['200', '404', '500']) m.histogram('grafana_http_request_duration_seconds', { ...grafana, handler: '/api/dashboards/uid/:uid', method: 'GET', status_code }, status_code === '200' ? 5 : 0.1, 0.06);
}

/** Machines and pods that are not Linux. */
function otherSystems(cluster, component, m) {
  const mac = component('node-exporter', 'mac-1');
  m.fixed('node_uname_info', { ...mac, sysname: 'Darwin', nodename: 'mac-1' });
  const aix = component('node-exporter', 'aix-1');
  m.fixed('node_uname_info', { ...aix, sysname: 'AIX', nodename: 'aix-1' });
  for (const machine of [mac, aix]) {
    for (let cpu = 0; cpu < 2; cpu += 1) for (const [mode, share] of [['idle', 0.7], ['user', 0.2], ['system', 0.1]]) m.counter('node_cpu_seconds_total', { ...machine, cpu, mode }, share);
    for (const name of ['node_load1', 'node_load5', 'node_load15']) m.gauge(name, machine, 1.3);
    for (const [name, gib] of [['total', 16], ['available', 7], ['internal', 8], ['purgeable', 1], ['wired', 2], ['compressed', 1.5]]) m.gauge(`node_memory_${name}_bytes`, machine, gib * GIB, name === 'total' ? 0 : 0.1);
    for (const [name, rate] of [['read_bytes', 1e6], ['written_bytes', 2e6], ['io_time_seconds', 0.1]]) m.counter(`node_disk_${name}_total`, { ...machine, device: 'sda' }, rate);
    m.fixed('node_filesystem_size_bytes', { ...machine, device: 'root', fstype: 'apfs', mountpoint: '/' }, 500 * GIB);
    m.gauge('node_filesystem_avail_bytes', { ...machine, device: 'root', fstype: 'apfs', mountpoint: '/' }, 200 * GIB, 0.02);
    for (const direction of ['receive', 'transmit']) m.counter(`node_network_${direction}_bytes_total`, { ...machine, device: 'en0' }, 1e6);
  }
  const windows = component('kubernetes-windows-exporter', 'win-1:9182');
  m.fixed('up', windows);
  // What the recording rules for Windows would give.
  m.fixed('node:windows_node:sum', { cluster }, 1);
  for (const [name, middle] of [['num_cpu:sum', 8], ['cpu_utilisation:avg1m', 0.3], ['memory_utilisation:ratio', 0.55], ['memory_swap_io_pages:irate', 20], ['disk_utilisation:avg_irate', 0.15], ['net_utilisation:sum_irate', 3e6], ['net_saturation:sum_irate', 0.4], ['filesystem_usage:', 0.6]]) {
    m.gauge(`node:windows_node_${name}`, { cluster, instance: 'win-1:9182', ...(name === 'filesystem_usage:' ? { volume: 'C:' } : {}) }, middle, name === 'num_cpu:sum' ? 0 : 0.2);
  }
  for (const container of ['web', 'worker']) {
    const pod = { cluster, namespace: 'legacy', pod: 'iis-0', container };
    m.fixed('windows_pod_container_available', { ...windows, ...pod });
    m.gauge('namespace_pod_container:windows_container_cpu_usage_seconds_total:sum_rate', pod, 0.4);
    for (const [name, value] of [['cpu_cores_request', 0.5], ['cpu_cores_limit', 1], ['memory_request', GIB], ['memory_limit', 2 * GIB]]) m.fixed(`kube_pod_windows_container_resource_${name}`, pod, value);
    m.gauge('windows_container_private_working_set_usage', { ...windows, ...pod }, 0.7 * GIB);
    for (const direction of ['received', 'transmitted']) m.counter(`windows_container_network_${direction}_bytes_total`, { ...windows, ...pod }, 2e5);
  }
}

/** The page of one moment, as Prometheus's text format. */
export function page(now) {
  const families = new Map();
  for (const [family, type, name, labels, value] of samples(now)) {
    if (!families.has(family)) families.set(family, [`# TYPE ${family} ${type}`]);
    families.get(family).push(`${name}{${labels}} ${value}`);
  }
  return `${[...families.values()].flat().join('\n')}\n`;
}

/** The same over a stretch of time as OpenMetrics, series by series. */
function history(from, to, step) {
  const series = new Map();
  for (let at = from; at <= to; at += step) {
    for (const [, , name, labels, value] of samples(at)) {
      const key = `${name}{${labels}}`;
      if (!series.has(key)) series.set(key, []);
      series.get(key).push(`${key} ${value} ${at}`);
    }
  }
  // Without types, so that names need no endings; grouped by name, as the format wants it.
  const names = [...series.keys()].sort();
  for (const key of names) process.stdout.write(`${series.get(key).join('\n')}\n`);
  process.stdout.write('# EOF\n');
}

export function serveCluster(port = 0) {
  const server = createServer((request, response) => {
    if (!request.url.startsWith('/metrics')) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(page(Date.now() / 1000));
  });
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve({ address: `127.0.0.1:${server.address().port}`, close: () => server.close() })));
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const option = (name, fallback) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? fallback : process.argv[at + 1];
  };
  const hours = Number(option('hours', '0'));
  if (hours > 0) {
    const step = Number(option('step', '15'));
    const to = Math.floor(Date.now() / 1000 / step) * step;
    history(to - hours * 3600, to, step);
  } else console.log(`http://${(await serveCluster(Number(option('port', '0')))).address}/metrics`);
}
