//! The `http` section of a module.

use config::http_client::{HttpClientConfig, PathBase};
use config::{Node, Result};
use gocompat::re2::Regex;
use std::path::PathBuf;

use crate::cel::Program;
use crate::config::checks::accepts_encoding;
use crate::config::{IpChoice, ip_choice, regex};

/// An HTTP probe.
#[derive(Clone, Debug)]
pub struct HttpProbe {
    /// Which address.
    pub ip: IpChoice,
    /// Statuses that are well; empty for 2xx.
    pub valid_status_codes: Vec<i64>,
    /// Versions that are well, such as `HTTP/1.1`; empty for any.
    pub valid_http_versions: Vec<String>,
    /// Whether a proxy finds the address.
    pub skip_resolve_with_proxy: bool,
    /// Whether TLS is a failure.
    pub fail_if_ssl: bool,
    /// Whether its absence is.
    pub fail_if_not_ssl: bool,
    /// The request's method.
    pub method: String,
    /// The request's headers.
    pub headers: Vec<(String, String)>,
    /// The body may match none of these.
    pub fail_if_body_matches: Vec<Regex>,
    /// The body must match all of these.
    pub fail_if_body_not_matches: Vec<Regex>,
    /// The body as JSON may not make this true.
    pub fail_if_json_matches: Option<Program>,
    /// The body as JSON must make this true.
    pub fail_if_json_not_matches: Option<Program>,
    /// No value of these headers may match.
    pub fail_if_header_matches: Vec<HeaderMatch>,
    /// Some value of each of these headers must match.
    pub fail_if_header_not_matches: Vec<HeaderMatch>,
    /// The request's body.
    pub body: String,
    /// A file with the request's body.
    pub body_file: Option<PathBuf>,
    /// Authentication, TLS, proxy, redirects.
    pub client: HttpClientConfig,
    /// How the answer's body is compressed: `gzip`, `br`, `deflate`, `identity` or nothing.
    pub compression: String,
    /// Size of the answer's body after decompression; 0 for no limit.
    pub body_size_max_bytes: u64,
    /// Whether HTTP/3 is asked for.
    pub http3: bool,
}

/// A check of a header.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// The header's name.
    pub header: String,
    /// What its value is held against.
    pub regexp: Regex,
    /// Whether it may be missing.
    pub allow_missing: bool,
}

impl Default for HttpProbe {
    fn default() -> Self {
        HttpProbe {
            ip: IpChoice::default(),
            valid_status_codes: Vec::new(),
            valid_http_versions: Vec::new(),
            skip_resolve_with_proxy: false,
            fail_if_ssl: false,
            fail_if_not_ssl: false,
            method: "GET".into(),
            headers: Vec::new(),
            fail_if_body_matches: Vec::new(),
            fail_if_body_not_matches: Vec::new(),
            fail_if_json_matches: None,
            fail_if_json_not_matches: None,
            fail_if_header_matches: Vec::new(),
            fail_if_header_not_matches: Vec::new(),
            body: String::new(),
            body_file: None,
            client: HttpClientConfig::default(),
            compression: String::new(),
            body_size_max_bytes: 0,
            http3: false,
        }
    }
}

