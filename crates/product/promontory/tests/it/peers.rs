//! Beside the programs it stands in for: the same questions, the same answers.

use std::process::Command;
use std::sync::Arc;

use model::FloatHistogram;
use model::histogram::Span;
use model::storage::{MetricWriter, WriteBatch};
use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{SOON, Series, Server, file, now_ms, peer, seconds, until};

/// Debian's Prometheus on a free port.
pub(crate) fn prometheus(dir: &std::path::Path, config: &str) -> Option<Server> {
    let program = peer("prometheus")?;
    let mut command = Command::new(program);
    command.current_dir(dir).args([
        &format!("--config.file={config}"),
        "--storage.tsdb.path=prometheus-data",
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-remote-write-receiver",
        "--log.level=info",
    ]);
    let server = Server::listening(&mut command);
    until("Prometheus is ready", SOON, || (server.get("/-/ready").status == 200).then_some(()));
    Some(server)
}

/// Brings an answer into an order that does not depend on who gave it, and rounds away the last
/// digits, which depend on the order of additions.
fn normal(data: &Value) -> Value {
    match data {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), normal(value))).collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normal).collect();
            // Series and label names; samples and sorted results have an order of their own.
            if items.iter().all(|item| item.get("metric").is_some() || item.get("__name__").is_some()) {
                items.sort_by_key(Value::to_string);
            }
            items.into()
        }
        Value::String(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => format!("{number:.9e}").into(),
            _ => text.clone().into(),
        },
        other => other.clone(),
    }
}

/// Asks both, and compares.
#[track_caller]
fn compare(ours: &Server, theirs: &Server, path: &str, parameters: &[(&str, &str)], may_be_empty: bool) {
    let (ours, theirs) = (ours.api(path, parameters), theirs.api(path, parameters));
    let result = theirs.get("result").unwrap_or(&theirs);
    assert!(
        may_be_empty || result.as_array().is_none_or(|found| !found.is_empty()),
        "{path} {parameters:?} asks nothing"
    );
    assert_eq!(normal(&ours), normal(&theirs), "{path} {parameters:?}");
}

/// Samples lie every 15 s and off the full second, so that no window begins or ends on one: the
/// peer's windows include their start, ours do not.
const INTERVAL_MS: i64 = 15_000;
const SAMPLES: i64 = 200;

fn well_known_series(start_ms: i64) -> Vec<Series> {
    let series = |name: &str, labels: &[(&str, &str)], value: &dyn Fn(i64) -> f64| {
        let samples = (0..SAMPLES).map(|at| (start_ms + at * INTERVAL_MS, value(at))).collect();
        Series::new(name, labels, samples)
    };
    let mut all = Vec::new();
    for (j, job) in ["api", "web"].iter().enumerate() {
        for (i, instance) in ["a:80", "b:80", "c:80"].iter().enumerate() {
            for (c, code) in ["200", "500"].iter().enumerate() {
                let labels = [("job", *job), ("instance", *instance), ("code", *code)];
                let slope = (1 + j * 7 + i * 3 + c) as f64 * 1.37;
                // A counter that begins anew, at another time in each series.
                let reset = 60 + (j * 40 + i * 20 + c * 10) as i64;
                all.push(series("http_requests_total", &labels, &|at| {
                    1000.0 + slope * (if at < reset { at } else { at - reset } as f64)
                }));
            }
            let labels = [("job", *job), ("instance", *instance)];
            let phase = (j * 3 + i) as f64;
            all.push(series("memory_bytes", &labels, &|at| 5e8 + 1e8 * (at as f64 / 17.0 + phase).sin()));
            all.push(series(
                "build_info",
                &[&labels[..], &[("version", ["1.0", "1.1", "2.0"][i])]].concat(),
                &|_| 1.0,
            ));
        }
        let mut below = 0.0;
        for (b, bound) in ["0.1", "0.5", "1", "5", "+Inf"].iter().enumerate() {
            below += (b + j + 1) as f64;
            let slope = below;
            all.push(series("latency_seconds_bucket", &[("job", *job), ("le", *bound)], &|at| {
                slope * at as f64
            }));
        }
        all.push(series("latency_seconds_count", &[("job", *job)], &|at| below * at as f64));
    }
    // One that has gaps, and one with values that are not numbers.
    let gaps = (0..SAMPLES).filter(|at| at / 30 % 2 == 0);
    all.push(Series::new("sparse", &[], gaps.map(|at| (start_ms + at * INTERVAL_MS, at as f64)).collect()));
    all.push(series("odd", &[], &|at| [1.0, f64::INFINITY, f64::NAN, -0.0, 2.5][at as usize % 5]));
    all
}

