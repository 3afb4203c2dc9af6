//! The HTTP prober: requests through redirects, and the checks of the last answer.

mod body;
mod connection;
mod cookies;
mod proxy;
pub(crate) mod url;

use std::net::IpAddr;

use bytes::Bytes;
use config::http_client::{Auth, HeaderValue as Configured, HttpClientConfig, TlsConfig};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, HeaderValue, LAST_MODIFIED,
    LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, Method, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use net::client::{base64, percent_decoded, read_secret};

use self::body::Body;
use self::connection::{Answer, Route};
use self::cookies::Cookies;
use self::url::Url;
use crate::config::{HeaderMatch, HttpProbe};
use crate::dial::{Dialer, TlsDetails, report_tls};
use crate::report::Report;

const DURATION: &str = "probe_http_duration_seconds";
/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;
/// Size of a request's body that comes from a file.
const BODY_FILE_MAX_BYTES: u64 = 64 << 20;
/// Upstream's name first: servers let it in by it.
pub(crate) const AGENT: &str = concat!("Blackbox-Exporter/0.28.0 Promontory/", env!("CARGO_PKG_VERSION"));

/// Probes a URL; without a scheme it is `http`. `hostname` is asked for in place of the target's name.
pub(crate) async fn probe(
    dialer: &Dialer,
    probe: &HttpProbe,
    target: &str,
    hostname: &str,
    report: &mut Report,
) -> bool {
    for name in [
        "probe_http_content_length",
        "probe_http_uncompressed_body_length",
        "probe_http_redirects",
        "probe_http_ssl",
        "probe_http_status_code",
        "probe_http_version",
        "probe_failed_due_to_regex",
    ] {
        report.set(name, 0.0);
    }
    let checks_json = probe.fail_if_json_matches.is_some() || probe.fail_if_json_not_matches.is_some();
    if checks_json {
        report.set("probe_failed_due_to_cel", 0.0);
    }
    if probe.http3 {
        return report.fail("HTTP/3 is not available: set enable_http3 to false", &[]);
    }
    let lower = target.to_ascii_lowercase();
    let has_scheme = lower.starts_with("http://") || lower.starts_with("https://");
    let text = if has_scheme { target.to_string() } else { format!("http://{target}") };
    let url = match Url::parse(&text) {
        Ok(url) => url,
        Err(error) => return report.fail("Could not parse target URL", &[("err", &error)]),
    };
    let mut address = None;
    if !(probe.skip_resolve_with_proxy && proxy::is_set(&probe.client.proxy)) {
        report.set_labelled(DURATION, &[("phase", "resolve")], 0.0);
        let Some((chosen, seconds)) = dialer.choose(probe.ip, &url.host, report).await else {
            return report.fail("Error resolving address", &[("err", &"the target has no address")]);
        };
        report.set_labelled(DURATION, &[("phase", "resolve")], seconds);
        address = Some(chosen);
    }
    for phase in ["connect", "tls", "processing", "transfer"] {
        report.set_labelled(DURATION, &[("phase", phase)], 0.0);
    }
    let mut journey = match Journey::new(dialer, probe, url, address, hostname).await {
        Ok(journey) => journey,
        Err(error) => return report.fail("Error creating request", &[("err", &error)]),
    };
    match journey.travel(report).await {
        Ok(answer) => {
            judge(dialer, probe, answer, journey.requests, journey.stopped, journey.is_head(), report).await
        }
        Err(error) => report.fail("Error for HTTP request", &[("err", &error)]),
    }
}

/// A request on its way through redirects.
struct Journey<'a> {
    dialer: &'a Dialer,
    probe: &'a HttpProbe,
    url: Url,
    /// The chosen address, as long as redirects stay on the first server.
    address: Option<IpAddr>,
    /// The header `Host` of the first server.
    host: String,
    /// What the first server must prove.
    server_name: String,
    other_tls: TlsConfig,
    method: Method,
    body: Bytes,
    body_is_file: bool,
    headers: HeaderMap,
    authorization: Option<HeaderValue>,
    cookies: Cookies,
    /// Whether it has left the first server.
    left: bool,
    requests: usize,
    /// Whether a redirect was not followed.
    stopped: bool,
}

