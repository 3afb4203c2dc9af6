//! `tracing`: where traces of our own work go.

use config::http_client::{self, PathBase, TlsConfig};
use config::{Node, Result};

use super::remote::headers;

/// The `tracing` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// Host and port.
    pub endpoint: String,
    /// Whether traces go over HTTP, not gRPC.
    pub over_http: bool,
    /// The share of requests that are traced, 0 to 1.
    pub sampling_fraction: f64,
    /// Whether to go without TLS.
    pub insecure: bool,
    /// TLS settings.
    pub tls: TlsConfig,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Whether requests are compressed with gzip.
    pub gzip: bool,
    /// How long a request may take; 0 is the default.
    pub timeout_ms: i64,
}

pub(super) fn decode(node: &Node, base: &PathBase) -> Result<Tracing> {
    let mut fields = node.fields("config.plain")?;
    let tracing = Tracing {
        endpoint: fields.or("endpoint", String::new(), Node::string)?,
        over_http: fields.or("client_type", false, |node| match node.string()?.as_str() {
            "http" => Ok(true),
            "grpc" => Ok(false),
            other => {
                Err(node.error(format!("expected tracing client type to be http or grpc, but got {other}")))
            }
        })?,
        sampling_fraction: fields.or("sampling_fraction", 0.0, Node::float)?,
        insecure: fields.or("insecure", false, Node::boolean)?,
        tls: fields.or("tls_config", TlsConfig::default(), |node| http_client::tls(node, base))?,
        headers: fields.or("headers", Vec::new(), |node| {
            headers(node, "custom authorization header configuration is not yet supported")
        })?,
        gzip: fields.or("compression", false, |node| match node.string()?.as_str() {
            "" => Ok(false),
            "gzip" => Ok(true),
            other => {
                Err(node.error(format!("invalid compression type {other} provided, valid options: gzip")))
            }
        })?,
        timeout_ms: fields.or("timeout", 0, Node::duration_ms)?,
    };
    if tracing.endpoint.is_empty() {
        return Err(fields.error("tracing endpoint must be set"));
    }
    fields.finish()?;
    Ok(tracing)
}
