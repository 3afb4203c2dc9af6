//! Addresses of mail as people write them: `Name <a@b>, c@d`. RFC 5322, section 3.4.

/// An address, with the name of who has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address {
    /// The name, or empty.
    pub(super) name: String,
    /// `local@domain`.
    pub(super) mailbox: String,
}

/// Reads a list. Groups (`team: a@b, c@d;`) count as their members. The error says what is wrong.
pub(super) fn list(text: &str) -> Result<Vec<Address>, String> {
    let mut reader = Reader { rest: text };
    let mut found = Vec::new();
    loop {
        reader.skip()?;
        if reader.rest.is_empty() {
            break;
        }
        if reader.take(',') {
            continue;
        }
        reader.entry(&mut found, false)?;
        reader.skip()?;
        if !reader.rest.is_empty() && !reader.take(',') {
            return Err("expected comma".into());
        }
    }
    if found.is_empty() { Err("no address".into()) } else { Ok(found) }
}

struct Reader<'a> {
    rest: &'a str,
}

/// What an unquoted word is made of.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c) || (!c.is_ascii() && !c.is_control())
}

impl<'a> Reader<'a> {
    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Skips white space and comments.
    fn skip(&mut self) -> Result<(), String> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if !self.take('(') {
                return Ok(());
            }
            let mut depth = 1;
            while depth > 0 {
                let mut chars = self.rest.chars();
                match chars.next() {
                    None => return Err("misformatted parenthetical comment".into()),
                    Some('(') => depth += 1,
                    Some(')') => depth -= 1,
                    Some('\\') => {
                        chars.next();
                    }
                    Some(_) => {}
                }
                self.rest = chars.as_str();
            }
        }
    }

    /// A mailbox or a group. There are no groups inside of groups.
    fn entry(&mut self, found: &mut Vec<Address>, is_in_group: bool) -> Result<(), String> {
        let mut words = Vec::new();
        loop {
            self.skip()?;
            match self.rest.chars().next() {
                Some('"') => words.push(self.quoted()?),
                Some('<') => {
                    self.take('<');
                    self.skip()?;
                    let mailbox = self.mailbox()?;
                    self.skip()?;
                    if !self.take('>') {
                        return Err("unclosed angle-addr".into());
                    }
                    let words: Vec<String> = words.iter().map(|word| unencoded(word)).collect();
                    found.push(Address { name: words.join(" "), mailbox });
                    return Ok(());
                }
                Some('@') if words.len() == 1 => {
                    self.take('@');
                    let local = words.remove(0);
                    found.push(Address { name: String::new(), mailbox: self.with_domain(local)? });
                    return Ok(());
                }
                Some(':') if !words.is_empty() && !is_in_group => {
                    self.take(':');
                    loop {
                        self.skip()?;
                        if self.take(';') {
                            return Ok(());
                        }
                        if self.rest.is_empty() {
                            return Err("unclosed group".into());
                        }
                        if !self.take(',') {
                            self.entry(found, true)?;
                        }
                    }
                }
                Some(c) if is_word(c) => words.push(self.word().to_string()),
                _ => return Err("missing '@' or angle-addr".into()),
            }
        }
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// A text in quotes, without them.
    fn quoted(&mut self) -> Result<String, String> {
        self.take('"');
        let mut out = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next() {
                None => return Err("unclosed quoted-string".into()),
                Some('"') => break,
                Some('\\') => out.extend(chars.next()),
                Some(c) if c.is_control() && c != '\t' => {
                    return Err(format!("bad character in quoted-string: {c:?}"));
                }
                Some(c) => out.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(out)
    }

    fn mailbox(&mut self) -> Result<String, String> {
        let local = match self.rest.starts_with('"') {
            true => self.quoted()?,
            false => self.word().to_string(),
        };
        if local.is_empty() {
            return Err("invalid string".into());
        }
        if !self.take('@') {
            return Err("missing @ in addr-spec".into());
        }
        self.with_domain(local)
    }

    /// Reads the domain that belongs to a local part.
    fn with_domain(&mut self, local: String) -> Result<String, String> {
        let domain = if self.rest.starts_with('[') {
            let Some(end) = self.rest.find(']') else { return Err("unclosed domain-literal".into()) };
            let (literal, rest) = self.rest.split_at(end + 1);
            self.rest = rest;
            literal
        } else {
            self.word()
        };
        let is_dotted = |text: &str| text.split('.').all(|part| !part.is_empty());
        if domain.is_empty() {
            return Err("no angle-addr".into());
        }
        if domain.chars().any(|c| c.is_whitespace() || c.is_control() || "<>".contains(c))
            || !is_dotted(domain.trim_matches(['[', ']']))
        {
            return Err("malformed domain".into());
        }
        let is_plain = is_dotted(&local) && local.chars().all(is_word);
        Ok(match is_plain {
            true => format!("{local}@{domain}"),
            false => format!("{}@{domain}", quoted(&local)),
        })
    }
}

/// A text in quotes, with what is special inside them escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A word that is encoded as RFC 2047 has it, or any other word as it is.
fn unencoded(word: &str) -> String {
    let inside = word.strip_prefix("=?").and_then(|rest| rest.strip_suffix("?="));
    let mut parts = inside.unwrap_or_default().splitn(3, '?');
    let (charset, way, text) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    let bytes = match (charset.eq_ignore_ascii_case("utf-8"), way, text) {
        (true, "Q" | "q", Some(text)) => {
            let mut bytes = Vec::new();
            let mut rest = text.bytes();
            while let Some(byte) = rest.next() {
                match byte {
                    b'_' => bytes.push(b' '),
                    b'=' => {
                        let hex: String = rest.by_ref().take(2).map(char::from).collect();
                        let Ok(byte) = u8::from_str_radix(&hex, 16) else { return word.to_string() };
                        bytes.push(byte);
                    }
                    byte => bytes.push(byte),
                }
            }
            Some(bytes)
        }
        (true, "B" | "b", Some(text)) => net::client::base64_decoded(text),
        _ => None,
    };
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| word.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, expected) in [
            ("a@b", vec![("", "a@b")]),
            (" a.b+c@d.example , e@f ,", vec![("", "a.b+c@d.example"), ("", "e@f")]),
            ("Ann <a@b>", vec![("Ann", "a@b")]),
            ("Ann van  B. <a@b>, \"C, D\" <c@d>", vec![("Ann van B.", "a@b"), ("C, D", "c@d")]),
            ("\"say \\\"hi\\\"\" < a@b >", vec![("say \"hi\"", "a@b")]),
            ("a@b (that's me), (x (y)) c@d", vec![("", "a@b"), ("", "c@d")]),
            ("team: a@b, C <c@d>; , e@f", vec![("", "a@b"), ("C", "c@d"), ("", "e@f")]),
            ("Jürgen <j@bücher.example>", vec![("Jürgen", "j@bücher.example")]),
            (
                "=?utf-8?q?J=C3=BCr_gen?= <a@b>, =?UTF-8?B?w7w=?= <c@d>",
                vec![("Jür gen", "a@b"), ("ü", "c@d")],
            ),
            ("\"a b\"@c", vec![("", "\"a b\"@c")]),
            ("root@[127.0.0.1]", vec![("", "root@[127.0.0.1]")]),
            ("alert@localhost", vec![("", "alert@localhost")]),
        ] {
            let expected: Vec<Address> = expected
                .into_iter()
                .map(|(name, mailbox)| Address { name: name.into(), mailbox: mailbox.into() })
                .collect();
            assert_eq!(list(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, expected) in [
            ("", "no address"),
            (",", "no address"),
            ("a", "missing '@' or angle-addr"),
            ("a b@c", "missing '@' or angle-addr"),
            ("a@", "no angle-addr"),
            ("@b", "missing '@' or angle-addr"),
            ("a@b c@d", "expected comma"),
            ("<a@b", "unclosed angle-addr"),
            ("<a>", "missing @ in addr-spec"),
            ("a@b..c", "malformed domain"),
            ("a@b\r\nRCPT TO:<x@y>", "expected comma"),
            ("\"a\r\nb\"@c", "bad character in quoted-string: '\\r'"),
            ("x: a@b", "unclosed group"),
            ("x: y: a@b;;", "missing '@' or angle-addr"),
            ("a@b (", "misformatted parenthetical comment"),
        ] {
            assert_eq!(list(text), Err(expected.to_string()), "{text}");
        }
    }
}
