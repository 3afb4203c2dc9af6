//! What a probe found: metrics and a log. Both can be read at any moment, so that a probe that runs out of time
//! leaves what it had found until then.

use std::fmt::{Display, Write};

use base::Clock;
use exposition::TextWriter;
use model::MetricType;

/// Size of a probe's log; what comes after it is left out.
const LOG_MAX_BYTES: usize = 256 * 1024;
/// Size of one value in the log.
const LOG_VALUE_MAX_BYTES: usize = 4 * 1024;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Debug,
    /// What is worth knowing.
    Info,
    /// What may be wrong.
    Warn,
    /// Why a probe failed.
    Error,
    /// Nothing.
    Off,
}

impl Level {
    /// The level of this name, as `--log.prober` takes it.
    pub fn named(name: &str) -> Option<Level> {
        Some(match name {
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warn" => Level::Warn,
            "error" => Level::Error,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error | Level::Off => "ERROR",
        }
    }
}

/// A sample of a probe; all are gauges.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: &'static str,
    /// Names and values of its labels.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// The findings of one probe.
pub struct Report {
    samples: Vec<Sample>,
    log: String,
    level: Level,
    context: String,
    clock: Clock,
}

impl Report {
    /// Nothing found yet. Lines of the log from `level` on are kept.
    pub fn new(clock: &Clock, level: Level) -> Report {
        Report {
            samples: Vec::with_capacity(32),
            log: String::new(),
            level,
            context: String::new(),
            clock: clock.clone(),
        }
    }

    /// Adds `module` and `target` to all further lines of the log.
    pub fn name(&mut self, module: &str, target: &str) {
        if self.level != Level::Off {
            self.context.clear();
            for (key, value) in [("module", module), ("target", target)] {
                push_field(&mut self.context, key, &value);
            }
        }
    }

    /// The clock that probes measure with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sets a metric without labels.
    pub fn set(&mut self, name: &'static str, value: f64) {
        match self.samples.iter_mut().find(|sample| sample.name == name && sample.labels.is_empty()) {
            Some(sample) => sample.value = value,
            None => self.samples.push(Sample { name, labels: Vec::new(), value }),
        }
    }

    /// Sets a metric with labels.
    pub fn set_labelled(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        *self.labelled(name, labels) = value;
    }

    /// Adds to a metric with labels; it begins at 0.
    pub fn add_labelled(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        *self.labelled(name, labels) += value;
    }

    fn labelled(&mut self, name: &'static str, labels: &[(&str, &str)]) -> &mut f64 {
        let is = |sample: &Sample| {
            sample.name == name
                && sample.labels.len() == labels.len()
                && sample.labels.iter().zip(labels).all(|(own, other)| own.0 == other.0 && own.1 == other.1)
        };
        let at = self.samples.iter().position(is).unwrap_or_else(|| {
            let labels = labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            self.samples.push(Sample { name, labels, value: 0.0 });
            self.samples.len() - 1
        });
        &mut self.samples[at].value
    }

    /// Removes all samples of a metric.
    pub fn remove(&mut self, name: &str) {
        self.samples.retain(|sample| sample.name != name);
    }

    /// The value of a metric, of the first of its label sets.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.samples.iter().find(|sample| sample.name == name).map(|sample| sample.value)
    }

    /// All samples, in the order in which they were found.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// All samples, in the order in which they were found.
    pub fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    /// Logs a step.
    pub fn debug(&mut self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.line(Level::Debug, message, fields);
    }

    /// Logs what is worth knowing.
    pub fn info(&mut self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.line(Level::Info, message, fields);
    }

    /// Logs what may be wrong.
    pub fn warn(&mut self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.line(Level::Warn, message, fields);
    }

    /// Logs why the probe fails, and returns `false` for it to be returned.
    pub fn fail(&mut self, message: &str, fields: &[(&str, &dyn Display)]) -> bool {
        self.line(Level::Error, message, fields);
        false
    }

