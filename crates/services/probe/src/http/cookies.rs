//! Cookies that a probe collects on its way through redirects (RFC 6265, as far as redirects need it).

use http::HeaderMap;
use http::header::SET_COOKIE;

use super::url::Url;

/// Cookies that are kept.
const COOKIES_MAX: usize = 100;

#[derive(Default)]
pub(super) struct Cookies(Vec<Cookie>);

struct Cookie {
    name: String,
    value: String,
    /// The host that set it, or the domain it named.
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
}

impl Cookies {
    /// Takes over what an answer sets.
    pub(super) fn take(&mut self, url: &Url, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            let Some(cookie) = header.to_str().ok().and_then(|text| parse(text, url)) else { continue };
            self.0.retain(|own| {
                (&own.name, &own.domain, &own.path) != (&cookie.name, &cookie.domain, &cookie.path)
            });
            if !cookie.value.is_empty() && self.0.len() < COOKIES_MAX {
                self.0.push(cookie);
            }
        }
    }

    /// The header `Cookie` of a request, if there is anything to say.
    pub(super) fn header(&self, url: &Url) -> Option<String> {
        let path = url.path.split('?').next().unwrap_or("/");
        let fits = |cookie: &&Cookie| {
            let host = url.host.to_ascii_lowercase();
            let domain = match cookie.host_only {
                true => host == cookie.domain,
                false => is_within(&host, &cookie.domain),
            };
            let below = path.strip_prefix(cookie.path.as_str());
            let path_fits = below
                .is_some_and(|rest| rest.is_empty() || cookie.path.ends_with('/') || rest.starts_with('/'));
            domain && path_fits && (url.is_tls || !cookie.secure)
        };
        let pairs: Vec<String> =
            self.0.iter().filter(fits).map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

fn is_within(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// A cookie; one that is to be removed has no value.
fn parse(text: &str, url: &Url) -> Option<Cookie> {
    let mut parts = text.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let directory = url.path.split('?').next().unwrap_or("/").rsplit_once('/').map_or("", |(path, _)| path);
    let host = url.host.to_ascii_lowercase();
    let mut cookie = Cookie {
        name: name.trim().to_string(),
        value: value.trim().to_string(),
        domain: host.clone(),
        host_only: true,
        path: if directory.is_empty() { "/".into() } else { directory.into() },
        secure: false,
    };
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" => {
                let domain = value.trim().trim_start_matches('.').to_ascii_lowercase();
                if !domain.is_empty() && domain != host {
                    // A server speaks for the domain it is in, and for none that is everybody's.
                    if !is_within(&host, &domain) || !domain.contains('.') {
                        return None;
                    }
                    (cookie.domain, cookie.host_only) = (domain, false);
                }
            }
            "path" if value.starts_with('/') => cookie.path = value.to_string(),
            "max-age" if value.trim().parse().is_ok_and(|age: i64| age <= 0) => cookie.value.clear(),
            "secure" => cookie.secure = true,
            _ => {}
        }
    }
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_go_back_to_where_they_belong() {
        let url = |text: &str| Url::parse(text).unwrap();
        let mut headers = HeaderMap::new();
        for cookie in [
            "a=1; Path=/x",
            "b=2; Domain=shop.test",
            "c=3; Domain=evil.test",
            "d=4; Secure",
            "e=5; Domain=test",
        ] {
            headers.append(SET_COOKIE, cookie.parse().unwrap());
        }
        let mut cookies = Cookies::default();
        cookies.take(&url("http://www.shop.test/login"), &headers);
        assert_eq!(cookies.header(&url("http://www.shop.test/x/y")).as_deref(), Some("a=1; b=2"));
        assert_eq!(cookies.header(&url("http://api.shop.test/xy")).as_deref(), Some("b=2"));
        assert_eq!(cookies.header(&url("https://www.shop.test/")).as_deref(), Some("b=2; d=4"));
        assert_eq!(cookies.header(&url("http://evil.test/")), None);
    }
}
