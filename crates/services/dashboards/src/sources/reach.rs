//! How a data source is reached: what its fields and secrets mean for a client.

use std::sync::Arc;
use std::time::Duration;

use config::http_client::{Auth, HeaderValue, SecretSource, TlsConfig};
use config::{HttpClientConfig, Secret};
use net::Client;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::definition::{Credentials, Definition, Source};
use super::secrets::Keys;
use crate::error::Error;

/// Requests to one data source at once; more wait.
pub const SOURCE_REQUESTS_MAX: usize = 32;
/// How long a request may take unless the data source says so.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// How long a data source may let a request take.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// Headers that one data source may add.
const HEADERS_MAX: usize = 50;

/// The way to a data source, kept between requests.
pub(crate) struct Reach {
    /// What it was made from.
    pub(crate) revision: i64,
    pub(crate) client: Client,
    /// Names of headers that are the source's own, in lower case: callers cannot set them.
    pub(crate) own_headers: Vec<String>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) timeout: Duration,
}

impl Reach {
    pub(crate) fn new(source: &Source, keys: &Keys, allowed_hosts: &[String]) -> Result<Reach, Error> {
        let mut config = client_config(source, keys)?;
        config.follow_redirects = false;
        let host = host_of(&source.definition.url);
        config.refuse_metadata_addresses =
            !allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host));
        let own_headers = config.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let client = Client::new(&config).map_err(|error| {
            Error::bad(format!("the data source {} cannot be reached: {error}", source.uid))
        })?;
        let permits = Arc::new(Semaphore::new(SOURCE_REQUESTS_MAX));
        let timeout = timeout(&source.definition);
        Ok(Reach { revision: source.revision, client, own_headers, permits, timeout })
    }
}

/// The host of a URL, with the brackets of an address.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Grafana's setting `timeout`, in seconds.
fn timeout(definition: &Definition) -> Duration {
    let seconds = match definition.json_data.get("timeout") {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    match seconds {
        Some(seconds) if seconds >= 0.001 => {
            Duration::try_from_secs_f64(seconds).unwrap_or(TIMEOUT_MAX).min(TIMEOUT_MAX)
        }
        _ => TIMEOUT_DEFAULT,
    }
}

fn client_config(source: &Source, keys: &Keys) -> Result<HttpClientConfig, Error> {
    let definition = &source.definition;
    let secret = |name: &str| -> Result<Option<Secret>, Error> {
        match &source.credentials {
            Credentials::Client(_) => Ok(None),
            Credentials::Open(secrets) => Ok(secrets.get(name).filter(|secret| !secret.is_empty()).cloned()),
            Credentials::Sealed(secrets) => {
                secrets.get(name).map(|sealed| keys.open(&source.uid, name, sealed)).transpose()
            }
        }
    };
    if let Credentials::Client(config) = &source.credentials {
        return Ok(HttpClientConfig::clone(config));
    }
    for (setting, what) in
        [("sigV4Auth", "Amazon's signatures"), ("oauthPassThru", "passing on the caller's token")]
    {
        if definition.is_on(setting) {
            return Err(Error::bad(format!(
                "the data source {} asks for {what}, which is not supported",
                source.uid
            )));
        }
    }
    let inline = SecretSource::Inline;
    let mut config = HttpClientConfig::default();
    if definition.basic_auth {
        config.auth = Auth::Basic {
            username: inline(Secret::new(definition.basic_auth_user.clone())),
            password: secret("basicAuthPassword")?.map(inline),
        };
    }
    for at in 1..=HEADERS_MAX {
        let name = definition.text(&format!("httpHeaderName{at}")).trim();
        // One that was taken away leaves a gap: the others keep the numbers that their secrets have.
        if name.is_empty() {
            continue;
        }
        if let Some(value) = secret(&format!("httpHeaderValue{at}"))? {
            if config.auth != Auth::None && name.eq_ignore_ascii_case("authorization") {
                continue;
            }
            config.headers.push((name.to_string(), vec![HeaderValue::Secret(inline(value))]));
        }
    }
    config.tls = TlsConfig {
        insecure_skip_verify: definition.is_on("tlsSkipVerify"),
        server_name: definition.text("serverName").to_string(),
        ..TlsConfig::default()
    };
    if definition.is_on("tlsAuth") {
        config.tls.cert = secret("tlsClientCert")?.map(inline);
        config.tls.key = secret("tlsClientKey")?.map(inline);
    }
    if definition.is_on("tlsAuthWithCACert") {
        config.tls.ca = secret("tlsCACert")?.map(inline);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_limit_is_a_number_of_seconds_within_bounds() {
        for (value, expected) in [
            (json!({}), TIMEOUT_DEFAULT),
            (json!({"timeout": 5}), Duration::from_secs(5)),
            (json!({"timeout": "7"}), Duration::from_secs(7)),
            (json!({"timeout": 1e12}), TIMEOUT_MAX),
            (json!({"timeout": -1}), TIMEOUT_DEFAULT),
            (json!({"timeout": ""}), TIMEOUT_DEFAULT),
        ] {
            let definition =
                Definition { json_data: value.as_object().unwrap().clone(), ..Definition::default() };
            assert_eq!(timeout(&definition), expected, "{value}");
        }
        assert_eq!(host_of("http://h:80/x"), "h");
        assert_eq!(host_of("https://[fd00:ec2::254]/x"), "[fd00:ec2::254]");
    }
}
