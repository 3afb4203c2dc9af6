//! The DNS prober: one question, and checks of what the answer holds.

use std::net::{IpAddr, SocketAddr};

use gocompat::re2::Regex;
use net::dns::{Message, Record, Value, exchange_stream, exchange_udp, message, names, random_u16};

use crate::config::{DnsProbe, RecordChecks};
use crate::dial::{self, Dialer};
use crate::report::Report;

const DURATION: &str = "probe_dns_duration_seconds";

/// Asks the name server at `host` or `host:port`.
pub(crate) async fn probe(dialer: &Dialer, probe: &DnsProbe, target: &str, report: &mut Report) -> bool {
    for phase in ["resolve", "connect", "request"] {
        report.set_labelled(DURATION, &[("phase", phase)], 0.0);
    }
    for name in [
        "probe_dns_answer_rrs",
        "probe_dns_authority_rrs",
        "probe_dns_additional_rrs",
        "probe_dns_query_succeeded",
    ] {
        report.set(name, 0.0);
    }
    let is_tcp = match probe.transport.as_str() {
        "udp" => false,
        "tcp" => true,
        other => {
            return report.fail(
                "Configuration error: Expected transport protocol udp or tcp",
                &[("protocol", &other)],
            );
        }
    };
    let (host, port) = match dial::split_host_port(target) {
        Some((host, port)) => (host, port),
        None => (target.trim_matches(['[', ']']), if probe.over_tls { 853 } else { 53 }),
    };
    let Some((address, seconds)) = dialer.choose(probe.ip, host, report).await else {
        return report.fail("Error resolving address", &[("err", &"the target has no address")]);
    };
    report.set_labelled(DURATION, &[("phase", "resolve")], seconds);
    if probe.over_tls && !is_tcp {
        return report.fail(
            "Configuration error: Expected transport protocol tcp for DoT",
            &[("protocol", &probe.transport)],
        );
    }
    let Ok(source) = dial::source_address(&probe.source_ip, report) else { return false };
    let id = random_u16();
    let question = match message::question(id, &probe.name, probe.record_type, probe.class, probe.recursion) {
        Ok(question) => question,
        Err(error) => return report.fail("Error while sending a DNS query", &[("err", &error)]),
    };
    let server = SocketAddr::new(address, port);
    report.debug(
        "Making DNS query",
        &[
            ("target", &server),
            ("query", &probe.name),
            ("type", &names::type_name(probe.record_type)),
            ("class", &names::class_name(probe.class)),
        ],
    );
    let message = match exchange(dialer, probe, server, source, host, &question, report).await {
        Ok(message) => message,
        Err(error) => return report.fail("Error while sending a DNS query", &[("err", &error)]),
    };
    for (name, section) in ["probe_dns_answer_rrs", "probe_dns_authority_rrs", "probe_dns_additional_rrs"]
        .into_iter()
        .zip(&message.sections)
    {
        report.set(name, section.len() as f64);
    }
    report.set("probe_dns_query_succeeded", 1.0);
    if probe.record_type == names::TYPE_SOA {
        let serial = |record: &Record| match record.value {
            Value::Serial(serial) => Some(f64::from(serial)),
            _ => None,
        };
        let serial = message.sections[0].iter().filter_map(serial).next_back();
        report.set("probe_dns_serial", serial.unwrap_or(0.0));
    }
    if !valid_rcode(message.rcode, &probe.valid_rcodes, report) {
        return false;
    }
    for ((name, records), checks) in
        ["Answer", "Authority", "Additional"].iter().zip(&message.sections).zip(&probe.sections)
    {
        report.debug(&format!("Validating {name} RRs"), &[]);
        if !valid_records(records, checks, report) {
            return report.fail(&format!("{name} RRs validation failed"), &[]);
        }
    }
    true
}

