//! The section `tracing`.

use config::http_client::{PathBase, TlsConfig, headers, tls};
use config::{Node, Result};
use spans::Settings;

/// Decodes `tracing`.
pub(super) fn decode(node: &Node, base: &PathBase) -> Result<Settings> {
    let mut fields = node.fields("tracing.plain")?;
    let settings = Settings {
        over_http: fields.or("client_type", false, |node| match node.string()?.as_str() {
            "http" => Ok(true),
            "grpc" => Ok(false),
            other => {
                Err(node
                    .error(format!("expected tracing client type to be to be http or grpc, but got {other}")))
            }
        })?,
        endpoint: fields.or("endpoint", String::new(), Node::string)?,
        sampling_fraction: fields.or("sampling_fraction", 0.0, Node::float)?,
        insecure: fields.or("insecure", false, Node::boolean)?,
        tls: fields.or("tls_config", TlsConfig::default(), |node| tls(node, base))?,
        headers: fields.or("headers", Vec::new(), |node| headers(node, base))?,
        gzip: fields.or("compression", false, |node| match node.string()?.as_str() {
            "" => Ok(false),
            "gzip" => Ok(true),
            other => {
                Err(node.error(format!("invalid compression type {other} provided, valid options: gzip")))
            }
        })?,
        timeout_ms: fields.or("timeout", 0, Node::duration_ms)?,
    };
    if settings.endpoint.is_empty() {
        return Err(fields.error("tracing endpoint must be set"));
    }
    fields.finish()?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn tracing_is_checked_and_read() {
        let parse = |yaml: &str| {
            let base = PathBase::new(Path::new("/etc/am"));
            decode(&Node::parse(yaml).unwrap(), &base).map_err(|error| error.message)
        };
        let all = parse(
            "{client_type: http, endpoint: 'a:1', sampling_fraction: 0.5, insecure: true, tls_config: {}, \
            headers: {x: {values: [y]}}, compression: gzip, timeout: 5s}",
        )
        .unwrap();
        assert_eq!((all.endpoint.as_str(), all.sampling_fraction, all.timeout_ms), ("a:1", 0.5, 5_000));
        assert!(all.over_http && all.insecure && all.gzip && all.headers.len() == 1);
        let usual = parse("{endpoint: a}").unwrap();
        assert!(!usual.over_http && !usual.insecure && !usual.gzip && usual.sampling_fraction == 0.0);
        for (yaml, expected) in [
            ("{}", "tracing endpoint must be set"),
            ("{endpoint: a, compression: zip}", "invalid compression type zip provided, valid options: gzip"),
            (
                "{endpoint: a, client_type: udp}",
                "expected tracing client type to be to be http or grpc, but got udp",
            ),
        ] {
            assert_eq!(parse(yaml).err().as_deref(), Some(expected), "{yaml}");
        }
    }
}
