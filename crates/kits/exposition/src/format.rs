//! Which format a body is in, and how a scraper asks for one.

use std::fmt;

use crate::quote::quote;

/// The format of a body. The versions of each need no distinction when reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus's text, 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text, 0.0.1 and 1.0.0.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily` messages, each with its length in front.
    Protobuf,
}

impl Format {
    /// The media type without parameters.
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain",
            Format::OpenMetrics => "application/openmetrics-text",
            Format::Protobuf => "application/vnd.google.protobuf",
        }
    }

    /// The format that a `Content-Type` names, with a warning if the fallback had to be taken; an
    /// error if there is none.
    pub fn from_content_type(
        header: &str,
        fallback: Option<Format>,
    ) -> Result<(Format, Option<String>), String> {
        let header_quoted = quote(header.as_bytes());
        let problem = if header.is_empty() {
            let subject = "non-compliant scrape target sending blank Content-Type";
            (
                format!("{subject} and no fallback_scrape_protocol specified for target"),
                subject.to_string(),
                String::new(),
            )
        } else {
            match media_type(header) {
                Ok(media) => {
                    let known = [Format::Text, Format::OpenMetrics, Format::Protobuf];
                    if let Some(format) = known.into_iter().find(|f| f.media_type() == media) {
                        return Ok((format, None));
                    }
                    let subject = format!("received unsupported Content-Type {header_quoted}");
                    (
                        format!("{subject} and no fallback_scrape_protocol specified for target"),
                        subject,
                        String::new(),
                    )
                }
                Err(why) => (
                    format!(
                        "cannot parse Content-Type {header_quoted} and no fallback_scrape_protocol for target\n{why}"
                    ),
                    format!("could not parse received Content-Type {header_quoted}"),
                    format!("\n{why}"),
                ),
            }
        };
        let (refusal, subject, detail) = problem;
        match fallback {
            None => Err(refusal),
            Some(format) => {
                let name = quote(format.media_type().as_bytes());
                Ok((format, Some(format!("{subject}, using fallback_scrape_protocol {name}{detail}"))))
            }
        }
    }
}

/// The media type of a header in lower case, as Go's `mime.ParseMediaType` takes it apart; the error
/// is Go's.
fn media_type(header: &str) -> Result<String, &'static str> {
    let (media, mut rest) = match header.find(';') {
        Some(at) => header.split_at(at),
        None => (header, ""),
    };
    let media = media.trim().to_ascii_lowercase();
    check_media_type(&media)?;
    let mut names: Vec<String> = Vec::new();
    while !rest.is_empty() {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let Some((name, after)) = parameter(rest) else {
            // A lone semicolon at the end is accepted.
            if rest.trim() == ";" {
                break;
            }
            return Err("mime: invalid media parameter");
        };
        if names.contains(&name) {
            return Err("mime: duplicate parameter name");
        }
        names.push(name);
        rest = after;
    }
    Ok(media)
}

fn is_token(c: char) -> bool {
    c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c)
}

fn token(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

fn check_media_type(media: &str) -> Result<(), &'static str> {
    let (first, rest) = token(media);
    if first.is_empty() {
        return Err("mime: no media type");
    }
    if rest.is_empty() {
        return Ok(());
    }
    let Some(rest) = rest.strip_prefix('/') else { return Err("mime: expected slash after first token") };
    let (second, rest) = token(rest);
    if second.is_empty() {
        return Err("mime: expected token after slash");
    }
    if rest.is_empty() { Ok(()) } else { Err("mime: unexpected content after media subtype") }
}

/// Takes `; name=value` off the front: the name in lower case, and what follows.
fn parameter(text: &str) -> Option<(String, &str)> {
    let (name, rest) = token(text.strip_prefix(';')?.trim_start());
    if name.is_empty() {
        return None;
    }
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let rest = match rest.strip_prefix('"') {
        None => {
            let (value, rest) = token(rest);
            if value.is_empty() {
                return None;
            }
            rest
        }
        Some(quoted) => {
            let mut escaped = false;
            let end = quoted.find(|c| {
                let is_end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                is_end
            })?;
            quoted.get(end + 1..)?
        }
    };
    Some((name.to_ascii_lowercase(), rest))
}

/// A format with its version, as `scrape_protocols` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// Protobuf.
    PrometheusProto,
    /// Text 0.0.4.
    PrometheusText0_0_4,
    /// Text 1.0.0.
    PrometheusText1_0_0,
    /// OpenMetrics 0.0.1.
    OpenMetricsText0_0_1,
    /// OpenMetrics 1.0.0.
    OpenMetricsText1_0_0,
}

impl ScrapeProtocol {
    /// All of them.
    pub const ALL: [ScrapeProtocol; 5] = [
        ScrapeProtocol::PrometheusProto,
        ScrapeProtocol::PrometheusText0_0_4,
        ScrapeProtocol::PrometheusText1_0_0,
        ScrapeProtocol::OpenMetricsText0_0_1,
        ScrapeProtocol::OpenMetricsText1_0_0,
    ];

