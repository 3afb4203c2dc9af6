//! `promtool query analyze`: how many buckets histograms use.

use std::collections::{BTreeMap, BTreeSet};

use base::Clock;
use clap::Args;
use gocompat::float;
use serde_json::{Map, Value};

use super::query::{label_set, metric};
use super::server::{HttpFlags, Server};
use super::{parse_duration_ms, parse_time_ms};

const HEADER: &str = "\
Bucket stats for each histogram series over time
------------------------------------------------
First the min, avg, and max number of populated buckets, followed by the total
number of buckets (only if different from the max number of populated buckets
which is typical for classic but not native histograms).";

const FOOTER: &str = "\
Aggregated bucket stats
-----------------------
Each line shows min/avg/max over the series above.";

/// What to look at.
#[derive(Args)]
pub(super) struct Analyze {
    /// Prometheus server to query
    #[arg(long)]
    server: String,
    /// Type of metric: histogram
    #[arg(long = "type")]
    metric_type: String,
    /// Time frame to analyze
    #[arg(long, default_value = "1h")]
    duration: String,
    /// Query time (RFC3339 or Unix timestamp), defaults to now
    #[arg(long)]
    time: Option<String>,
    /// Series selector; can be specified multiple times
    #[arg(long = "match", required = true, value_name = "SELECTOR")]
    selectors: Vec<String>,
}

/// Populated buckets of one histogram over time.
struct Buckets {
    min: usize,
    average: f64,
    max: usize,
    /// Buckets that were there at any time.
    total: usize,
}

impl std::fmt::Display for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{:.3}/{}", self.min, self.average, self.max)?;
        if self.max != self.total {
            write!(f, "/{}", self.total)?;
        }
        Ok(())
    }
}

/// Smallest, mean and largest of a number over histograms.
#[derive(Default, PartialEq)]
struct Spread {
    count: usize,
    min: usize,
    sum: usize,
    max: usize,
}

impl Spread {
    fn add(&mut self, number: usize) {
        self.min = if self.count == 0 { number } else { self.min.min(number) };
        self.max = self.max.max(number);
        self.count += 1;
        self.sum += number;
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{:.3}/{}", self.min, self.sum as f64 / self.count.max(1) as f64, self.max)
    }
}

#[derive(Default)]
struct Together {
    min: Spread,
    average: Spread,
    max: Spread,
    total: Spread,
}

impl Together {
    fn add(&mut self, buckets: &Buckets) {
        self.min.add(buckets.min);
        self.average.add(buckets.average as usize);
        self.max.add(buckets.max);
        self.total.add(buckets.total);
    }

    fn print(&self, kind: &str) {
        if self.min.count == 0 {
            return;
        }
        println!(
            "\n{kind} histogram series ({} in total):\n- min populated: {}\n- avg populated: {}\n- max populated: {}{}",
            self.min.count,
            self.min,
            self.average,
            self.max,
            if self.max == self.total { String::new() } else { format!("\n- total: {}", self.total) }
        );
    }
}

impl Analyze {
    pub(super) fn run(&self, http: &HttpFlags) -> Result<(), String> {
        if self.metric_type != "histogram" {
            return Err(format!("analyze type is {}, must be 'histogram'", self.metric_type));
        }
        let duration_ms =
            parse_duration_ms(&self.duration).map_err(|error| format!("--duration: {error}"))?;
        let at_ms = match &self.time {
            Some(text) => {
                parse_time_ms(text).map_err(|error| format!("error parsing time '{text}': {error}"))?
            }
            None => Clock::system().now_ms(),
        };
        let server = Server::new(&self.server, http)?;
        println!("{HEADER}\n");
        let (mut native, mut classic) = (Together::default(), Together::default());
        for selector in &self.selectors {
            let form = [
                ("query", format!("{selector}[{duration_ms}ms]")),
                ("time", format!("{:.3}", at_ms as f64 / 1000.0)),
            ];
            let data = server.ask("/api/v1/query", &form, true)?;
            if data["resultType"] != "matrix" {
                return Err("query of buckets resulted in non-Matrix".into());
            }
            let mut by_histogram: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
            for series in data["result"].as_array().into_iter().flatten() {
                let labels = series["metric"].as_object();
                if series["values"].as_array().is_none_or(Vec::is_empty) {
                    if let Some(buckets) = of_native(series) {
                        println!("- {} (native): {buckets}", metric(labels));
                        native.add(&buckets);
                    }
                } else if let Some(name) = classic_name(labels) {
                    by_histogram.entry(name).or_default().push(series);
                }
            }
            for (name, series) in by_histogram {
                if let Some(buckets) = of_classic(series)? {
                    println!("- {name} (classic): {buckets}");
                    classic.add(&buckets);
                }
            }
        }
        println!("\n{FOOTER}");
        native.print("Native");
        classic.print("Classic");
        Ok(())
    }
}

/// The name of the histogram that a series is a bucket of.
fn classic_name(labels: Option<&Map<String, Value>>) -> Option<String> {
    let mut labels = labels?.clone();
    labels.remove("le")?;
    let name = labels.remove(model::METRIC_NAME)?;
    let name = name.as_str().filter(|name| name.ends_with("_bucket"))?;
    Some(format!("{name}{}", label_set(Some(&labels))))
}

fn over(populated: &[usize], total: usize) -> Option<Buckets> {
    Some(Buckets {
        min: *populated.iter().min()?,
        average: populated.iter().sum::<usize>() as f64 / populated.len() as f64,
        max: *populated.iter().max()?,
        total,
    })
}

fn of_native(series: &Value) -> Option<Buckets> {
    let histograms = series["histograms"].as_array().filter(|points| points.len() > 1)?;
    let mut all: BTreeSet<(String, String, String)> = BTreeSet::new();
    let mut populated = Vec::with_capacity(histograms.len());
    for point in histograms {
        let buckets = point[1]["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
        populated.push(buckets.len());
        all.extend(buckets.iter().map(|b| (b[0].to_string(), b[1].to_string(), b[2].to_string())));
    }
    over(&populated, all.len())
}

fn of_classic(mut series: Vec<&Value>) -> Result<Option<Buckets>, String> {
    let number = |value: &Value| value.as_str().and_then(|text| float::parse(text).ok()).unwrap_or(0.0);
    series.sort_by(|a, b| number(&a["metric"]["le"]).total_cmp(&number(&b["metric"]["le"])));
    let times = series.first().and_then(|first| first["values"].as_array()).map_or(0, Vec::len);
    if times < 2 {
        return Ok(None);
    }
    let mut populated = Vec::with_capacity(times);
    for at in 0..times {
        let mut count = 0;
        let mut before: Option<(&Value, f64)> = None;
        for bucket in &series {
            // Where a bucket has fewer points, the rest counts as empty.
            let Some(point) = bucket["values"].get(at) else { break };
            if before.is_some_and(|(time, _)| *time != point[0]) {
                return Err("matrix result is not time aligned".into());
            }
            let value = number(&point[1]);
            count += usize::from((value - before.map_or(0.0, |(_, value)| value)).trunc() != 0.0);
            before = Some((&point[0], value));
        }
        populated.push(count);
    }
    Ok(over(&populated, series.len()))
}
