//! What Go's `html/template` adds: values are escaped for the place where they stand.
//!
//! The page is followed as it is written: each literal text moves a small HTML tokenizer, and each
//! value is made safe for the state it meets. Go decides this once, before the first run, and refuses
//! templates whose branches end in different states; here every run is followed on its own, so
//! branches may end as they like. Comments in HTML are left out, as Go does.

mod write;

use super::value::{Object, Value};
use std::sync::Arc;
use write::{
    css_string, css_value, is_safe_url, js_string, js_value, kept_entity, kept_unquoted_entity, plain_entity,
    push_escaped, srcset, unquoted_entity, url, without_tags,
};

/// Stands where a value would have been dangerous.
const UNSAFE: &str = "ZgotmplZ";

/// A text that is trusted in some place: it is not escaped there.
#[derive(Clone, Debug)]
pub struct Trusted {
    kind: Trust,
    text: Arc<str>,
}

/// What a trusted text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A piece of HTML.
    Html,
    /// A URL, of any scheme.
    Url,
}

impl Trusted {
    /// A value that is trusted as `kind`.
    pub fn value(kind: Trust, text: &str) -> Value {
        Value::object(Trusted { kind, text: text.into() })
    }
}

impl Object for Trusted {
    fn type_name(&self) -> &str {
        match self.kind {
            Trust::Html => "template.HTML",
            Trust::Url => "template.URL",
        }
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::String(self.text.clone()))
    }
}

/// The kinds of place a value can stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// In a `title` or `textarea`: text that has no tags.
    RawText,
    Comment,
    Tag,
    AttrName,
    AfterName,
    BeforeValue,
    /// In the value of an attribute of no special kind.
    Attr,
    Url,
    Srcset,
    Js,
    /// In a string or template literal; the byte is the quote.
    JsString(u8),
    JsRegexp,
    JsLineComment,
    JsBlockComment,
    Css,
    CssString(u8),
    /// In `url(…)`; the byte is the quote, 0 if there is none.
    CssUrl(u8),
    CssComment,
}

/// What ends an attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    /// Not in an attribute's value.
    None,
    Quote(u8),
    SpaceOrTagEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    None,
    Script,
    Style,
    Textarea,
    Title,
}

impl Element {
    fn of(name: &str) -> Element {
        match name {
            "script" => Element::Script,
            "style" => Element::Style,
            "textarea" => Element::Textarea,
            "title" => Element::Title,
            _ => Element::None,
        }
    }

    fn closing_tag(self) -> &'static str {
        match self {
            Element::Script => "</script",
            Element::Style => "</style",
            Element::Textarea => "</textarea",
            Element::Title => "</title",
            Element::None => "",
        }
    }

    /// What is within it.
    fn content(self) -> State {
        match self {
            Element::None => State::Text,
            Element::Script => State::Js,
            Element::Style => State::Css,
            Element::Textarea | Element::Title => State::RawText,
        }
    }
}

/// How far a URL has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UrlPart {
    None,
    BeforeQuery,
    QueryOrFragment,
}

/// Where a page stands.
#[derive(Clone, Debug)]
pub(super) struct Page {
    state: State,
    delimiter: Delimiter,
    element: Element,
    url_part: UrlPart,
    /// What the value of the attribute begun will be.
    attr: State,
    /// The attribute's name as far as it was read.
    name: String,
    /// Whether a slash in JavaScript would begin a regular expression.
    slash_is_regexp: bool,
}

impl Default for Page {
    fn default() -> Self {
        Page {
            state: State::Text,
            delimiter: Delimiter::None,
            element: Element::None,
            url_part: UrlPart::None,
            attr: State::Attr,
            name: String::new(),
            slash_is_regexp: true,
        }
    }
}

/// What the value of an attribute of this name, in lower case, is.
fn attr_state(name: &str) -> State {
    let name = match (name.strip_prefix("data-"), name.split_once(':')) {
        (Some(rest), _) => rest,
        (None, Some(("xmlns", _))) => return State::Url,
        (None, Some((_, short))) => short,
        (None, None) => name,
    };
    match name {
        "action" | "archive" | "background" | "cite" | "classid" | "codebase" | "data" | "formaction"
        | "href" | "icon" | "longdesc" | "manifest" | "poster" | "profile" | "src" | "usemap" | "xmlns" => {
            State::Url
        }
        "srcset" => State::Srcset,
        "style" => State::Css,
        "srcdoc" | "srclang" => State::Attr,
        name if name.starts_with("on") => State::Js,
        name if ["src", "uri", "url"].iter().any(|part| name.contains(part)) => State::Url,
        _ => State::Attr,
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    text.windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted))
}

