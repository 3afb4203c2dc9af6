//! The load as data: a cluster's series and how their values move. The number of a unit and its
//! generation give its labels and every value it will ever have, in every run, so two servers that
//! were fed by two runs hold the same and must answer alike.
//!
//! A cycle is 40 pods of 100 series (30 cadvisor, 21 kube-state-metrics, 11 Go runtime, 6 request
//! counters, 32 of two histograms) and one node of 200 node-exporter series. In the mean a series has
//! eleven labels of about 290 bytes; a container's has 13 of twice that.

/// Pods before a node.
const PODS: u64 = 40;
/// Units of one cycle.
const UNITS: u64 = PODS + 1;
const POD_SERIES: u64 = 100;
const NODE_SERIES: u64 = 200;

/// How a value moves from one step to the next. Rates are per step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Motion {
    Still(f64),
    /// A counter of whole things.
    Count(f64),
    /// A counter of seconds, with so many decimal digits.
    Seconds(f64, i32),
    /// A gauge of bytes in pages of 4 KiB, which moves in half of the steps.
    Pages(f64),
    /// A gauge of few things, which moves by one.
    Few(f64),
    /// A gauge that moves freely.
    Drift(f64),
    /// A cumulative bucket that holds this share of what the histogram saw. The series of one
    /// histogram have one seed, so that their buckets never cross.
    Bucket(f64, f64),
    /// A histogram's sum, with the mean of what it saw.
    Sum(f64, f64),
}

use Motion::{Bucket, Count, Drift, Few, Pages, Seconds, Still, Sum};

impl Motion {
    fn scaled(self, by: f64) -> Motion {
        match self {
            Still(value) => Still(value),
            Count(rate) => Count(rate * by),
            Seconds(rate, digits) => Seconds(rate * by, digits),
            Pages(around) => Pages(around * by),
            Few(around) => Few(around),
            Drift(around) => Drift(around),
            Bucket(rate, share) => Bucket(rate * by, share),
            Sum(rate, mean) => Sum(rate * by, mean),
        }
    }
}

/// One series' values, step by step.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    motion: Motion,
    level: f64,
    state: u64,
}

impl Walk {
    fn new(motion: Motion, seed: u64) -> Walk {
        let mut walk = Walk { motion, level: 0.0, state: seed };
        let start = 0.5 + walk.random();
        walk.level = match motion {
            Still(value) => value,
            Count(rate) | Bucket(rate, _) | Sum(rate, _) => (rate * 1000.0 * start).floor(),
            Seconds(rate, _) => rate * 1000.0 * start,
            Pages(around) => (around * start / 4096.0).floor() * 4096.0,
            Few(around) => (around * start).round(),
            Drift(around) => around * start,
        };
        walk
    }

