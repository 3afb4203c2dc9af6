//! URLs as a configuration writes them: only as much of them as is checked when it is read.

use crate::Result;
use crate::yaml::Node;

/// The parts of a URL that settings are checked by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// Before `://`, or empty.
    pub scheme: String,
    /// Host and port without user information, or empty.
    pub host: String,
}

impl Url {
    /// Takes a URL or reference apart; the texts of errors are those of Go's `net/url`.
    pub fn parse(text: &str) -> std::result::Result<Url, String> {
        let fail = |why: String| Err(format!("parse {text:?}: {why}"));
        if text.chars().any(|c| c.is_ascii_control()) {
            return fail("net/url: invalid control character in URL".into());
        }
        let body = text.split('#').next().unwrap_or("");
        let (scheme, rest) = match body.find([':', '/', '?']) {
            Some(0) if body.starts_with(':') => return fail("missing protocol scheme".into()),
            Some(at) if body[at..].starts_with(':') && is_scheme(&body[..at]) => {
                (body[..at].to_ascii_lowercase(), &body[at + 1..])
            }
            Some(at) if body[at..].starts_with(':') => {
                return fail("first path segment in URL cannot contain colon".into());
            }
            _ => (String::new(), body),
        };
        let Some(authority) = rest.strip_prefix("//") else { return Ok(Url { scheme, host: String::new() }) };
        let authority = authority.split(['/', '?']).next().unwrap_or("");
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if let Some(c) = host.chars().find(|c| " \"<>\\^`{|}".contains(*c)) {
            return fail(format!("invalid character {:?} in host name", c.to_string()));
        }
        let port = match host.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(None) => return fail("missing ']' in host".into()),
            Some(Some((_, behind))) => behind,
            None => host.find(':').map_or("", |at| &host[at..]),
        };
        let is_port =
            port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
        if !is_port {
            return fail(format!("invalid port {port:?} after host"));
        }
        Ok(Url { scheme, host: host.to_string() })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

impl Node {
    /// A URL, as it was written.
    pub fn url(&self) -> Result<String> {
        let text = self.string()?;
        Url::parse(&text).map_err(|why| self.error(why))?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, scheme, host) in [
            ("http://a:1/x?y#z", "http", "a:1"),
            ("HTTPS://u:p@[::1]:9090", "https", "[::1]:9090"),
            ("unix:///var/run/x.sock", "unix", ""),
            ("localhost:9090", "localhost", ""),
            ("/path:x", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(Url::parse(text), Ok(Url { scheme: scheme.into(), host: host.into() }), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for (text, expected) in [
            ("://invalid", "parse \"://invalid\": missing protocol scheme"),
            ("1.2.3.4:80/x", "first path segment in URL cannot contain colon"),
            ("http://a b/", "invalid character \" \" in host name"),
            ("http://a:x/", "invalid port \":x\" after host"),
            ("http://a\n/", "invalid control character"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