impl Page {
    /// Takes literal text of the template.
    pub(super) fn text(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while !rest.is_empty() {
            let taken = match self.delimiter {
                Delimiter::None => self.outside(rest, out),
                _ => self.in_attr(rest, out),
            };
            rest = rest.get(taken.max(1)..).unwrap_or("");
        }
    }

    /// Text outside of attribute values. Gives how much of it was taken.
    fn outside(&mut self, text: &str, out: &mut String) -> usize {
        match self.state {
            State::Text => self.in_text(text, out),
            State::Comment => match text.find("-->") {
                Some(at) => {
                    self.state = State::Text;
                    at + 3
                }
                None => text.len(),
            },
            State::Tag => self.in_tag(text, out),
            State::AttrName => self.in_attr_name(text, out),
            State::AfterName => {
                let space = text.bytes().take_while(|&byte| is_space(byte)).count();
                if text.as_bytes().get(space) == Some(&b'=') {
                    self.state = State::BeforeValue;
                    push(out, &text[..=space])
                } else {
                    if space < text.len() {
                        self.state = State::Tag;
                    }
                    // Nothing may be taken when the next byte is the tag's.
                    let taken = push(out, &text[..space]);
                    if taken == 0 { self.in_tag(text, out) } else { taken }
                }
            }
            State::BeforeValue => {
                let space = text.bytes().take_while(|&byte| is_space(byte)).count();
                let Some(&byte) = text.as_bytes().get(space) else { return push(out, text) };
                if byte == b'>' {
                    self.state = State::Tag;
                    let taken = push(out, &text[..space]);
                    return if taken == 0 { self.in_tag(text, out) } else { taken };
                }
                let is_quote = matches!(byte, b'"' | b'\'');
                self.begin_value(if is_quote { Delimiter::Quote(byte) } else { Delimiter::SpaceOrTagEnd });
                let begin = space + usize::from(is_quote);
                out.push_str(&text[..begin]);
                begin + self.in_attr(&text[begin..], out)
            }
            _ => self.in_raw(text, out),
        }
    }

    fn begin_value(&mut self, delimiter: Delimiter) {
        self.delimiter = delimiter;
        self.state = self.attr;
        self.url_part = UrlPart::None;
        self.slash_is_regexp = true;
    }

    fn in_text(&mut self, text: &str, out: &mut String) -> usize {
        let bytes = text.as_bytes();
        let mut from = 0;
        while let Some(at) = memchr::memchr(b'<', &bytes[from..]).map(|at| from + at) {
            if text[at..].starts_with("<!--") {
                self.state = State::Comment;
                out.push_str(&text[from..at]);
                return at + 4;
            }
            let is_end = bytes.get(at + 1) == Some(&b'/');
            let begin = at + 1 + usize::from(is_end);
            let len = bytes[begin.min(bytes.len())..]
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-'))
                .count();
            if len > 0 && bytes[begin].is_ascii_alphabetic() {
                let name = text[begin..begin + len].to_ascii_lowercase();
                self.element = if is_end { Element::None } else { Element::of(&name) };
                self.state = State::Tag;
                out.push_str(&text[from..begin + len]);
                return begin + len;
            }
            // The type of the document, or a sign of its own.
            let is_type = bytes.get(at..at + 9).is_some_and(|begin| begin.eq_ignore_ascii_case(b"<!doctype"));
            out.push_str(&text[from..at]);
            out.push_str(if is_type { "<" } else { "&lt;" });
            from = at + 1;
        }
        out.push_str(&text[from..]);
        text.len()
    }

    fn in_tag(&mut self, text: &str, out: &mut String) -> usize {
        let skipped = text.bytes().take_while(|&byte| is_space(byte) || byte == b'/').count();
        let Some(&byte) = text.as_bytes().get(skipped) else { return push(out, text) };
        if byte == b'>' {
            self.state = self.element.content();
            self.slash_is_regexp = true;
            return push(out, &text[..=skipped]);
        }
        out.push_str(&text[..skipped]);
        self.name.clear();
        self.state = State::AttrName;
        skipped + self.in_attr_name(&text[skipped..], out)
    }

    fn in_attr_name(&mut self, text: &str, out: &mut String) -> usize {
        let len = text
            .bytes()
            .take_while(|&byte| !is_space(byte) && !matches!(byte, b'=' | b'>' | b'/' | b'"' | b'\''))
            .count();
        let odd = usize::from(len == 0 && matches!(text.as_bytes().first(), Some(b'"' | b'\'')));
        let taken = &text[..len + odd];
        self.name.push_str(&taken.to_ascii_lowercase());
        out.push_str(taken);
        if taken.len() < text.len() {
            self.attr = attr_state(&self.name);
            self.state = State::AfterName;
            if taken.is_empty() {
                return self.outside(text, out);
            }
        }
        taken.len()
    }

