//! XML as APIs answer in it: elements, attributes and texts; no namespaces, no entities of its own.

use std::fmt::Write;

/// Elements inside elements; more is refused.
const DEPTH_MAX: usize = 64;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// The text directly inside it, without the white space around it.
    pub(crate) text: String,
}

impl Element {
    /// The first child of a name; `a.b` goes two levels down.
    pub(crate) fn child(&self, path: &str) -> Option<&Element> {
        path.split('.')
            .try_fold(self, |element, name| element.children.iter().find(|child| child.name == name))
    }

    /// The text at a path, or nothing.
    pub(crate) fn text_at(&self, path: &str) -> &str {
        self.child(path).map_or("", |element| element.text.as_str())
    }

    /// The children of a name below a path.
    pub(crate) fn all<'a>(&'a self, path: &str, name: &'a str) -> impl Iterator<Item = &'a Element> {
        let parent = if path.is_empty() { Some(self) } else { self.child(path) };
        parent.into_iter().flat_map(|parent| &parent.children).filter(move |child| child.name == name)
    }

    /// An attribute, or nothing.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

/// Reads a document; its outermost element.
pub(crate) fn parse(text: &str) -> Result<Element, String> {
    let mut open: Vec<Element> = vec![Element::default()];
    let mut rest = text;
    let fail = |what: &str| Err(format!("the answer is not XML: {what}"));
    while let Some(at) = rest.find('<') {
        let Some(current) = open.last_mut() else { return fail("too many ends") };
        current.text.push_str(&unescaped(&rest[..at]));
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<!--") {
            let Some(end) = after.find("-->") else { return fail("a comment does not end") };
            rest = &after[end + 3..];
        } else if let Some(after) = rest.strip_prefix("<![CDATA[") {
            let Some(end) = after.find("]]>") else { return fail("a CDATA section does not end") };
            current.text.push_str(&after[..end]);
            rest = &after[end + 3..];
        } else if rest.starts_with("<?") || rest.starts_with("<!") {
            let Some(end) = rest.find('>') else { return fail("a declaration does not end") };
            rest = &rest[end + 1..];
        } else {
            let Some(end) = tag_end(rest) else { return fail("a tag does not end") };
            let tag = &rest[1..end];
            rest = &rest[end + 1..];
            if let Some(name) = tag.strip_prefix('/') {
                let (Some(mut done), Some(parent)) = (open.pop(), open.last_mut()) else {
                    return fail("too many ends");
                };
                if done.name != local(name.trim()) {
                    return fail(&format!("</{}> ends <{}>", name.trim(), done.name));
                }
                done.text = done.text.trim().to_string();
                parent.children.push(done);
                continue;
            }
            let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let name_end = tag.find(char::is_whitespace).unwrap_or(tag.len());
            let element = Element {
                name: local(&tag[..name_end]).to_string(),
                attributes: attributes(&tag[name_end..]),
                ..Element::default()
            };
            if is_empty {
                current.children.push(element);
            } else if open.len() > DEPTH_MAX {
                return fail("too many levels");
            } else {
                open.push(element);
            }
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(mut document), true) if !document.children.is_empty() => Ok(document.children.remove(0)),
        _ => fail("an element does not end"),
    }
}

/// A name without its namespace.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Where a tag ends; `>` may stand in an attribute.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        None
    })
}

fn attributes(mut text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    while let Some((name, after)) = text.split_once('=') {
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else { break };
        let Some((value, rest)) = after[1..].split_once(quote) else { break };
        out.push((local(name.trim()).to_string(), unescaped(value)));
        text = rest;
    }
    out
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = rest.find(';') else { break };
        let known = match &rest[1..end] {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            number => {
                let hex = number.strip_prefix("#x").map(|hex| u32::from_str_radix(hex, 16).ok());
                let code = hex.unwrap_or_else(|| number.strip_prefix('#').and_then(|code| code.parse().ok()));
                code.and_then(char::from_u32)
            }
        };
        match known {
            Some(c) => out.push(c),
            None => out.push_str(&rest[..=end]),
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

/// A text as it may stand between tags.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => _ = write!(out, "&#{};", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_attributes_and_texts_are_read() {
        let text = "<?xml version=\"1.0\"?><!-- > --><a x='1' n:y=\"a>b\"><b>one &amp; &#x41;</b><b/><c><![CDATA[<d>]]></c></a>\n";
        let root = parse(text).unwrap();
        assert_eq!((root.name.as_str(), root.attribute("x"), root.attribute("y")), ("a", "1", "a>b"));
        assert_eq!((root.text_at("b"), root.text_at("c"), root.text_at("d.e")), ("one & A", "<d>", ""));
        assert_eq!(root.all("", "b").count(), 2);
        for bad in ["", "<a>", "<a></b>", "<a", "</a>", "<a><b></a></b>"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"<a>".repeat(1000)).is_err());
        assert_eq!(escaped("a<b&c"), "a&lt;b&amp;c");
    }
}
