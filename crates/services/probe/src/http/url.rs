//! URLs of targets and redirects.

/// An absolute URL, `http` or `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Whether it is `https`.
    pub(crate) is_tls: bool,
    /// `user:password`, as written.
    pub(crate) user_info: Option<String>,
    /// The host, without brackets.
    pub(crate) host: String,
    /// The port, if it is written.
    pub(crate) port: Option<u16>,
    /// Path and query; begins with a slash.
    pub(crate) path: String,
}

impl Url {
    /// Takes a URL apart. Bytes that may not stand in a URL are escaped.
    pub(crate) fn parse(text: &str) -> Result<Url, String> {
        let fail = |why: &str| Err(format!("parse {text:?}: {why}"));
        let Some((scheme, rest)) = text.split_once("://") else { return fail("missing protocol scheme") };
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            other => return fail(&format!("unsupported protocol scheme {other:?}")),
        };
        if text.chars().any(|c| c.is_ascii_control()) {
            return fail("invalid control character in URL");
        }
        let rest = rest.split('#').next().unwrap_or("");
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user_info, host_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_string()), host),
            None => (None, authority),
        };
        let (host, port) = match host_port.strip_prefix('[') {
            Some(inside) => match inside.split_once(']') {
                Some((host, after)) => (host, after),
                None => return fail("missing ']' in host"),
            },
            None => {
                let at = host_port.find(':').unwrap_or(host_port.len());
                host_port.split_at(at)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            Some(digits) => match digits.parse() {
                Ok(port) => Some(port),
                Err(_) => return fail(&format!("invalid port {port:?} after host")),
            },
            None => return fail(&format!("invalid port {port:?} after host")),
        };
        if host.is_empty() {
            return fail("no host in request URL");
        }
        if host.contains(|c: char| " \"<>\\^`{|}".contains(c)) {
            return fail("invalid character in host name");
        }
        let path = if path.starts_with('/') { escaped(path) } else { escaped(&format!("/{path}")) };
        Ok(Url { is_tls, user_info, host: host.to_string(), port, path })
    }

    /// Where a redirect leads, and whether it stays on the server by saying nothing of it.
    pub(crate) fn join(&self, location: &str) -> Result<(Url, bool), String> {
        let scheme = if self.is_tls { "https" } else { "http" };
        if location.contains("://") && !location.starts_with(['/', '?', '#']) {
            return Ok((Url::parse(location)?, false));
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Ok((Url::parse(&format!("{scheme}://{rest}"))?, false));
        }
        let location = location.split('#').next().unwrap_or("");
        let path_only = self.path.split('?').next().unwrap_or("/");
        let path = if location.is_empty() {
            self.path.clone()
        } else if location.starts_with('/') {
            location.to_string()
        } else if location.starts_with('?') {
            format!("{path_only}{location}")
        } else {
            let directory = path_only.rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{directory}/{location}")
        };
        Ok((Url { path: escaped(&without_dots(&path)), ..self.clone() }, true))
    }

    /// The port, written or not.
    pub(crate) fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.is_tls { 443 } else { 80 })
    }

    /// Host and port as a header `Host` has them.
    pub(crate) fn authority(&self) -> String {
        authority(&self.host, self.port)
    }

    /// The whole, with another host and without user and password.
    pub(crate) fn with_authority(&self, authority: &str) -> String {
        format!("{}://{authority}{}", if self.is_tls { "https" } else { "http" }, self.path)
    }
}

/// Host and port, the host in brackets where it needs them.
pub(crate) fn authority(host: &str, port: Option<u16>) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0..=0x20 | 0x7f.. => {
                out.push_str(&format!("%{byte:02X}"));
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}

/// Resolves `.` and `..`.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut parts: Vec<&str> = Vec::new();
    let count = path.split('/').count();
    for (at, part) in path.split('/').enumerate() {
        let is_last = at + 1 == count;
        match part {
            "." | ".." => {
                if part == ".." && parts.len() > 1 {
                    parts.pop();
                }
                if is_last {
                    parts.push("");
                }
            }
            _ => parts.push(part),
        }
    }
    let path = parts.join("/");
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("HTTPS://u:p@[::1]:8443/a b?c=ü#d").unwrap();
        assert_eq!((url.is_tls, url.host.as_str(), url.port), (true, "::1", Some(8443)));
        assert_eq!((url.path.as_str(), url.user_info.as_deref()), ("/a%20b?c=%C3%BC", Some("u:p")));
        assert_eq!(url.authority(), "[::1]:8443");
        assert_eq!(Url::parse("http://h?x").unwrap().path, "/?x");
        for wrong in ["h", "ftp://h", "http://", "http://h:x/", "http://[::1/", "http://a b/"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn redirects_are_resolved() {
        let from = Url::parse("http://h:1/a/b/c?x").unwrap();
        for (location, expected, stays) in [
            ("/d", "http://h:1/d", true),
            ("d?y", "http://h:1/a/b/d?y", true),
            ("../d", "http://h:1/a/d", true),
            ("./", "http://h:1/a/b/", true),
            ("?y", "http://h:1/a/b/c?y", true),
            ("//o/d", "http://o/d", false),
            ("https://o:2/d", "https://o:2/d", false),
        ] {
            let (url, same) = from.join(location).unwrap();
            assert_eq!(
                (url.with_authority(&url.authority()), same),
                (expected.to_string(), stays),
                "{location}"
            );
        }
    }
}