    /// Text within an attribute's value.
    fn in_attr(&mut self, text: &str, out: &mut String) -> usize {
        let end = match self.delimiter {
            Delimiter::Quote(quote) => memchr::memchr(quote, text.as_bytes()),
            _ => text.bytes().position(|byte| is_space(byte) || byte == b'>'),
        };
        let value = &text[..end.unwrap_or(text.len())];
        if value.contains('&') {
            let plain = value
                .replace("&quot;", "\"")
                .replace("&#34;", "\"")
                .replace("&#39;", "'")
                .replace("&apos;", "'")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&");
            self.within(&plain);
        } else {
            self.within(value);
        }
        out.push_str(value);
        let Some(end) = end else { return text.len() };
        let is_quoted = matches!(self.delimiter, Delimiter::Quote(_));
        self.delimiter = Delimiter::None;
        self.state = State::Tag;
        if is_quoted {
            out.push_str(&text[end..=end]);
            end + 1
        } else {
            // The byte that ends the value is the tag's.
            end + self.in_tag(&text[end..], out)
        }
    }

    /// The content of `script`, `style`, `textarea` and `title`, up to the end tag.
    fn in_raw(&mut self, text: &str, out: &mut String) -> usize {
        let closing = self.element.closing_tag();
        let end = if closing.is_empty() { None } else { find_ignoring_case(text, closing) };
        let content = &text[..end.unwrap_or(text.len())];
        self.within(content);
        out.push_str(content);
        let Some(end) = end else { return text.len() };
        self.state = State::Tag;
        self.element = Element::None;
        let end = end + closing.len();
        out.push_str(&text[content.len()..end]);
        end
    }

    /// Follows what is in a URL, in JavaScript or in CSS.
    fn within(&mut self, text: &str) {
        match self.state {
            State::Url => self.in_url(text),
            State::Js
            | State::JsString(_)
            | State::JsRegexp
            | State::JsLineComment
            | State::JsBlockComment => self.in_js(text.as_bytes()),
            State::Css | State::CssString(_) | State::CssUrl(_) | State::CssComment => {
                self.in_css(text.as_bytes());
            }
            _ => {}
        }
    }

    fn in_url(&mut self, text: &str) {
        if text.contains(['?', '#']) {
            self.url_part = UrlPart::QueryOrFragment;
        } else if self.url_part == UrlPart::None && !text.trim().is_empty() {
            self.url_part = UrlPart::BeforeQuery;
        }
    }