/// Subqueries look at whole multiples of their step; an offset keeps their windows off these.
const QUERIES: &[&str] = &[
    "http_requests_total",
    "http_requests_total{job=~\"a.*\",code!=\"500\"}",
    "{__name__=~\"http.*|memory.*\",instance=\"b:80\"}",
    "rate(http_requests_total[5m])",
    "irate(http_requests_total[2m])",
    "increase(http_requests_total[10m])",
    "sum by (job) (rate(http_requests_total[5m]))",
    "sum without (instance, code) (rate(http_requests_total[7m]))",
    "sum(rate(http_requests_total{code=\"500\"}[5m])) by (job) / sum(rate(http_requests_total[5m])) by (job)",
    "histogram_quantile(0.9, sum by (job, le) (rate(latency_seconds_bucket[5m])))",
    "histogram_quantile(0.5, latency_seconds_bucket)",
    "avg_over_time(memory_bytes[5m])",
    "max_over_time(memory_bytes[5m]) - min_over_time(memory_bytes[5m])",
    "quantile_over_time(0.75, memory_bytes[10m])",
    "stddev_over_time(memory_bytes[10m])",
    "deriv(memory_bytes[10m])",
    "predict_linear(memory_bytes[10m], 3600)",
    "delta(memory_bytes[5m])",
    "resets(http_requests_total[20m])",
    "changes(http_requests_total[3m])",
    "count_over_time(sparse[10m])",
    "absent_over_time(sparse[1m])",
    "last_over_time(sparse[4m])",
    "sparse",
    "odd",
    "odd > 0",
    "topk(2, memory_bytes)",
    "bottomk by (job) (1, memory_bytes)",
    "quantile(0.5, memory_bytes)",
    "stdvar by (job) (memory_bytes)",
    "count_values(\"version\", build_info)",
    "memory_bytes * on (instance, job) group_left (version) build_info",
    "memory_bytes > bool 5e8",
    "memory_bytes > 5e8 and on (job, instance) build_info{version=\"1.0\"}",
    "memory_bytes unless build_info",
    "memory_bytes{job=\"api\"} or memory_bytes{job=\"web\"} > 5e8",
    "label_replace(build_info, \"host\", \"$1\", \"instance\", \"(.*):.*\")",
    "label_join(build_info, \"key\", \"-\", \"job\", \"version\")",
    "sum_over_time(memory_bytes[10m:1m] offset 13s)",
    "max_over_time(rate(http_requests_total[2m])[10m:30s] offset 13s)",
    "rate(http_requests_total[5m] offset 10m)",
    "clamp(memory_bytes, 4.5e8, 5.5e8)",
    "round(memory_bytes / 1024 / 1024, 0.5)",
    "abs(ln(memory_bytes)) ^ 2 % 7",
    "sgn(deriv(memory_bytes[5m]))",
    "absent(nothing{job=\"x\"})",
    "scalar(sum(build_info)) + vector(2)",
    "group(memory_bytes) by (instance)",
    "hour() + minute(timestamp(sparse))",
    "sort_desc(memory_bytes)",
];