async fn exchange(
    dialer: &Dialer,
    probe: &DnsProbe,
    server: SocketAddr,
    source: Option<IpAddr>,
    host: &str,
    question: &[u8],
    report: &mut Report,
) -> Result<Message, String> {
    let text = |error: std::io::Error| error.to_string();
    let started = dialer.clock.mark();
    if probe.transport == "udp" {
        let message = exchange_udp(server, source, question).await.map_err(text)?;
        report.set_labelled(DURATION, &[("phase", "request")], started.elapsed_seconds());
        return Ok(message);
    }
    let mut stream: Box<dyn dial::Stream> = Box::new(dial::connect(server, source).await.map_err(text)?);
    if probe.over_tls {
        let client = dialer.tls(&probe.tls_config, &[])?;
        stream = Box::new(client.connect(stream, host).await.map_err(text)?);
    }
    report.set_labelled(DURATION, &[("phase", "connect")], started.elapsed_seconds());
    let asked = dialer.clock.mark();
    let message = exchange_stream(&mut stream, question).await.map_err(text)?;
    report.set_labelled(DURATION, &[("phase", "request")], asked.elapsed_seconds());
    Ok(message)
}

/// Whether the response code is among those that are well: NOERROR if none is named.
fn valid_rcode(rcode: u16, valid: &[String], report: &mut Report) -> bool {
    let mut numbers = Vec::new();
    for name in valid {
        match names::rcode(name) {
            Some(number) => numbers.push(number),
            None => return report.fail("Invalid rcode", &[("rcode", name)]),
        }
    }
    if valid.is_empty() {
        numbers.push(0);
    }
    let name = names::rcode_name(rcode);
    if numbers.contains(&rcode) {
        report.debug("Rcode is valid", &[("rcode", &rcode), ("string_rcode", &name)]);
        return true;
    }
    report.fail(
        "Rcode is not one of the valid rcodes",
        &[("rcode", &rcode), ("string_rcode", &name), ("valid_rcodes", &format!("{numbers:?}"))],
    )
}

fn valid_records(records: &[Record], checks: &RecordChecks, report: &mut Report) -> bool {
    let mut compile = |patterns: &[String]| -> Option<Vec<Regex>> {
        let mut compiled = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            match Regex::new(pattern) {
                Ok(regex) => compiled.push(regex),
                Err(error) => {
                    report.fail("Error matching regexp", &[("regexp", pattern), ("err", &error)]);
                    return None;
                }
            }
        }
        Some(compiled)
    };
    let (Some(none), Some(all), Some(every), Some(some)) = (
        compile(&checks.fail_if_matches),
        compile(&checks.fail_if_all_match),
        compile(&checks.fail_if_not_matches),
        compile(&checks.fail_if_none_matches),
    ) else {
        return false;
    };
    if records.is_empty() && !every.is_empty() {
        return report.fail("fail_if_not_matches_regexp specified but no RRs returned", &[]);
    }
    if records.is_empty() && !some.is_empty() {
        return report.fail("fail_if_none_matches_regexp specified but no RRs returned", &[]);
    }
    let (mut any_match, mut all_match) = (false, true);
    for record in records {
        let line = record.line();
        report.debug("Validating RR", &[("rr", &line)]);
        if let Some(regex) = none.iter().find(|regex| regex.is_match(&line)) {
            return report
                .fail("At least one RR matched regexp", &[("regexp", &regex.as_str()), ("rr", &line)]);
        }
        all_match &= all.iter().all(|regex| regex.is_match(&line));
        if let Some(regex) = every.iter().find(|regex| !regex.is_match(&line)) {
            return report
                .fail("At least one RR did not match regexp", &[("regexp", &regex.as_str()), ("rr", &line)]);
        }
        any_match |= some.iter().any(|regex| regex.is_match(&line));
    }
    // Upstream's option means the opposite of its name, and files rely on what it does.
    if !all.is_empty() && !all_match {
        return report.fail("Not all RRs matched regexp", &[]);
    }
    if !some.is_empty() && !any_match {
        return report.fail("None of the RRs did matched any regexp", &[]);
    }
    true
}
