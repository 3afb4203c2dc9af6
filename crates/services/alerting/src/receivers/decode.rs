//! Settings that several kinds have.

use config::{Fields, Node, Result};

/// A URL that is not a secret: `http` or `https`, and a host.
pub(crate) fn http_url(node: &Node) -> Result<String> {
    let text = node.string()?;
    let url = config::Url::parse(&text).map_err(|why| node.error(why))?;
    if url.scheme != "http" && url.scheme != "https" {
        return Err(node.error(format!("unsupported scheme {:?} for URL", url.scheme)));
    }
    if url.host.is_empty() {
        return Err(node.error("missing host for URL"));
    }
    Ok(text)
}

/// A URL whose path ends with a slash, so that a path can be appended.
pub(crate) fn with_slash(mut url: String) -> String {
    if !url.ends_with('/') {
        url.push('/');
    }
    url
}

/// A duration as Go writes it, `1m` or `1.5s`, in ms.
pub(crate) fn go_duration_ms(node: &Node) -> Result<i64> {
    let text = node.string()?;
    let parsed = gocompat::duration::parse_ns(&text).map_err(|error| node.error(error.to_string()))?;
    Ok(parsed / 1_000_000)
}

/// A template with a default.
pub(crate) fn template(fields: &mut Fields<'_>, name: &'static str, default: &str) -> Result<String> {
    fields.or(name, default.to_string(), Node::string)
}

/// Names and templates, in the order of the file.
pub(crate) fn templates(fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<(String, String)>> {
    fields.or(name, Vec::new(), |node| node.map(Node::string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_must_lead_somewhere() {
        let url = |text: &str| http_url(&Node::parse(text).unwrap()).map_err(|error| error.message);
        assert_eq!(url("http://a/b"), Ok("http://a/b".into()));
        assert_eq!(url("ftp://a"), Err("unsupported scheme \"ftp\" for URL".into()));
        assert_eq!(url("https:///a"), Err("missing host for URL".into()));
        assert_eq!(with_slash("http://a".into()), "http://a/");
        assert_eq!(with_slash("http://a/".into()), "http://a/");
    }

    #[test]
    fn durations_are_those_of_go() {
        let ms = |text: &str| go_duration_ms(&Node::parse(text).unwrap()).ok();
        assert_eq!((ms("1.5s"), ms("1h1m"), ms("1d")), (Some(1_500), Some(3_660_000), None));
    }
}