#[test]
fn what_was_written_to_both_is_answered_alike() {
    let dir = tempdir().unwrap();
    file(dir.path(), "empty.yml", "");
    let Some(theirs) = prometheus(dir.path(), "empty.yml") else { return };
    let ours =
        Server::prometheus(dir.path(), &["--config.file=empty.yml", "--web.enable-remote-write-receiver"]);
    let end_ms = now_ms() / 60_000 * 60_000 - 120_000;
    let start_ms = end_ms - SAMPLES * INTERVAL_MS + 7_321;
    let series = well_known_series(start_ms);
    ours.write(&series);
    theirs.write(&series);

    let (start, end) = (seconds(end_ms - 40 * 60_000), seconds(end_ms));
    for query in QUERIES {
        for time_ms in [end_ms, end_ms - 17 * 60_000] {
            compare(&ours, &theirs, "query", &[("query", query), ("time", &seconds(time_ms))], true);
        }
        for step in ["15", "60", "127"] {
            // Ranges sort by labels.
            let parameters = [("query", *query), ("start", &start), ("end", &end), ("step", step)];
            compare(&ours, &theirs, "query_range", &parameters, false);
        }
    }
    let range = [("start", start.as_str()), ("end", end.as_str())];
    for (path, selectors) in [
        ("labels", &[][..]),
        ("labels", &["memory_bytes"]),
        ("label/__name__/values", &[]),
        ("label/instance/values", &["http_requests_total{job=\"api\"}"]),
        ("label/le/values", &[]),
        ("series", &["build_info"]),
        ("series", &["{job=~\".+\",code=\"500\"}", "sparse"]),
    ] {
        let selectors: Vec<_> = selectors.iter().map(|selector| ("match[]", *selector)).collect();
        compare(&ours, &theirs, path, &[&range[..], &selectors].concat(), false);
    }
    println!("{} queries at 2 instants and over 3 ranges", QUERIES.len());
}

#[test]
fn both_see_the_same_of_the_same_node_exporter() {
    let dir = tempdir().unwrap();
    let Some(exporter) = peer("prometheus-node-exporter") else { return };
    // Other tests mount file systems meanwhile, in their temporary folders.
    let excluded =
        format!("^/(dev|proc|sys|run|{})($|/)", std::env::temp_dir().display().to_string().trim_matches('/'));
    let exporter = Server::listening(Command::new(exporter).args([
        "--web.listen-address=127.0.0.1:0",
        &format!("--collector.filesystem.mount-points-exclude={excluded}"),
    ]));
    let config = format!(
        "global: {{scrape_interval: 1s, external_labels: {{site: here}}}}\n\
         scrape_configs:\n\
         - job_name: exporter\n  \
           static_configs: [{{targets: ['{}'], labels: {{rack: r1}}}}]\n  \
           metric_relabel_configs: [{{source_labels: [__name__], regex: 'go_.*', action: drop}}]\n",
        exporter.address
    );
    file(dir.path(), "prometheus.yml", &config);
    let Some(theirs) = prometheus(dir.path(), "prometheus.yml") else { return };
    let ours = Server::prometheus(dir.path(), &[]);
    for server in [&ours, &theirs] {
        until("five scrapes", SOON, || {
            let count = server.value("count_over_time(up{job=\"exporter\"}[5m])");
            (count >= Some(5.0) && server.value("sum(up)") == Some(1.0)).then_some(())
        });
    }
    // Questions whose answer does not depend on the moment of the scrape.
    let queries = [
        "up",
        "count(node_cpu_seconds_total)",
        "count by (mode) (node_cpu_seconds_total)",
        "group by (cpu, mode) (node_cpu_seconds_total)",
        "node_memory_MemTotal_bytes",
        "node_memory_SwapTotal_bytes / 1024",
        "node_uname_info",
        "node_boot_time_seconds",
        "node_filesystem_size_bytes",
        "sum by (device) (node_filesystem_size_bytes)",
        "count by (fstype) (node_filesystem_size_bytes)",
        "max(node_filesystem_size_bytes)",
        "max(node_filesystem_files) by (mountpoint)",
        "node_exporter_build_info",
        "count by (collector) (node_scrape_collector_success)",
        "node_network_mtu_bytes",
        "sum(node_network_up) without (instance)",
        "node_network_info",
        "label_replace(node_uname_info, \"kernel\", \"$1\", \"release\", \"([0-9]+).*\")",
        "node_filesystem_size_bytes * on (instance) group_left (nodename) node_uname_info",
        "node_filefd_maximum",
        "node_entropy_pool_size_bits",
        "process_start_time_seconds{job=\"exporter\"}",
        "process_max_fds{job=\"exporter\"}",
        "changes(node_memory_MemTotal_bytes[1m])",
        "min_over_time(node_memory_MemTotal_bytes[1m])",
        "resets(node_boot_time_seconds[1m])",
        "absent(node_memory_MemTotal_bytes)",
        "absent(go_goroutines)",
        "count({__name__=~\"node_.+\"}) by (__name__)",
    ];
    for query in queries {
        // Of what the two own: series whose set is not settled at one moment is asked at the next.
        let time = seconds(now_ms());
        compare(&ours, &theirs, "query", &[("query", query), ("time", &time)], true);
    }
    for query in ["up", "node_memory_MemTotal_bytes", "count(node_cpu_seconds_total) by (mode)"] {
        let (start, end) = (seconds(now_ms() - 2_000), seconds(now_ms()));
        let parameters =
            [("query", query), ("start", start.as_str()), ("end", end.as_str()), ("step", "0.5")];
        compare(&ours, &theirs, "query_range", &parameters, false);
    }
    for path in ["labels", "label/__name__/values", "label/mode/values", "label/device/values"] {
        compare(&ours, &theirs, path, &[], false);
    }
    compare(&ours, &theirs, "series", &[("match[]", "node_uname_info"), ("match[]", "up")], false);
    // Both tell the same story of their target.
    let [ours, theirs] = [&ours, &theirs].map(|server| {
        let targets = server.api("targets", &[]);
        let target = &targets["activeTargets"][0];
        [
            "discoveredLabels",
            "labels",
            "scrapePool",
            "scrapeUrl",
            "health",
            "lastError",
            "scrapeInterval",
            "scrapeTimeout",
        ]
        .map(|field| (field, target[field].clone()))
    });
    assert_eq!(ours, theirs);
}