impl<'a> Journey<'a> {
    async fn new(
        dialer: &'a Dialer,
        probe: &'a HttpProbe,
        url: Url,
        address: Option<IpAddr>,
        hostname: &str,
    ) -> Result<Journey<'a>, String> {
        let mut headers = HeaderMap::new();
        let mut host = url.authority();
        let mut server_name = url.host.clone();
        let mut set_host = |value: &str| {
            host = value.to_string();
            server_name = crate::dial::split_host_port(value).map_or(value, |(name, _)| name).to_string();
        };
        for (name, value) in &probe.headers {
            if name.eq_ignore_ascii_case("host") {
                set_host(value);
            } else {
                headers.insert(header_name(name)?, header_value(value)?);
            }
        }
        if !hostname.is_empty() {
            set_host(hostname);
        }
        add_headers(&mut headers, &probe.client.headers)?;
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let body = match &probe.body_file {
            Some(path) => {
                let size = std::fs::metadata(path).map(|file| file.len());
                match size {
                    Ok(size) if size > BODY_FILE_MAX_BYTES => {
                        return Err(format!("{} is larger than {BODY_FILE_MAX_BYTES} bytes", path.display()));
                    }
                    _ => {}
                }
                std::fs::read(path).map_err(|error| format!("open {}: {error}", path.display()))?.into()
            }
            None => Bytes::copy_from_slice(probe.body.as_bytes()),
        };
        let method = Method::from_bytes(probe.method.as_bytes())
            .map_err(|_| format!("net/http: invalid method {:?}", probe.method))?;
        Ok(Journey {
            authorization: authorization(dialer, &probe.client).await?,
            other_tls: TlsConfig { server_name: String::new(), ..probe.client.tls.clone() },
            dialer,
            probe,
            url,
            address,
            host,
            server_name,
            method,
            body,
            body_is_file: probe.body_file.is_some(),
            headers,
            cookies: Cookies::default(),
            left: false,
            requests: 0,
            stopped: false,
        })
    }

    fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// Follows redirects until there is none, or one that is not followed.
    async fn travel(&mut self, report: &mut Report) -> Result<Answer, String> {
        loop {
            let answer = self.send(report).await?;
            self.requests += 1;
            self.cookies.take(&self.url, answer.response.headers());
            let status = answer.response.status().as_u16();
            let location = answer.response.headers().get(LOCATION).map(|value| value.as_bytes().to_vec());
            let Some(location) = location.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)) else {
                return Ok(answer);
            };
            // A body that was read once cannot be sent again.
            if matches!(status, 307 | 308) && self.body_is_file {
                return Ok(answer);
            }
            let location = String::from_utf8_lossy(&location).into_owned();
            report.info("Received redirect", &[("location", &location)]);
            report.set("probe_http_redirects", self.requests as f64);
            if self.requests > REDIRECTS_MAX || !self.probe.client.follow_redirects {
                report.info("Not following redirect", &[]);
                self.stopped = true;
                return Ok(answer);
            }
            let (next, stays) = self.url.join(&location)?;
            if !stays {
                let same_host = next.host.eq_ignore_ascii_case(&self.url.host);
                let same = same_host && next.port_or_default() == self.url.port_or_default();
                // Credentials stay with the server that they were meant for, and do not leave TLS.
                if !same || (self.url.is_tls && !next.is_tls) {
                    self.headers.remove(AUTHORIZATION);
                    self.headers.remove(COOKIE);
                    self.authorization = None;
                }
                (self.left, self.address) = (true, None);
            }
            self.url = next;
            if matches!(status, 301..=303) && !matches!(self.method, Method::GET | Method::HEAD) {
                self.method = Method::GET;
                self.body = Bytes::new();
            }
        }
    }

    async fn send(&self, report: &mut Report) -> Result<Answer, String> {
        let own = self.url.authority();
        let host = if self.left { &own } else { &self.host };
        report.debug("Making HTTP request", &[("url", &self.url.with_authority(&own)), ("host", host)]);
        let route = Route {
            url: &self.url,
            address: self.address,
            server_name: if self.left { &self.url.host } else { &self.server_name },
            tls: if self.left { &self.other_tls } else { &self.probe.client.tls },
            http2: self.probe.client.enable_http2,
            proxy: &self.probe.client.proxy,
            is_first: self.requests == 0,
        };
        let build = |is_http2: bool, for_proxy: Option<&Url>| {
            let mut request = Request::new(Full::new(self.body.clone()));
            *request.method_mut() = self.method.clone();
            let uri = if is_http2 {
                self.url.with_authority(host)
            } else if for_proxy.is_some() {
                let address = self.address.map(|address| url::authority(&address.to_string(), self.url.port));
                self.url.with_authority(&address.unwrap_or(own.clone()))
            } else {
                self.url.path.clone()
            };
            *request.uri_mut() = uri.parse().map_err(|error| format!("invalid URL: {error}"))?;
            let headers = request.headers_mut();
            headers.clone_from(&self.headers);
            if !is_http2 {
                headers.insert(HOST, header_value(host)?);
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if let Some(cookies) = self.cookies.header(&self.url) {
                headers.append(COOKIE, header_value(&cookies)?);
            }
            if !headers.contains_key(AUTHORIZATION) {
                if let Some(value) = &self.authorization {
                    headers.insert(AUTHORIZATION, value.clone());
                } else if let Some(value) = user_info(&self.url)? {
                    headers.insert(AUTHORIZATION, value);
                }
            }
            if let Some(credentials) = for_proxy.and_then(proxy::authorization) {
                headers.insert(PROXY_AUTHORIZATION, header_value(&credentials)?);
            }
            Ok(request)
        };
        connection::send(self.dialer, &route, build, report).await
    }
}