    fn in_js(&mut self, text: &[u8]) {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let next = text.get(at + 1).copied();
            at += 1;
            match self.state {
                State::JsString(quote) => match byte {
                    b'\\' => at += 1,
                    byte if byte == quote => {
                        self.state = State::Js;
                        self.slash_is_regexp = false;
                    }
                    _ => {}
                },
                State::JsRegexp => match byte {
                    b'\\' => at += 1,
                    b'/' => {
                        self.state = State::Js;
                        self.slash_is_regexp = false;
                    }
                    _ => {}
                },
                State::JsLineComment if matches!(byte, b'\n' | b'\r') => self.state = State::Js,
                State::JsBlockComment if byte == b'*' && next == Some(b'/') => {
                    at += 1;
                    self.state = State::Js;
                }
                State::JsLineComment | State::JsBlockComment => {}
                _ => match (byte, next) {
                    (b'"' | b'\'' | b'`', _) => self.state = State::JsString(byte),
                    (b'/', Some(b'/')) => self.state = State::JsLineComment,
                    (b'/', Some(b'*')) => {
                        at += 1;
                        self.state = State::JsBlockComment;
                    }
                    (b'/', _) if self.slash_is_regexp => self.state = State::JsRegexp,
                    (byte, _) if is_space(byte) => {}
                    (byte, _) => {
                        self.slash_is_regexp = !(byte.is_ascii_alphanumeric()
                            || matches!(byte, b')' | b']' | b'}' | b'_' | b'$'));
                    }
                },
            }
        }
    }

    fn in_css(&mut self, text: &[u8]) {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let next = text.get(at + 1).copied();
            at += 1;
            match self.state {
                State::CssString(quote) => match byte {
                    b'\\' => at += 1,
                    byte if byte == quote => self.state = State::Css,
                    _ => {}
                },
                State::CssUrl(quote) => {
                    let is_end = if quote == 0 { byte == b')' || is_space(byte) } else { byte == quote };
                    match byte {
                        b'\\' => at += 1,
                        _ if is_end => self.state = State::Css,
                        b'?' | b'#' => self.url_part = UrlPart::QueryOrFragment,
                        _ if self.url_part == UrlPart::None => self.url_part = UrlPart::BeforeQuery,
                        _ => {}
                    }
                }
                State::CssComment => {
                    if byte == b'*' && next == Some(b'/') {
                        at += 1;
                        self.state = State::Css;
                    }
                }
                _ => match (byte, next) {
                    (b'"' | b'\'', _) => {
                        self.state = State::CssString(byte);
                        self.url_part = UrlPart::None;
                    }
                    (b'/', Some(b'*')) => {
                        at += 1;
                        self.state = State::CssComment;
                    }
                    (b'(', _) if ends_with_url(&text[..at - 1]) => {
                        while text.get(at).is_some_and(|&byte| is_space(byte)) {
                            at += 1;
                        }
                        let quote = match text.get(at) {
                            Some(&quote @ (b'"' | b'\'')) => {
                                at += 1;
                                quote
                            }
                            _ => 0,
                        };
                        self.state = State::CssUrl(quote);
                        self.url_part = UrlPart::None;
                    }
                    _ => {}
                },
            }
        }
    }

    /// Takes a value. `text` is how it prints; `is_escaped` says that the template escaped it for HTML
    /// itself (`html`), `is_url_escaped` that it did for a URL (`urlquery`).
    pub(super) fn value(&mut self, value: &Value, text: &str, escaped: Escaped, out: &mut String) {
        match self.state {
            State::Tag | State::AfterName => {
                self.state = State::AttrName;
                self.name.clear();
            }
            State::BeforeValue => self.begin_value(Delimiter::SpaceOrTagEnd),
            _ => {}
        }
        let trust = value.downcast::<Trusted>().map(|trusted| trusted.kind);
        let inner = match self.state {
            State::Text => {
                if trust == Some(Trust::Html) || escaped == Escaped::Html {
                    out.push_str(text);
                } else {
                    push_escaped(out, text, plain_entity);
                }
                return;
            }
            State::RawText => {
                push_escaped(out, text, if trust == Some(Trust::Html) { kept_entity } else { plain_entity });
                return;
            }
            State::AttrName | State::Tag | State::AfterName | State::BeforeValue => {
                let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
                let is_harmless = attr_state(&text.to_ascii_lowercase()) == State::Attr;
                let shown = if is_name && is_harmless { text } else { UNSAFE };
                out.push_str(shown);
                self.name.push_str(shown);
                return;
            }
            State::Comment | State::JsLineComment | State::JsBlockComment | State::CssComment => return,
            State::Attr if trust == Some(Trust::Html) => {
                let stripped = without_tags(text);
                push_escaped(
                    out,
                    &stripped,
                    match self.delimiter {
                        Delimiter::SpaceOrTagEnd => kept_unquoted_entity,
                        _ => kept_entity,
                    },
                );
                return;
            }
            State::Attr if escaped == Escaped::Html && self.delimiter != Delimiter::SpaceOrTagEnd => {
                out.push_str(text);
                return;
            }
            State::Attr => text.to_string(),
            State::Url | State::CssUrl(_) => self.url(text, trust, escaped),
            State::Srcset => srcset(text, trust),
            State::Js => {
                self.slash_is_regexp = false;
                js_value(value)
            }
            State::JsString(_) => js_string(text, false),
            State::JsRegexp => js_string(text, true),
            State::Css => css_value(text),
            State::CssString(_) => css_string(text),
        };
        match self.delimiter {
            Delimiter::None => out.push_str(&inner),
            Delimiter::Quote(_) => push_escaped(out, &inner, plain_entity),
            Delimiter::SpaceOrTagEnd if inner.is_empty() => out.push_str(UNSAFE),
            Delimiter::SpaceOrTagEnd => push_escaped(out, &inner, unquoted_entity),
        }
    }

    fn url(&self, text: &str, trust: Option<Trust>, escaped: Escaped) -> String {
        let is_trusted = trust == Some(Trust::Url);
        match self.url_part {
            UrlPart::None if !is_trusted && !is_safe_url(text) => format!("#{UNSAFE}"),
            UrlPart::QueryOrFragment if escaped == Escaped::Url => text.to_string(),
            UrlPart::QueryOrFragment if !is_trusted => url(text, false),
            _ => url(text, true),
        }
    }
}

/// What the template itself did last to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escaped {
    No,
    /// `html`
    Html,
    /// `urlquery`
    Url,
}

fn push(out: &mut String, text: &str) -> usize {
    out.push_str(text);
    text.len()
}

fn ends_with_url(text: &[u8]) -> bool {
    let end = text.iter().rposition(|&byte| !is_space(byte)).map_or(0, |at| at + 1);
    text[..end].len() >= 3 && text[end - 3..end].eq_ignore_ascii_case(b"url")
}
