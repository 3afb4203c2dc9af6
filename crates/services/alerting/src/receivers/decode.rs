//! Settings that several kinds have.

use config::http_client::PathBase;
use config::{Fields, Node, Result, Secret};

use super::SecretSource;

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

/// Takes a URL that is a secret, in place or in a file, of which at most one may be set.
pub(crate) fn secret_url(
    fields: &mut Fields<'_>,
    base: &PathBase,
    names: (&'static str, &'static str),
) -> Result<Option<SecretSource>> {
    if let Some(node) = fields.peek(names.0).filter(|node| !node.is_null()) {
        let text = node.string()?;
        // What does not parse is not shown: it is a secret all the same. The token is what a
        // configuration that was read from an API has in the place of secrets.
        let is_url = config::Url::parse(&text).is_ok();
        if !text.is_empty() && text != Secret::MASK && !is_url {
            return Err(node.error(format!("{} cannot be read as a URL", names.0)));
        }
        if !text.is_empty() && text != Secret::MASK {
            http_url(node)?;
        }
    }
    take_secret(fields, base, names)
}

/// Takes a secret, in place or in a file, of which at most one may be set.
pub(crate) fn take_secret(
    fields: &mut Fields<'_>,
    base: &PathBase,
    names: (&'static str, &'static str),
) -> Result<Option<SecretSource>> {
    let exclusive = format!("at most one of {} & {} must be configured", names.0, names.1);
    SecretSource::take(fields, base, names, &exclusive)
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