/// Reads the last answer's body and decides whether all is well.
async fn judge(
    dialer: &Dialer,
    probe: &HttpProbe,
    answer: Answer,
    requests: usize,
    stopped: bool,
    is_head: bool,
    report: &mut Report,
) -> bool {
    let status = answer.response.status().as_u16();
    let headers = answer.response.headers().clone();
    let version = answer.response.version();
    report.debug("Received HTTP response", &[("status_code", &status)]);
    report.set("probe_http_status_code", f64::from(status));
    report.set("probe_http_redirects", (requests - usize::from(!stopped)) as f64);
    report.set("probe_http_content_length", content_length(&answer.response, is_head));
    if let Some(session) = &answer.session {
        report.set("probe_http_ssl", 1.0);
        report_tls(report, session, TlsDetails { chain_expiry: true, cipher: true });
    }
    let is_tls = answer.session.is_some();
    let valid = match probe.valid_status_codes.as_slice() {
        [] => (200..300).contains(&status),
        codes => codes.contains(&i64::from(status)),
    };
    let mut success = valid;
    if !valid {
        match probe.valid_status_codes.as_slice() {
            [] => report.fail("Invalid HTTP response status code, wanted 2xx", &[("status_code", &status)]),
            codes => report.fail(
                "Invalid HTTP response status code",
                &[("status_code", &status), ("valid_status_codes", &format!("{codes:?}"))],
            ),
        };
    }
    let has_header_checks =
        !(probe.fail_if_header_matches.is_empty() && probe.fail_if_header_not_matches.is_empty());
    if success && has_header_checks {
        success = check_headers(probe, &headers, report);
        report.set("probe_failed_due_to_regex", f64::from(u8::from(!success)));
    }
    let checks_text =
        success && !(probe.fail_if_body_matches.is_empty() && probe.fail_if_body_not_matches.is_empty());
    let checks_json =
        success && (probe.fail_if_json_matches.is_some() || probe.fail_if_json_not_matches.is_some());
    let is_read = !stopped || checks_text || checks_json;
    match Body::new(probe, checks_text || checks_json) {
        Err(error) => {
            success = report.fail("Failed to get decompressor for HTTP response body", &[("err", &error)]);
        }
        Ok(mut body) if is_read => {
            let received = receive(answer.response.into_body(), &mut body).await;
            report.set("probe_http_uncompressed_body_length", body.size_bytes() as f64);
            match received {
                Err(error) => {
                    success = report.fail("Failed to read HTTP response body", &[("err", &error)]);
                    if checks_text {
                        report.set("probe_failed_due_to_regex", 1.0);
                    }
                }
                Ok(()) => {
                    if checks_text {
                        success = body.matches(probe, report);
                        report.set("probe_failed_due_to_regex", f64::from(u8::from(!success)));
                    }
                    if success && checks_json {
                        success = body.matches_json(probe, report);
                        report.set("probe_failed_due_to_cel", f64::from(u8::from(!success)));
                    }
                }
            }
        }
        Ok(_) => {}
    }
    report.add_labelled(DURATION, &[("phase", "transfer")], answer.at.elapsed_seconds());
    let _ = dialer;
    if let Some(seconds) = headers.get(LAST_MODIFIED).and_then(|value| http_date(value.to_str().ok()?)) {
        report.set("probe_http_last_modified_timestamp_seconds", seconds as f64);
    }
    let (number, name) = match version {
        Version::HTTP_10 => (1.0, "HTTP/1.0"),
        Version::HTTP_2 => (2.0, "HTTP/2.0"),
        _ => (1.1, "HTTP/1.1"),
    };
    report.set("probe_http_version", number);
    if !probe.valid_http_versions.is_empty() && !probe.valid_http_versions.iter().any(|valid| valid == name) {
        success = report.fail("Invalid HTTP version number", &[("version", &name)]);
    }
    if is_tls && probe.fail_if_ssl {
        success = report.fail("Final request was over SSL", &[]);
    }
    if !is_tls && probe.fail_if_not_ssl && success {
        success = report.fail("Final request was not over SSL", &[]);
    }
    success
}