    fn line(&mut self, level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
        if level < self.level || self.log.len() >= LOG_MAX_BYTES {
            return;
        }
        let at = jiff::Timestamp::from_millisecond(self.clock.now_ms()).unwrap_or_default();
        // Writing to a text cannot fail.
        let _ = write!(self.log, "time={at:.3} level={} msg={message:?}{}", level.name(), self.context);
        for (key, value) in fields {
            push_field(&mut self.log, key, value);
        }
        self.log.push('\n');
    }

    /// The lines of the log.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The lines of the log, each with its level.
    pub fn lines(&self) -> impl Iterator<Item = (Level, &str)> {
        self.log.lines().map(|line| {
            let name = line.split_once(" level=").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("");
            let levels = [Level::Debug, Level::Info, Level::Warn];
            (levels.into_iter().find(|level| level.name() == name).unwrap_or(Level::Error), line)
        })
    }

    /// Writes the metrics in the order of their names.
    pub fn write(&self, out: &mut TextWriter<'_>) {
        let mut samples: Vec<&Sample> = self.samples.iter().collect();
        samples.sort_by(|a, b| a.name.cmp(b.name).then_with(|| a.labels.cmp(&b.labels)));
        let mut family = "";
        for sample in samples {
            if sample.name != family {
                family = sample.name;
                out.family(family, MetricType::Gauge, help(family));
            }
            let mut labels: Vec<(&str, &str)> =
                sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            labels.sort_unstable();
            out.sample(family, &labels, sample.value);
        }
    }

    /// The log, the metrics and the module, for a person.
    pub fn describe(&self, module: &str) -> String {
        let mut page = Vec::new();
        self.write(&mut TextWriter::new(&mut page));
        format!(
            "Logs for the probe:\n{}\n\n\nMetrics that would have been returned:\n{}\n\n\nModule configuration:\n{module}",
            self.log,
            String::from_utf8_lossy(&page)
        )
    }
}

fn push_field(out: &mut String, key: &str, value: &dyn Display) {
    let mut text = value.to_string();
    if text.len() > LOG_VALUE_MAX_BYTES {
        text.truncate(text.floor_char_boundary(LOG_VALUE_MAX_BYTES));
        text.push('…');
    }
    let is_plain = !text.is_empty()
        && text.chars().all(|c| !c.is_whitespace() && c != '"' && c != '=' && !c.is_control());
    let _ = match is_plain {
        true => write!(out, " {key}={text}"),
        false => write!(out, " {key}={text:?}"),
    };
}

