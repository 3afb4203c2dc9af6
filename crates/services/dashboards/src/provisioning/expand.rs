//! Values of the environment and of files in Grafana's provisioning files.

/// Puts in values: `$NAME`, `${NAME}`, `$__env{NAME}` from the environment, `$__file{PATH}` from a file, without the
/// white space around it; `$$` is a dollar.
pub(crate) fn expand(text: &str) -> Result<String, String> {
    expand_with(text, |name| std::env::var(name).ok())
}

fn expand_with(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = |prefix: &str| rest.strip_prefix(prefix).and_then(|inner| inner.split_once('}'));
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((path, after)) = braced("__file{") {
            let text = std::fs::read_to_string(path.trim());
            out.push_str(text.map_err(|error| format!("{} cannot be read: {error}", path.trim()))?.trim());
            rest = after;
        } else if let Some((name, after)) = braced("__env{").or_else(|| braced("{")) {
            out.push_str(&value(name).unwrap_or_default());
            rest = after;
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            match end {
                0 => out.push('$'),
                _ => out.push_str(&value(&rest[..end]).unwrap_or_default()),
            }
            rest = &rest[end..];
        }
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_environment_and_of_files_are_put_in() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "abc\n").unwrap();
        let value = |name: &str| (name == "HOME_DIR").then(|| "/h".to_string());
        let by_file = format!("Bearer $__file{{{}}}", file.display());
        for (text, expected) in [
            ("$HOME_DIR/x", "/h/x"),
            ("${HOME_DIR}s", "/hs"),
            ("$__env{HOME_DIR}", "/h"),
            (&by_file, "Bearer abc"),
            ("a$$b", "a$b"),
            ("$NONE.", "."),
            ("5$", "5$"),
        ] {
            assert_eq!(expand_with(text, value).unwrap(), expected);
        }
        let error = expand_with("$__file{/nowhere/token}", value).unwrap_err();
        assert!(error.contains("/nowhere/token"), "{error}");
    }
}