#[test]
fn the_blocks_it_writes_are_read_by_promtool() {
    let Some(promtool) = peer("promtool") else { return };
    let dir = tempdir().unwrap();
    file(dir.path(), "prometheus.yml", "");
    let server = Server::prometheus(dir.path(), &["--web.enable-remote-write-receiver"]);
    // Older than the head keeps, so that the first maintenance, after a minute, cuts blocks.
    let start_ms = now_ms() / 7_200_000 * 7_200_000 - 8 * 3_600_000;
    let times = (0..6 * 60).map(|minute| start_ms + minute * 60_000);
    let samples: Vec<(i64, f64)> =
        times.enumerate().map(|(at, time_ms)| (time_ms, at as f64 * 0.1)).collect();
    let names = ["a", "b", "c"];
    let series: Vec<_> =
        names.iter().map(|name| Series::new("old_value", &[("name", *name)], samples.clone())).collect();
    server.write(&series);
    until("a block is written", 3 * SOON, || (server.metric("promontory_tsdb_blocks") >= 1.0).then_some(()));
    // Nothing is lost on the way from the head into blocks.
    let end_ms = samples.last().unwrap().0;
    let served = |server: &Server| server.samples("old_value{name=\"b\"}[1d]", end_ms)[0].1.clone();
    assert_eq!(served(&server), samples);
    server.terminate();

    let promtool = |args: &[&str]| {
        let output = Command::new(&promtool).current_dir(dir.path()).args(args).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{args:?}: {stdout}{stderr}");
        stdout
    };
    let list = promtool(&["tsdb", "list", "data"]);
    println!("{list}");
    let blocks: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(!blocks.is_empty(), "{list}");
    for block in &blocks {
        let analysis = promtool(&["tsdb", "analyze", "data", block]);
        assert!(analysis.contains("\nSeries: 3\n") && analysis.contains("old_value"), "{analysis}");
    }
    let dump = promtool(&["tsdb", "dump", "data"]);
    let of_b: Vec<(i64, f64)> = dump
        .lines()
        .filter(|line| line.contains("name=\"b\""))
        .map(|line| {
            let mut fields = line.rsplit(' ');
            let (time, value) = (fields.next().unwrap(), fields.next().unwrap());
            (time.parse().unwrap(), value.parse().unwrap())
        })
        .collect();
    // What is still in the head is in a log that promtool does not know.
    let in_blocks = of_b.len();
    assert!(in_blocks >= 2 * 60, "{in_blocks} samples are in blocks");
    assert_eq!(of_b, samples[..in_blocks]);

    // And a start later everything is there, from blocks and log together.
    let server = Server::prometheus(dir.path(), &[]);
    assert_eq!(served(&server), samples);
}