/// Names of metrics and what they are.
pub(crate) const METRICS: [(&str, &str); 42] = [
    (
        "blackbox_exporter_config_last_reload_success_timestamp_seconds",
        "When the modules in force were read.",
    ),
    (
        "blackbox_exporter_config_last_reload_successful",
        "Whether the modules were read without a mistake the last time.",
    ),
    ("blackbox_module_unknown_total", "Probes that asked for a module that does not exist."),
    ("probe_dns_additional_rrs", "Records in the additional section of the answer."),
    ("probe_dns_answer_rrs", "Records in the answer section of the answer."),
    ("probe_dns_authority_rrs", "Records in the authority section of the answer."),
    ("probe_dns_duration_seconds", "Time that each phase of the DNS query took."),
    ("probe_dns_lookup_time_seconds", "Time until the target's name had an address."),
    ("probe_dns_query_succeeded", "Whether the name server answered."),
    ("probe_dns_serial", "Serial number of the zone."),
    ("probe_duration_seconds", "Time that the probe took."),
    ("probe_expect_info", "What the dialogue's expressions captured."),
    ("probe_failed_due_to_bytes", "Whether the probe failed because other bytes came than expected."),
    ("probe_failed_due_to_cel", "Whether the probe failed because of a CEL expression over the body."),
    ("probe_failed_due_to_regex", "Whether the probe failed because of a regular expression."),
    ("probe_grpc_duration_seconds", "Time that each phase of the gRPC call took."),
    ("probe_grpc_healthcheck_response", "The health that the server answered, 1 for the one that holds."),
    ("probe_grpc_ssl", "Whether the call went over TLS."),
    ("probe_grpc_status_code", "gRPC status of the answer."),
    ("probe_http_content_length", "Length of the body as the answer announced it, -1 if it did not."),
    ("probe_http_duration_seconds", "Time that each phase of the HTTP requests took, redirects included."),
    ("probe_http_last_modified_timestamp_seconds", "The Last-Modified of the answer."),
    ("probe_http_redirects", "Redirects until the last answer."),
    ("probe_http_ssl", "Whether the last answer came over TLS."),
    ("probe_http_status_code", "HTTP status of the last answer."),
    ("probe_http_uncompressed_body_length", "Length of the body after decompression."),
    ("probe_http_version", "HTTP version of the last answer."),
    ("probe_icmp_duration_seconds", "Time that each phase of the echo request took."),
    ("probe_icmp_reply_hop_limit", "Hop limit of the reply, for IPv4 its TTL."),
    ("probe_ip_addr_hash", "A hash of the address, which changes with it."),
    ("probe_ip_protocol", "The IP version of the address: 4 or 6, or 0 if there was none."),
    ("probe_ssl_earliest_cert_expiry", "When the first of the certificates that the server sent expires."),
    ("probe_ssl_last_chain_expiry_timestamp_seconds", "When the last of the chains of trust expires."),
    ("probe_ssl_last_chain_info", "The server's own certificate."),
    ("probe_success", "Whether the probe succeeded."),
    ("probe_timeout_seconds", "Time that the probe was given."),
    ("probe_tls_cipher_info", "The cipher suite that was agreed on."),
    ("probe_tls_version_info", "The version of TLS that was agreed on."),
    ("probe_websocket_connection_upgraded", "Whether the server turned the connection into a WebSocket."),
    ("probe_websocket_duration_seconds", "Time that each phase of the WebSocket probe took."),
    ("probe_websocket_failed_due_to_regex", "Whether the probe failed because of a regular expression."),
    ("probe_websocket_status_code", "HTTP status of the answer to the request for a WebSocket."),
];

/// What a metric is.
pub(crate) fn help(name: &str) -> &'static str {
    METRICS.iter().find(|(known, _)| *known == name).map_or("", |(_, help)| help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_sorted_and_says_what_things_are() {
        let mut report = Report::new(&Clock::manual(0), Level::Info);
        report.set("probe_success", 1.0);
        report.set_labelled("probe_http_duration_seconds", &[("phase", "tls")], 0.5);
        report.add_labelled("probe_http_duration_seconds", &[("phase", "connect")], 0.25);
        report.add_labelled("probe_http_duration_seconds", &[("phase", "connect")], 0.25);
        let mut page = Vec::new();
        report.write(&mut TextWriter::new(&mut page));
        let page = String::from_utf8(page).unwrap();
        assert_eq!(
            page,
            "# HELP probe_http_duration_seconds Time that each phase of the HTTP requests took, redirects included.\n\
             # TYPE probe_http_duration_seconds gauge\nprobe_http_duration_seconds{phase=\"connect\"} 0.5\n\
             probe_http_duration_seconds{phase=\"tls\"} 0.5\n# HELP probe_success Whether the probe succeeded.\n\
             # TYPE probe_success gauge\nprobe_success 1\n"
        );
    }

    #[test]
    fn the_log_keeps_what_its_level_asks_for() {
        let mut report = Report::new(&Clock::manual(1_500), Level::Info);
        report.name("http_2xx", "a b");
        report.debug("unseen", &[]);
        assert!(!report.fail("Error for HTTP request", &[("err", &"no way")]));
        assert_eq!(
            report.log(),
            "time=1970-01-01T00:00:01.500Z level=ERROR msg=\"Error for HTTP request\" module=http_2xx target=\"a b\" err=\"no way\"\n"
        );
    }
}