impl HttpProbe {
    pub(crate) fn decode(node: &Node, base: &PathBase) -> Result<HttpProbe> {
        let mut fields = node.fields("config.plain")?;
        let regexes = |node: &Node| node.list(regex);
        let no_follow = fields.optional("no_follow_redirects", Node::boolean)?;
        let mut probe = HttpProbe {
            ip: ip_choice(&mut fields)?,
            valid_status_codes: fields
                .or("valid_status_codes", Vec::new(), |node| node.list(Node::integer))?,
            valid_http_versions: fields.or("valid_http_versions", Vec::new(), Node::strings)?,
            skip_resolve_with_proxy: fields.or("skip_resolve_phase_with_proxy", false, Node::boolean)?,
            fail_if_ssl: fields.or("fail_if_ssl", false, Node::boolean)?,
            fail_if_not_ssl: fields.or("fail_if_not_ssl", false, Node::boolean)?,
            method: fields.or("method", "GET".to_string(), |node| {
                let text = node.string()?;
                Ok(if text.is_empty() { "GET".into() } else { text })
            })?,
            headers: fields.or("headers", Vec::new(), |node| node.map(Node::string))?,
            fail_if_body_matches: fields.or("fail_if_body_matches_regexp", Vec::new(), regexes)?,
            fail_if_body_not_matches: fields.or("fail_if_body_not_matches_regexp", Vec::new(), regexes)?,
            fail_if_json_matches: fields.optional("fail_if_body_json_matches_cel", cel)?,
            fail_if_json_not_matches: fields.optional("fail_if_body_json_not_matches_cel", cel)?,
            fail_if_header_matches: fields
                .or("fail_if_header_matches", Vec::new(), |node| node.list(header_match))?,
            fail_if_header_not_matches: fields
                .or("fail_if_header_not_matches", Vec::new(), |node| node.list(header_match))?,
            body: fields.or("body", String::new(), Node::string)?,
            body_file: fields
                .optional("body_file", Node::string)?
                .filter(|path| !path.is_empty())
                .map(|path| base.join(&path)),
            compression: fields.or("compression", String::new(), Node::string)?,
            body_size_max_bytes: fields.or("body_size_limit", 0, Node::bytes)?,
            http3: fields.or("enable_http3", false, Node::boolean)?,
            client: HttpClientConfig::take(&mut fields, base)?,
        };
        let headers = fields.peek("headers");
        fields.finish()?;
        if let Some(no_follow) = no_follow {
            probe.client.follow_redirects = !no_follow;
        }
        if !probe.body.is_empty() && probe.body_file.is_some() {
            return Err(node.error("setting body and body_file both are not allowed"));
        }
        for (name, value) in &probe.headers {
            if name.eq_ignore_ascii_case("accept-encoding") && !accepts_encoding(&probe.compression, value) {
                return Err(headers.unwrap_or(node).error(format!(
                    "invalid configuration \"{name}: {value}\", \"compression: {}\"",
                    probe.compression
                )));
            }
        }
        probe.check_versions().map_err(|message| node.error(message))?;
        Ok(probe)
    }

    fn check_versions(&self) -> std::result::Result<(), &'static str> {
        let has = |name: &str| self.valid_http_versions.iter().any(|version| version == name);
        if !self.http3 {
            return match has("HTTP/3.0") {
                true => Err("HTTP/3 cannot be used as a valid HTTP version when enable_http3 is false"),
                false => Ok(()),
            };
        }
        if has("HTTP/2.0") || has("HTTP/1.1") {
            return Err(
                "HTTP/3 and HTTP/2.0/1.1 cannot be used together - only HTTP/3.0 is allowed when enable_http3 is true",
            );
        }
        if self.client.enable_http2 {
            return Err("when enable_http3 is true, enable_http2 must be set to false");
        }
        Ok(())
    }
}

fn cel(node: &Node) -> Result<Program> {
    let text = node.string()?;
    Program::compile(&text).map_err(|error| {
        node.error(format!("\"Could not compile CEL program\" expression=\"{text}\": {error}"))
    })
}

fn header_match(node: &Node) -> Result<HeaderMatch> {
    let mut fields = node.fields("config.plain")?;
    let header = fields.or("header", String::new(), Node::string)?;
    let regexp = fields.optional("regexp", regex)?.filter(|regexp| !regexp.as_str().is_empty());
    let allow_missing = fields.or("allow_missing", false, Node::boolean)?;
    fields.finish()?;
    if header.is_empty() {
        return Err(node.error("header name must be set for HTTP header matchers"));
    }
    let regexp = regexp.ok_or_else(|| node.error("regexp must be set for HTTP header matchers"))?;
    Ok(HeaderMatch { header, regexp, allow_missing })
}
