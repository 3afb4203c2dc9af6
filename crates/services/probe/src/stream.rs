//! TCP and Unix sockets, and the dialogue that may follow.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::config::{QueryResponse, StreamProbe};
use crate::dial::{self, Dialer, Stream, TlsDetails, report_tls};
use crate::report::Report;

/// Length of a line.
const LINE_MAX_BYTES: usize = 64 * 1024;

const DETAILS: TlsDetails = TlsDetails { chain_expiry: true, cipher: false };

/// Probes `host:port`. `hostname` is what the server must prove if the module does not say.
pub(crate) async fn tcp(
    dialer: &Dialer,
    probe: &StreamProbe,
    target: &str,
    hostname: &str,
    report: &mut Report,
) -> bool {
    let Some((host, port)) = dial::split_host_port(target) else {
        return report.fail("Error splitting target address and port", &[("target", &target)]);
    };
    let Some((address, _)) = dialer.choose(probe.ip, host, report).await else {
        return report.fail("Error dialing TCP", &[("err", &"the target has no address")]);
    };
    let Ok(source) = dial::source_address(&probe.source_ip, report) else { return false };
    let server_name = if hostname.is_empty() { host } else { hostname };
    report.debug(if probe.tls { "Dialing TCP with TLS" } else { "Dialing TCP without TLS" }, &[]);
    let connected = async {
        let stream = dial::connect((address, port).into(), source).await?;
        start(dialer, probe, stream, server_name).await
    };
    match connected.await {
        Ok(dialogue) => {
            report.debug("Successfully dialed", &[]);
            dialogue.run(dialer, probe, server_name, report).await
        }
        Err(error) => report.fail("Error dialing TCP", &[("err", &error)]),
    }
}

/// Probes the socket at a path.
pub(crate) async fn unix(dialer: &Dialer, probe: &StreamProbe, target: &str, report: &mut Report) -> bool {
    report.debug(if probe.tls { "Dialing unix with TLS" } else { "Dialing unix without TLS" }, &[]);
    // A path proves nothing: it takes a name from the module, or no proof at all.
    let server_name = if probe.tls_config.insecure_skip_verify { "localhost" } else { target };
    let connected = async {
        let stream = UnixStream::connect(target).await.map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => io::Error::new(
                error.kind(),
                format!("permission denied connecting to unix socket {target}: {error}"),
            ),
            _ => error,
        })?;
        start(dialer, probe, stream, server_name).await
    };
    match connected.await {
        Ok(dialogue) => {
            report.debug("Successfully dialed", &[]);
            dialogue.run(dialer, probe, server_name, report).await
        }
        Err(error) => report.fail("Error dialing unix", &[("err", &error)]),
    }
}

async fn start(
    dialer: &Dialer,
    probe: &StreamProbe,
    stream: impl Stream + 'static,
    server_name: &str,
) -> io::Result<Dialogue> {
    if !probe.tls {
        return Ok(Dialogue { stream: Box::new(stream), read: Vec::new(), session: None });
    }
    let client = dialer.tls(&probe.tls_config, &[]).map_err(io::Error::other)?;
    let stream = client.connect(stream, server_name).await?;
    let session = stream.session().clone();
    Ok(Dialogue { stream: Box::new(stream), read: Vec::new(), session: Some(session) })
}

/// A connection and what was read from it ahead.
struct Dialogue {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
    session: Option<std::sync::Arc<net::dial::TlsSession>>,
}