    /// What a scraper asks for unless told otherwise, best first.
    pub const DEFAULT: [ScrapeProtocol; 4] = [
        ScrapeProtocol::OpenMetricsText1_0_0,
        ScrapeProtocol::OpenMetricsText0_0_1,
        ScrapeProtocol::PrometheusText1_0_0,
        ScrapeProtocol::PrometheusText0_0_4,
    ];

    /// The name in a configuration file.
    pub const fn as_str(self) -> &'static str {
        match self {
            ScrapeProtocol::PrometheusProto => "PrometheusProto",
            ScrapeProtocol::PrometheusText0_0_4 => "PrometheusText0.0.4",
            ScrapeProtocol::PrometheusText1_0_0 => "PrometheusText1.0.0",
            ScrapeProtocol::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            ScrapeProtocol::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
        }
    }

    /// The protocol of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == name)
    }

    /// Its format.
    pub const fn format(self) -> Format {
        match self {
            ScrapeProtocol::PrometheusProto => Format::Protobuf,
            ScrapeProtocol::PrometheusText0_0_4 | ScrapeProtocol::PrometheusText1_0_0 => Format::Text,
            ScrapeProtocol::OpenMetricsText0_0_1 | ScrapeProtocol::OpenMetricsText1_0_0 => {
                Format::OpenMetrics
            }
        }
    }

    /// The media type that asks for it.
    pub const fn media_type(self) -> &'static str {
        match self {
            ScrapeProtocol::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            ScrapeProtocol::PrometheusText0_0_4 => "text/plain;version=0.0.4",
            ScrapeProtocol::PrometheusText1_0_0 => "text/plain;version=1.0.0",
            ScrapeProtocol::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            ScrapeProtocol::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
        }
    }
}

impl fmt::Display for ScrapeProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How names beyond `[a-zA-Z0-9_:]` shall be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EscapingScheme {
    /// As they are.
    #[default]
    AllowUtf8,
    /// Other characters become `_`.
    Underscores,
    /// Dots become `_dot_`, others `__`.
    Dots,
    /// Others become their code points.
    Values,
}

impl EscapingScheme {
    /// The name in headers and configuration files.
    pub const fn as_str(self) -> &'static str {
        match self {
            EscapingScheme::AllowUtf8 => "allow-utf-8",
            EscapingScheme::Underscores => "underscores",
            EscapingScheme::Dots => "dots",
            EscapingScheme::Values => "values",
        }
    }
}

/// The `Accept` header that asks for these protocols, best first, and for anything else last.
pub fn accept_header(protocols: &[ScrapeProtocol], escaping: EscapingScheme) -> String {
    let mut header = String::new();
    let mut weight = ScrapeProtocol::ALL.len() + 1;
    for protocol in protocols.iter().take(ScrapeProtocol::ALL.len()) {
        header.push_str(protocol.media_type());
        if matches!(protocol, ScrapeProtocol::PrometheusText1_0_0 | ScrapeProtocol::OpenMetricsText1_0_0) {
            header.push_str(";escaping=");
            header.push_str(escaping.as_str());
        }
        header.push_str(&format!(";q=0.{weight},"));
        weight -= 1;
    }
    header.push_str(&format!("*/*;q=0.{weight}"));
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_is_the_one_prometheus_sends() {
        assert_eq!(
            accept_header(&ScrapeProtocol::DEFAULT, EscapingScheme::AllowUtf8),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
    }

    #[test]
    fn the_media_type_alone_decides() {
        for (header, format) in [
            ("text/plain; version=0.0.4; charset=utf-8", Format::Text),
            ("text/plain;", Format::Text),
            ("Application/OpenMetrics-Text; version=1.0.0", Format::OpenMetrics),
            ("application/vnd.google.protobuf; proto=\"a;b\"; encoding=delimited", Format::Protobuf),
        ] {
            assert_eq!(Format::from_content_type(header, None), Ok((format, None)), "{header}");
        }
    }

    #[test]
    fn without_a_fallback_an_unknown_type_is_refused() {
        for (header, error) in [
            (
                "",
                "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target",
            ),
            (
                "application/json",
                "received unsupported Content-Type \"application/json\" and no fallback_scrape_protocol specified for target",
            ),
            (
                "text/plain/extra",
                "cannot parse Content-Type \"text/plain/extra\" and no fallback_scrape_protocol for target\nmime: unexpected content after media subtype",
            ),
            (
                "text/plain; a=b; a=c",
                "cannot parse Content-Type \"text/plain; a=b; a=c\" and no fallback_scrape_protocol for target\nmime: duplicate parameter name",
            ),
        ] {
            assert_eq!(Format::from_content_type(header, None).unwrap_err(), error);
        }
    }

    #[test]
    fn a_fallback_is_taken_with_a_warning() {
        assert_eq!(
            Format::from_content_type("", Some(Format::Text)),
            Ok((
                Format::Text,
                Some(
                    "non-compliant scrape target sending blank Content-Type, using fallback_scrape_protocol \"text/plain\""
                        .to_string()
                )
            ))
        );
    }
}