    /// Uniform in 0..1.
    fn random(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        (scatter(self.state) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The value of the next step.
    pub(crate) fn step(&mut self) -> f64 {
        match self.motion {
            Still(_) => {}
            Count(rate) => self.level += (rate * (0.5 + self.random()) + self.random()).floor(),
            Seconds(rate, digits) => {
                self.level += rate * (0.8 + 0.4 * self.random());
                let unit = 10f64.powi(digits);
                return (self.level * unit).round() / unit;
            }
            Pages(around) => {
                let chance = self.random();
                if chance < 0.5 {
                    let pages = ((chance - 0.25) * around * 0.02 / 4096.0).round();
                    self.level = (self.level + pages * 4096.0).max(4096.0);
                }
            }
            Few(_) => {
                let chance = self.random();
                if chance < 0.2 {
                    self.level += 1.0;
                } else if chance < 0.4 && self.level >= 2.0 {
                    self.level -= 1.0;
                }
            }
            Drift(around) => self.level = (self.level + (self.random() - 0.5) * around * 0.02).max(0.0),
            Bucket(rate, share) => {
                self.level += (rate * (0.5 + self.random())).round();
                return (self.level * share).floor();
            }
            Sum(rate, mean) => {
                self.level += (rate * (0.5 + self.random())).round();
                return self.level * mean;
            }
        }
        self.level
    }
}

/// Scatters a number over all 64 bits (the finaliser of SplitMix64).
pub(crate) fn scatter(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

pub(crate) struct Series {
    /// In the order of their names, `__name__` among them. An empty value is an absent label.
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) walk: Walk,
}

impl Series {
    pub(crate) fn name(&self) -> &str {
        self.labels.iter().find(|(name, _)| *name == "__name__").map_or("", |(_, value)| value)
    }
}

/// Units that hold `series` series; the last may be wanted in part.
pub(crate) fn units(series: u64) -> u64 {
    let cycle = PODS * POD_SERIES + NODE_SERIES;
    series / cycle * UNITS + (series % cycle).div_ceil(POD_SERIES).min(UNITS)
}

/// How many series a unit has.
pub(crate) fn unit_series(unit: u64) -> u64 {
    if is_pod(unit) { POD_SERIES } else { NODE_SERIES }
}

/// Whether the unit is a pod, which can be renamed by a new generation; else it is a node.
pub(crate) fn is_pod(unit: u64) -> bool {
    unit % UNITS < PODS
}

/// All series of a unit. A new generation has new names and new values.
pub(crate) fn unit(unit: u64, generation: u64) -> Vec<Series> {
    let mut builder = Builder { series: Vec::new(), seed: scatter((unit << 20) ^ generation ^ 0x5EED) };
    if is_pod(unit) {
        pod(&mut builder, unit, generation)
    } else {
        node(&mut builder, unit / UNITS)
    }
    builder.series
}

type Pairs<'a> = [(&'static str, &'a str)];

struct Builder {
    series: Vec<Series>,
    seed: u64,
}

impl Builder {
    fn next_seed(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(1);
        scatter(self.seed)
    }

    fn push(&mut self, common: &Pairs<'_>, name: &str, own: &Pairs<'_>, motion: Motion) {
        let seed = self.next_seed();
        self.push_seeded(common, name, own, motion, seed);
    }

    fn push_seeded(&mut self, common: &Pairs<'_>, name: &str, own: &Pairs<'_>, motion: Motion, seed: u64) {
        let mut labels: Vec<(&'static str, String)> = Vec::with_capacity(common.len() + own.len() + 1);
        labels.push(("__name__", name.to_string()));
        labels.extend(common.iter().chain(own).map(|(name, value)| (*name, (*value).to_string())));
        labels.sort_by_key(|(name, _)| *name);
        self.series.push(Series { labels, walk: Walk::new(motion, seed) });
    }
}

const NAMESPACES: [&str; 20] = [
    "default",
    "kube-system",
    "monitoring",
    "ingress",
    "certificates",
    "payments",
    "checkout",
    "search",
    "catalog",
    "identity",
    "billing",
    "shipping",
    "messages",
    "analytics",
    "gateway",
    "models",
    "pipelines",
    "storefront",
    "inventory",
    "staging",
];

const APPS: [&str; 12] = [
    "api-server",
    "worker",
    "web",
    "cache",
    "sessions",
    "orders",
    "profiles",
    "recommender",
    "consumer",
    "scheduler",
    "thumbnails",
    "audit",
];

const CONTAINER: [(&str, Motion); 22] = [
    ("container_cpu_usage_seconds_total", Seconds(1.5, 9)),
    ("container_cpu_user_seconds_total", Seconds(1.0, 9)),
    ("container_cpu_system_seconds_total", Seconds(0.5, 9)),
    ("container_cpu_cfs_periods_total", Count(150.0)),
    ("container_cpu_cfs_throttled_periods_total", Count(0.3)),
    ("container_cpu_cfs_throttled_seconds_total", Seconds(0.02, 9)),
    ("container_memory_working_set_bytes", Pages(3e8)),
    ("container_memory_usage_bytes", Pages(4e8)),
    ("container_memory_rss", Pages(2.5e8)),
    ("container_memory_cache", Pages(5e7)),
    ("container_memory_swap", Still(0.0)),
    ("container_memory_failcnt", Still(0.0)),
    ("container_spec_memory_limit_bytes", Still(1_073_741_824.0)),
    ("container_spec_cpu_quota", Still(200_000.0)),
    ("container_start_time_seconds", Still(1_750_000_000.0)),
    ("container_last_seen", Count(15.0)),
    ("container_processes", Few(4.0)),
    ("container_threads", Few(24.0)),
    ("container_fs_reads_total", Count(2.0)),
    ("container_fs_writes_total", Count(12.0)),
    ("container_fs_reads_bytes_total", Count(8_192.0)),
    ("container_fs_writes_bytes_total", Count(65_536.0)),
];

const POD_NETWORK: [(&str, Motion); 8] = [
    ("container_network_receive_bytes_total", Count(150_000.0)),
    ("container_network_transmit_bytes_total", Count(90_000.0)),
    ("container_network_receive_packets_total", Count(400.0)),
    ("container_network_transmit_packets_total", Count(300.0)),
    ("container_network_receive_errors_total", Still(0.0)),
    ("container_network_transmit_errors_total", Still(0.0)),
    ("container_network_receive_packets_dropped_total", Still(0.0)),
    ("container_network_transmit_packets_dropped_total", Still(0.0)),
];

const POD_CONTAINER_STATE: [(&str, Motion); 5] = [
    ("kube_pod_container_status_ready", Still(1.0)),
    ("kube_pod_container_status_running", Still(1.0)),
    ("kube_pod_container_status_waiting", Still(0.0)),
    ("kube_pod_container_status_terminated", Still(0.0)),
    ("kube_pod_container_status_restarts_total", Count(0.002)),
];

const RUNTIME: [(&str, Motion); 6] = [
    ("go_goroutines", Few(80.0)),
    ("go_memstats_alloc_bytes", Pages(4e7)),
    ("go_memstats_heap_inuse_bytes", Pages(6e7)),
    ("process_cpu_seconds_total", Seconds(1.2, 2)),
    ("process_resident_memory_bytes", Pages(2e8)),
    ("process_open_fds", Few(30.0)),
];

/// Upper bounds of a request histogram and the share of requests at or below each.
const LATENCY: [(&str, f64); 14] = [
    ("0.005", 0.07),
    ("0.01", 0.19),
    ("0.025", 0.40),
    ("0.05", 0.57),
    ("0.075", 0.65),
    ("0.1", 0.73),
    ("0.25", 0.86),
    ("0.5", 0.93),
    ("0.75", 0.955),
    ("1", 0.972),
    ("2.5", 0.989),
    ("5", 0.995),
    ("10", 0.9985),
    ("+Inf", 1.0),
];

fn pod(builder: &mut Builder, unit: u64, generation: u64) {
    let number = unit / UNITS * PODS + unit % UNITS;
    let node_number = unit / UNITS;
    let deployment = number / 10;
    let namespace = NAMESPACES[(deployment % NAMESPACES.len() as u64) as usize];
    let app = APPS[(scatter(deployment + 1) % APPS.len() as u64) as usize];
    let deployment_name = format!("{app}-{deployment}");
    let replicas = format!("{deployment_name}-{}", word(deployment ^ 0xD0, 9));
    let pod = format!("{replicas}-{}", word((number << 20) ^ generation, 7));
    let uid = hex((number << 20) ^ generation ^ 0x1D, 32);
    let uid = [&uid[..8], &uid[8..12], &uid[12..16], &uid[16..20], &uid[20..]].join("-");
    let container_id = hex((number << 20) ^ generation ^ 0xC1D, 64);
    let cgroup = format!(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{container_id}.scope",
        uid.replace('-', "_")
    );
    let image = format!("registry.example.com/{namespace}/{app}:v1.{}.{}", deployment % 30, deployment % 7);
    let node = node_name(node_number);
    let node_ip = node_ip(node_number);
    let kubelet = format!("{node_ip}:10250");
    let pod_ip = format!("10.{}.{}.{}", 128 + number / 62_500, number / 250 % 250, number % 250);
    let instance = format!("{pod_ip}:8080");
    let size = 0.2 + (scatter(number + 7) % 100) as f64 / 50.0;

    let container = [
        ("container", app),
        ("endpoint", "https-metrics"),
        ("id", cgroup.as_str()),
        ("image", &image),
        ("instance", &kubelet),
        ("job", "kubelet"),
        ("metrics_path", "/metrics/cadvisor"),
        ("name", &container_id),
        ("namespace", namespace),
        ("node", &node),
        ("pod", &pod),
        ("service", "kubelet"),
    ];
    for (name, motion) in CONTAINER {
        builder.push(&container, name, &[], motion.scaled(size));
    }
    for (name, motion) in POD_NETWORK {
        builder.push(&container[1..], name, &[("interface", "eth0")], motion.scaled(size));
    }

    let state = [
        ("endpoint", "http"),
        ("instance", "10.128.0.9:8080"),
        ("job", "kube-state-metrics"),
        ("namespace", namespace),
        ("pod", pod.as_str()),
        ("service", "kube-state-metrics"),
        ("uid", &uid),
    ];
    let info = [
        ("created_by_kind", "ReplicaSet"),
        ("created_by_name", replicas.as_str()),
        ("host_ip", &node_ip),
        ("host_network", "false"),
        ("node", &node),
        ("pod_ip", &pod_ip),
        ("priority_class", ""),
    ];
    builder.push(&state, "kube_pod_info", &info, Still(1.0));
    for phase in ["Pending", "Running", "Succeeded", "Failed", "Unknown"] {
        let now = if phase == "Running" { 1.0 } else { 0.0 };
        builder.push(&state, "kube_pod_status_phase", &[("phase", phase)], Still(now));
    }
    for condition in ["true", "false", "unknown"] {
        let now = if condition == "true" { 1.0 } else { 0.0 };
        builder.push(&state, "kube_pod_status_ready", &[("condition", condition)], Still(now));
    }
    let owner =
        [("owner_is_controller", "true"), ("owner_kind", "ReplicaSet"), ("owner_name", replicas.as_str())];
    builder.push(&state, "kube_pod_owner", &owner, Still(1.0));
    for name in ["kube_pod_created", "kube_pod_start_time"] {
        builder.push(&state, name, &[], Still(1_750_000_000.0 + number as f64));
    }
    for (name, motion) in POD_CONTAINER_STATE {
        builder.push(&state, name, &[("container", app)], motion);
    }
    for (kind, cores, bytes) in [("requests", 0.25, 268_435_456.0), ("limits", 2.0, 1_073_741_824.0)] {
        let name = format!("kube_pod_container_resource_{kind}");
        for (resource, unit, amount) in [("cpu", "core", cores), ("memory", "byte", bytes)] {
            let own = [("container", app), ("node", node.as_str()), ("resource", resource), ("unit", unit)];
            builder.push(&state, &name, &own, Still(amount));
        }
    }

    let application = [
        ("container", app),
        ("endpoint", "http-metrics"),
        ("instance", instance.as_str()),
        ("job", app),
        ("namespace", namespace),
        ("pod", &pod),
        ("service", &deployment_name),
    ];
    for (name, motion) in RUNTIME {
        builder.push(&application, name, &[], motion.scaled(size));
    }
    for quantile in ["0", "0.25", "0.5", "0.75", "1"] {
        builder.push(&application, "go_gc_duration_seconds", &[("quantile", quantile)], Drift(0.0003));
    }
    for method in ["GET", "POST"] {
        for (code, rate) in [("200", 120.0), ("404", 3.0), ("500", 0.4)] {
            let own = [("code", code), ("handler", "/api/v1/items"), ("method", method)];
            builder.push(&application, "http_requests_total", &own, Count(rate).scaled(size));
        }
    }
    // Some pods are slower than others; the 99th percentile lies within the finite buckets for all.
    let slow = 0.5 + (scatter(number + 13) % 100) as f64 / 200.0;
    for handler in ["/api/v1/items", "/api/v1/orders"] {
        let seed = builder.next_seed();
        let rate = 60.0 * size;
        let own = [("handler", handler), ("method", "GET")];
        for (bound, share) in LATENCY {
            let share = 1.0 - (1.0 - share) * slow;
            let own = [("handler", handler), ("le", bound), ("method", "GET")];
            let name = "http_request_duration_seconds_bucket";
            builder.push_seeded(&application, name, &own, Bucket(rate, share), seed);
        }
        builder.push_seeded(
            &application,
            "http_request_duration_seconds_sum",
            &own,
            Sum(rate, 0.12345),
            seed,
        );
        builder.push_seeded(
            &application,
            "http_request_duration_seconds_count",
            &own,
            Bucket(rate, 1.0),
            seed,
        );
    }
}

const CPU_MODES: [(&str, f64); 8] = [
    ("idle", 12.0),
    ("user", 2.0),
    ("system", 0.7),
    ("iowait", 0.1),
    ("irq", 0.0),
    ("softirq", 0.05),
    ("nice", 0.01),
    ("steal", 0.02),
];

const MEMORY: [&str; 20] = [
    "MemTotal",
    "SwapTotal",
    "MemFree",
    "MemAvailable",
    "Buffers",
    "Cached",
    "SwapFree",
    "Active",
    "Inactive",
    "Slab",
    "SReclaimable",
    "SUnreclaim",
    "Dirty",
    "Writeback",
    "AnonPages",
    "Mapped",
    "Shmem",
    "PageTables",
    "Committed_AS",
    "KernelStack",
];

const DEVICE: [(&str, Motion); 8] = [
    ("receive_bytes_total", Count(3e6)),
    ("transmit_bytes_total", Count(2e6)),
    ("receive_packets_total", Count(5e3)),
    ("transmit_packets_total", Count(4e3)),
    ("receive_errs_total", Still(0.0)),
    ("transmit_errs_total", Still(0.0)),
    ("receive_drop_total", Still(0.0)),
    ("transmit_drop_total", Still(0.0)),
];

const FILE_SYSTEM: [(&str, Motion); 5] = [
    ("size_bytes", Still(1.07e11)),
    ("avail_bytes", Pages(5e10)),
    ("files", Still(6.5e6)),
    ("files_free", Few(6e6)),
    ("readonly", Still(0.0)),
];

fn node(builder: &mut Builder, number: u64) {
    let node = node_name(number);
    let instance = format!("{}:9100", node_ip(number));
    let pod = format!("node-exporter-{}", word(number, 7));
    let common = [
        ("container", "node-exporter"),
        ("endpoint", "http-metrics"),
        ("instance", instance.as_str()),
        ("job", "node-exporter"),
        ("namespace", "monitoring"),
        ("node", &node),
        ("pod", &pod),
        ("service", "node-exporter"),
    ];
    for cpu in 0..16 {
        let cpu = cpu.to_string();
        for (mode, rate) in CPU_MODES {
            let own = [("cpu", cpu.as_str()), ("mode", mode)];
            builder.push(&common, "node_cpu_seconds_total", &own, Seconds(rate, 2));
        }
    }
    for what in MEMORY {
        let motion = if what.ends_with("Total") { Still(68_719_476_736.0) } else { Pages(4e9) };
        builder.push(&common, &format!("node_memory_{what}_bytes"), &[], motion);
    }
    for device in ["eth0", "cni0", "lo", "flannel.1"] {
        for (what, motion) in DEVICE {
            builder.push(&common, &format!("node_network_{what}"), &[("device", device)], motion);
        }
    }
    for (mountpoint, device, fstype) in [
        ("/", "/dev/nvme0n1p1", "ext4"),
        ("/var/lib/kubelet", "/dev/nvme1n1", "ext4"),
        ("/boot", "/dev/nvme0n1p2", "ext4"),
        ("/run", "tmpfs", "tmpfs"),
    ] {
        let own = [("device", device), ("fstype", fstype), ("mountpoint", mountpoint)];
        for (what, motion) in FILE_SYSTEM {
            builder.push(&common, &format!("node_filesystem_{what}"), &own, motion);
        }
    }
}

fn node_ip(number: u64) -> String {
    format!("10.{}.{}.{}", number / 65_536, number / 256 % 256, number % 256)
}

fn node_name(number: u64) -> String {
    format!("ip-{}.eu-west-1.compute.internal", node_ip(number).replace('.', "-"))
}

fn hex(seed: u64, digits: usize) -> String {
    let mut text = String::with_capacity(digits + 16);
    for part in 0.. {
        text.push_str(&format!("{:016x}", scatter(scatter(seed).wrapping_add(part))));
        if text.len() >= digits {
            break;
        }
    }
    text.truncate(digits);
    text
}

/// Letters and digits as in the names of pods.
fn word(seed: u64, letters: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rest = scatter(scatter(seed));
    let mut text = String::with_capacity(letters);
    for _ in 0..letters {
        text.push(char::from(ALPHABET[(rest % ALPHABET.len() as u64) as usize]));
        rest /= ALPHABET.len() as u64;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn key(series: &Series) -> String {
        format!("{:?}", series.labels)
    }

    #[test]
    fn the_same_unit_has_the_same_labels_and_values_in_every_run() {
        for number in [0, 39, 40, 41, 8_000] {
            let (mut one, mut two) = (unit(number, 3), unit(number, 3));
            assert_eq!(one.len() as u64, unit_series(number));
            for (a, b) in one.iter_mut().zip(&mut two) {
                assert_eq!(a.labels, b.labels);
                for _ in 0..50 {
                    assert_eq!(a.walk.step().to_bits(), b.walk.step().to_bits());
                }
            }
        }
    }

    #[test]
    fn no_two_series_have_the_same_labels_and_labels_are_sorted() {
        let mut seen = HashSet::new();
        for number in 0..3 * UNITS {
            for series in unit(number, 0) {
                assert!(series.labels.windows(2).all(|pair| pair[0].0 < pair[1].0), "{}", key(&series));
                assert!(seen.insert(key(&series)), "twice: {}", key(&series));
            }
        }
        let all = seen.len();
        for series in unit(0, 1) {
            seen.insert(key(&series));
        }
        assert_eq!(seen.len(), all + 100, "a new generation renames every series of a pod");
    }

    #[test]
    fn units_hold_as_many_series_as_asked() {
        for wanted in [1, 100, 101, 4_000, 4_001, 4_200, 4_201, 100_000, 1_000_000] {
            let held = |count| (0..count).map(unit_series).sum::<u64>();
            let count = units(wanted);
            assert!(held(count) >= wanted, "{wanted}");
            assert!(held(count - 1) < wanted, "{wanted}");
        }
    }

    #[test]
    fn counters_never_fall_and_buckets_never_cross() {
        let mut series = unit(5, 0);
        let mut last: Vec<f64> = vec![0.0; series.len()];
        for _ in 0..200 {
            let mut bucket = (String::new(), 0.0);
            for (index, one) in series.iter_mut().enumerate() {
                let name = one.name().to_string();
                let value = one.walk.step();
                if name.ends_with("_total") || name.ends_with("_bucket") {
                    assert!(value >= last[index], "{name} fell");
                }
                if name.ends_with("_bucket") {
                    let handler = one.labels.iter().find(|(name, _)| *name == "handler").unwrap().1.clone();
                    assert!(bucket.0 != handler || value >= bucket.1, "buckets of {handler} cross");
                    bucket = (handler, value);
                }
                last[index] = value;
            }
        }
    }

    #[test]
    fn a_series_has_about_eleven_labels_of_about_300_bytes() {
        let all: Vec<Series> = (0..UNITS).flat_map(|number| unit(number, 0)).collect();
        let labels: usize = all.iter().map(|series| series.labels.len()).sum();
        let bytes: usize =
            all.iter().flat_map(|series| &series.labels).map(|(name, value)| name.len() + value.len()).sum();
        let (labels, bytes) = (labels as f64 / all.len() as f64, bytes as f64 / all.len() as f64);
        assert!((9.5..12.5).contains(&labels), "{labels} labels");
        assert!((250.0..340.0).contains(&bytes), "{bytes} bytes");
    }
}