async fn receive(mut incoming: Incoming, body: &mut Body) -> Result<(), String> {
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Some(data) = frame.data_ref() {
            body.push(data).map_err(|error| error.to_string())?;
        }
    }
    body.finish().map_err(|error| error.to_string())
}

/// The length that the answer announces; -1 if it does not.
fn content_length(response: &http::Response<Incoming>, is_head: bool) -> f64 {
    let headers = response.headers();
    let status = response.status().as_u16();
    if !is_head && matches!(status, 100..200 | 204 | 304) {
        return 0.0;
    }
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    match announced {
        Some(length) if !headers.contains_key(TRANSFER_ENCODING) => length as f64,
        None if response.version() == Version::HTTP_2 && !is_head && response.body().is_end_stream() => 0.0,
        _ => -1.0,
    }
}

fn check_headers(probe: &HttpProbe, headers: &HeaderMap, report: &mut Report) -> bool {
    let mut check = |check: &HeaderMatch, fails_on: bool, message: &str| {
        let values: Vec<String> = headers
            .get_all(check.header.as_str())
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        if values.is_empty() {
            return check.allow_missing
                || report.fail("Missing required header", &[("header", &check.header)]);
        }
        if values.iter().any(|value| check.regexp.is_match(value)) == fails_on {
            return report.fail(
                message,
                &[
                    ("header", &check.header),
                    ("regexp", &check.regexp.as_str()),
                    ("value_count", &values.len()),
                ],
            );
        }
        true
    };
    probe.fail_if_header_matches.iter().all(|one| check(one, true, "Header matched regular expression"))
        && probe
            .fail_if_header_not_matches
            .iter()
            .all(|one| check(one, false, "Header did not match regular expression"))
}

/// Seconds since the epoch of a date in one of HTTP's three forms.
fn http_date(text: &str) -> Option<i64> {
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].iter().find_map(
        |format| {
            let parsed = jiff::fmt::strtime::parse(format, text).ok()?.to_datetime().ok()?;
            Some(parsed.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
        },
    )
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not a header's name"))
}

fn header_value(value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| "a header's value holds a control character".to_string())
}

/// Adds configured headers; those in files are read.
pub(crate) fn add_headers(
    headers: &mut HeaderMap,
    configured: &[(String, Vec<Configured>)],
) -> Result<(), String> {
    for (name, values) in configured {
        let name = header_name(name)?;
        for value in values {
            let text = match value {
                Configured::Plain(text) => text.clone(),
                Configured::Secret(source) => read_secret(source).map_err(|error| error.to_string())?,
            };
            headers.append(name.clone(), header_value(&text)?);
        }
    }
    Ok(())
}

/// What the settings say that we are.
pub(crate) async fn authorization(
    dialer: &Dialer,
    client: &HttpClientConfig,
) -> Result<Option<HeaderValue>, String> {
    let secret = |source| read_secret(source).map_err(|error| error.to_string());
    let text = match &client.auth {
        Auth::None => return Ok(None),
        Auth::Basic { username, password } => {
            let password = password.as_ref().map(secret).transpose()?.unwrap_or_default();
            format!("Basic {}", base64(format!("{}:{password}", secret(username)?).as_bytes()))
        }
        Auth::Authorization { kind, credentials } => format!("{kind} {}", secret(credentials)?),
        Auth::OAuth2(_) => {
            let client = dialer.token_client(client)?;
            return client.authorization().await.map_err(|error| error.to_string());
        }
    };
    header_value(&text).map(Some)
}

/// `http://user:password@host/`.
fn user_info(url: &Url) -> Result<Option<HeaderValue>, String> {
    let Some(user_info) = &url.user_info else { return Ok(None) };
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let plain = [&*percent_decoded(user), b":", &*percent_decoded(password)].concat();
    header_value(&format!("Basic {}", base64(&plain))).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_dates_are_read() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(http_date("yesterday"), None);
    }
}
