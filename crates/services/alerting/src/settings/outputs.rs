//! The section `tracing`: checked as strictly as the rest.

use config::http_client::{PathBase, headers, tls};
use config::{Node, Result};

/// Checks `tracing`.
pub(super) fn check_tracing(node: &Node, base: &PathBase) -> Result<()> {
    let mut fields = node.fields("tracing.plain")?;
    fields.optional("client_type", |node| match node.string()?.as_str() {
        "http" | "grpc" => Ok(()),
        other => {
            Err(node.error(format!("expected tracing client type to be to be http or grpc, but got {other}")))
        }
    })?;
    let endpoint = fields.or("endpoint", String::new(), Node::string)?;
    fields.optional("sampling_fraction", Node::float)?;
    fields.optional("insecure", Node::boolean)?;
    fields.optional("tls_config", |node| tls(node, base))?;
    fields.optional("headers", |node| headers(node, base))?;
    let compression = fields.or("compression", String::new(), Node::string)?;
    fields.optional("timeout", Node::duration_ms)?;
    if endpoint.is_empty() {
        return Err(fields.error("tracing endpoint must be set"));
    }
    if !["", "gzip"].contains(&compression.as_str()) {
        return Err(
            fields.error(format!("invalid compression type {compression} provided, valid options: gzip"))
        );
    }
    fields.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn problem(check: impl Fn(&Node, &PathBase) -> Result<()>, yaml: &str) -> Option<String> {
        let base = PathBase::new(Path::new("/etc/am"));
        check(&Node::parse(yaml).unwrap(), &base).err().map(|error| error.message)
    }

    #[test]
    fn tracing_is_checked() {
        let all = "{client_type: http, endpoint: 'a:1', sampling_fraction: 0.5, insecure: true, tls_config: {}, \
            headers: {x: {values: [y]}}, compression: gzip, timeout: 5s}";
        for (yaml, expected) in [
            (all, None),
            ("{}", Some("tracing endpoint must be set")),
            (
                "{endpoint: a, compression: zip}",
                Some("invalid compression type zip provided, valid options: gzip"),
            ),
            (
                "{endpoint: a, client_type: udp}",
                Some("expected tracing client type to be to be http or grpc, but got udp"),
            ),
        ] {
            assert_eq!(problem(check_tracing, yaml).as_deref(), expected, "{yaml}");
        }
    }
}