#[test]
fn it_goes_on_where_prometheus_was_killed() {
    let dir = tempdir().unwrap();
    file(dir.path(), "empty.yml", "");
    let Some(mut theirs) = prometheus(dir.path(), "empty.yml") else { return };
    let end_ms = now_ms() / 60_000 * 60_000 - 120_000;
    theirs.write(&well_known_series(end_ms - SAMPLES * INTERVAL_MS + 7_321));
    let selectors = ["http_requests_total[6h]", "memory_bytes[6h]", "build_info[6h]", "sparse[6h]"];
    let all = |server: &Server, selector: &str| {
        let mut series = server.samples(selector, end_ms);
        series.sort_by_key(|(labels, _)| labels.to_string());
        series
    };
    let before: Vec<_> = selectors.iter().map(|selector| all(&theirs, selector)).collect();
    assert!(before.iter().all(|series| !series.is_empty()));
    theirs.program.kill();

    // Twice: the second start finds everything in our own log.
    for _ in 0..2 {
        let ours = Server::prometheus(
            dir.path(),
            &["--config.file=empty.yml", "--storage.tsdb.path=prometheus-data"],
        );
        for (selector, before) in selectors.iter().zip(&before) {
            assert_eq!(&all(&ours, selector), before, "{selector}");
        }
        ours.terminate();
    }
    // Prometheus can go back to what it left.
    assert!(dir.path().join("prometheus-data/wal/00000000").is_file());
}

#[test]
fn prometheus_reads_the_native_histograms_that_are_in_our_blocks() {
    let dir = tempdir().unwrap();
    let start_ms = now_ms() / 7_200_000 * 7_200_000 - 4 * 7_200_000;
    let (db, _) = tsdb::Db::open(tsdb::Options::new(dir.path().join("ours"))).unwrap();
    let labels =
        ["whole", "fractions"].map(|kind| model::Labels::from_pairs([("__name__", "h"), ("kind", kind)]));
    let mut refs = Vec::new();
    db.resolve(&labels, &mut refs).unwrap();
    let mut counts = [0.0; 3];
    for step in 0..300i64 {
        counts.iter_mut().zip(1..).for_each(|(count, by)| *count += (step % 7 * by) as f64);
        if step == 200 {
            counts = [1.0; 3];
        }
        let histogram = |scale: f64| {
            let [zero, a, b] = counts.map(|count| count * scale);
            Arc::new(FloatHistogram {
                schema: 1,
                zero_threshold: 1e-128,
                zero_count: zero,
                count: zero + a + b,
                sum: 1.25 * (a + b),
                positive_spans: vec![Span { offset: 1, length: 1 }, Span { offset: 2, length: 1 }],
                positive_buckets: vec![a, b],
                ..FloatHistogram::default()
            })
        };
        let mut batch = WriteBatch::default();
        for (series, scale) in refs.iter().zip([1.0, 0.5]) {
            batch.histograms.push((*series, start_ms + step * INTERVAL_MS, histogram(scale)));
        }
        assert_eq!(db.append(&batch).unwrap().accepted, 2);
    }
    db.export(&dir.path().join("prometheus-data"), &|_, _| ()).unwrap();
    db.close().unwrap();
    drop(db);
    file(dir.path(), "empty.yml", "");
    let Some(theirs) = prometheus(dir.path(), "empty.yml") else { return };
    let ours = Server::machine(
        dir.path(),
        &[
            "--config",
            file(dir.path(), "o.yml", "machine: {watch: false, alerts: false}\ndata_dir: ours\n")
                .to_str()
                .unwrap(),
        ],
    );
    let times = [
        ("start", seconds(start_ms + 60_000)),
        ("end", seconds(start_ms + 300 * INTERVAL_MS)),
        ("step", "71".into()),
    ];
    for query in [
        "histogram_count(h)",
        "histogram_sum(h)",
        // At the bound of a bucket: versions differ in what they assume within one.
        "histogram_fraction(0, 2, h)",
        "histogram_sum(sum(h))",
    ] {
        let mut parameters = vec![("query", query)];
        parameters.extend(times.iter().map(|(name, value)| (*name, value.as_str())));
        compare(&ours, &theirs, "query_range", &parameters, false);
    }
}