impl Dialogue {
    async fn run(
        mut self,
        dialer: &Dialer,
        probe: &StreamProbe,
        server_name: &str,
        report: &mut Report,
    ) -> bool {
        report.set("probe_failed_due_to_regex", 0.0);
        report.set("probe_failed_due_to_bytes", 0.0);
        if let Some(session) = &self.session {
            report_tls(report, session, DETAILS);
        }
        for (at, step) in probe.query_response.iter().enumerate() {
            report.debug("Processing query response entry", &[("entry_number", &at)]);
            let mut send = step.send.clone();
            if step.expect.is_some() {
                match self.expect(step, report).await {
                    Some(expanded) => send = expanded,
                    None => return false,
                }
            }
            if !step.expect_bytes.is_empty() && !self.expect_bytes(&step.expect_bytes, report).await {
                return false;
            }
            if !send.is_empty() {
                report.debug("Sending line", &[("line", &String::from_utf8_lossy(&send))]);
                send.push(b'\n');
                let sent = async {
                    self.stream.write_all(&send).await?;
                    self.stream.flush().await
                };
                if let Err(error) = sent.await {
                    return report.fail("Failed to send", &[("err", &error)]);
                }
            }
            if step.starttls {
                let client = match dialer.tls(&probe.tls_config, &[]) {
                    Ok(client) => client,
                    Err(error) => {
                        return report.fail("Failed to create TLS configuration", &[("err", &error)]);
                    }
                };
                match client.connect(self.stream, server_name).await {
                    Ok(stream) => {
                        report.debug("TLS Handshake (client) succeeded.", &[]);
                        report_tls(report, stream.session(), DETAILS);
                        // What came before the handshake was never proven to be the server's.
                        self = Dialogue { stream: Box::new(stream), read: Vec::new(), session: None };
                    }
                    Err(error) => return report.fail("TLS Handshake (client) failed", &[("err", &error)]),
                }
            }
        }
        true
    }

    /// Reads lines until one matches; yields what is to be sent then.
    async fn expect(&mut self, step: &QueryResponse, report: &mut Report) -> Option<Vec<u8>> {
        let regexp = step.expect.as_ref()?;
        let mut last = String::new();
        loop {
            let line = match self.line().await {
                Ok(Some(line)) => line,
                Ok(None) => {
                    report.set("probe_failed_due_to_regex", 1.0);
                    report.fail("Regexp did not match", &[("regexp", &regexp.as_str()), ("line", &last)]);
                    return None;
                }
                Err(error) => {
                    report.fail("Error reading from connection", &[("err", &error)]);
                    return None;
                }
            };
            report.debug("Read line", &[("line", &line)]);
            let Some(captures) = regexp.captures(&line) else {
                last = line;
                continue;
            };
            report.debug("Regexp matched", &[("regexp", &regexp.as_str()), ("line", &line)]);
            report.set("probe_failed_due_to_regex", 0.0);
            if !step.labels.is_empty() {
                let values: Vec<String> = step
                    .labels
                    .iter()
                    .map(|(_, template)| {
                        let mut value = String::new();
                        regexp.expand(template, &captures, &mut value);
                        value
                    })
                    .collect();
                let labels: Vec<(&str, &str)> = step
                    .labels
                    .iter()
                    .zip(&values)
                    .map(|((name, _), value)| (name.as_str(), value.as_str()))
                    .collect();
                report.set_labelled("probe_expect_info", &labels, 1.0);
            }
            return Some(match std::str::from_utf8(&step.send) {
                Ok(template) => {
                    let mut text = String::new();
                    regexp.expand(template, &captures, &mut text);
                    text.into_bytes()
                }
                Err(_) => step.send.clone(),
            });
        }
    }

    async fn expect_bytes(&mut self, expected: &[u8], report: &mut Report) -> bool {
        while self.read.len() < expected.len() {
            match self.fill().await {
                Ok(0) => {
                    return report.fail(
                        "Read less data than expected",
                        &[("expected", &expected.escape_ascii()), ("bytes", &self.read.escape_ascii())],
                    );
                }
                Ok(_) => {}
                Err(error) => return report.fail("Error reading from connection", &[("err", &error)]),
            }
        }
        let rest = self.read.split_off(expected.len());
        let data = std::mem::replace(&mut self.read, rest);
        let is_equal = data == expected;
        report.set("probe_failed_due_to_bytes", if is_equal { 0.0 } else { 1.0 });
        if is_equal {
            report.debug("Bytes matched", &[("bytes", &data.escape_ascii())]);
            return true;
        }
        report.fail(
            "Bytes did not match",
            &[("expected", &expected.escape_ascii()), ("bytes", &data.escape_ascii())],
        )
    }

    /// The next line without its end; `None` at the end of the stream.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.read[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            searched = self.read.len();
            if searched >= LINE_MAX_BYTES {
                return Err(io::Error::other(format!("a line is longer than {LINE_MAX_BYTES} bytes")));
            }
            if self.fill().await? == 0 {
                let rest = std::mem::take(&mut self.read);
                let is_end = rest.is_empty();
                return Ok((!is_end).then(|| String::from_utf8_lossy(&rest).into_owned()));
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk).await?;
        self.read.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}
