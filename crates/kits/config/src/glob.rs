//! File name patterns, as `rule_files`, `scrape_config_files` and file discovery use them.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Files that one pattern may name.
const FILES_MAX: usize = 10_000;

/// Whether a name matches a pattern: `*` stands for any characters, `?` for one, `[a-z]` and
/// `[^a-z]` for one of a class, `\` takes the next character as it is. No wildcard matches `/`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Where to go on after a mismatch: behind the last star, one character later in the name.
    let mut retry: Option<(usize, usize)> = None;
    let (mut p, mut n) = (0, 0);
    loop {
        if pattern.get(p) == Some(&'*') {
            retry = Some((p + 1, n));
            p += 1;
            continue;
        }
        if n == name.len() && p == pattern.len() {
            return true;
        }
        let step = name.get(n).and_then(|c| one(&pattern[p..], *c));
        match (step, retry) {
            (Some(length), _) => {
                p += length;
                n += 1;
            }
            (None, Some((behind_star, from))) if from < name.len() && name[from] != '/' => {
                retry = Some((behind_star, from + 1));
                (p, n) = (behind_star, from + 1);
            }
            _ => return false,
        }
    }
}

/// How much of the pattern matches this one character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => (c != '/').then_some(1),
        '\\' => (*pattern.get(1)? == c).then_some(2),
        '[' => {
            let negated = pattern.get(1) == Some(&'^');
            let mut at = 1 + usize::from(negated);
            let (first, mut found) = (at, false);
            loop {
                let low = match pattern.get(at)? {
                    ']' if at > first => break,
                    '\\' => {
                        at += 1;
                        *pattern.get(at)?
                    }
                    low => *low,
                };
                let ranged = pattern.get(at + 1) == Some(&'-') && pattern.get(at + 2) != Some(&']');
                let high = if ranged { *pattern.get(at + 2)? } else { low };
                at += if ranged { 3 } else { 1 };
                found |= low <= c && c <= high;
            }
            (found != negated && c != '/').then_some(at + 1)
        }
        literal => (*literal == c).then_some(1),
    }
}

/// Whether a text has a wildcard.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// The files that a pattern names, sorted. A pattern without a wildcard names a file whether it
/// exists or not; a folder that is not there has no files.
pub fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !is_pattern(&text) {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let mut next = Vec::new();
        for folder in &found {
            let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let entries = match std::fs::read_dir(listed) {
                Ok(entries) => entries,
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            for entry in entries {
                let name = entry?.file_name();
                if name.to_str().is_some_and(|name| matches(&text, name)) {
                    next.push(folder.join(name));
                }
                if next.len() > FILES_MAX {
                    return Err(io::Error::other(format!(
                        "{} names more than {FILES_MAX} files",
                        pattern.display()
                    )));
                }
            }
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_like_a_shell() {
        for (pattern, name, expected) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "a.yaml", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?x", "ax", true),
            ("?x", "x", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[]a]", "]", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("*", "", true),
            ("[a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_wildcard_may_stand_in_any_part_of_a_path() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/1.yml", "b/2.yml", "b/3.json"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = expand(&folder.path().join("*/*.yml")).unwrap();
        assert_eq!(found, [folder.path().join("a/1.yml"), folder.path().join("b/2.yml")]);
        assert!(expand(&folder.path().join("none/*.yml")).unwrap().is_empty());
        assert_eq!(expand(&folder.path().join("x.yml")).unwrap().len(), 1);
    }
}
