//! `tracing`: where traces of our own work go.

use config::http_client::{self, HeaderValue, PathBase, TlsConfig};
use config::{Node, Result};
use spans::Settings;

use super::remote::headers;

pub(super) fn decode(node: &Node, base: &PathBase) -> Result<Settings> {
    let mut fields = node.fields("config.plain")?;
    let plain = |(name, value): (String, String)| (name, vec![HeaderValue::Plain(value)]);
    let settings = Settings {
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
            let list = headers(node, "custom authorization header configuration is not yet supported")?;
            Ok(list.into_iter().map(plain).collect())
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
    if settings.endpoint.is_empty() {
        return Err(fields.error("tracing endpoint must be set"));
    }
    fields.finish()?;
    Ok(settings)
}
