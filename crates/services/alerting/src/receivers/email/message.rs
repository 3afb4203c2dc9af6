//! A mail as it travels: headers and a body of alternatives, in lines of ASCII. RFC 5322, 2045 to 2047.

use super::address::{self, quoted};

/// Where lines of headers are folded if they can be.
const FOLD_AT_CHARS: usize = 76;
/// Where they must be: SMTP has no longer lines.
const LINE_MAX_CHARS: usize = 990;
/// The longest encoded word.
const WORD_MAX_CHARS: usize = 75;
/// Headers that hold addresses, whose names are encoded one by one.
const OF_ADDRESSES: [&str; 6] = ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"];

/// What a mail is made of.
pub(super) struct Message<'a> {
    /// Headers in their order, beyond those that describe the body.
    pub(super) headers: &'a [(String, String)],
    /// What parts are told apart by. Must not stand in them.
    pub(super) boundary: &'a str,
    /// The text, or empty.
    pub(super) text: &'a str,
    /// The same as HTML, or empty.
    pub(super) html: &'a str,
}

impl Message<'_> {
    /// The mail, in lines that end with carriage return and line feed.
    pub(super) fn encoded(&self) -> String {
        let mut out = String::with_capacity(1024 + (self.text.len() + self.html.len()) * 5 / 4);
        for (name, value) in self.headers {
            push_header(&mut out, name, value);
        }
        out.push_str("MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=");
        out.push_str(self.boundary);
        out.push_str("\r\n\r\n");
        // The part that is shown where all can be comes last. A body must have a part.
        let parts = [("plain", self.text), ("html", self.html)];
        let is_empty = self.text.is_empty() && self.html.is_empty();
        for (kind, body) in
            parts.into_iter().filter(|(kind, body)| !body.is_empty() || (is_empty && *kind == "plain"))
        {
            out.push_str("--");
            out.push_str(self.boundary);
            out.push_str("\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/");
            out.push_str(kind);
            out.push_str("; charset=UTF-8\r\n\r\n");
            push_quoted_printable(&mut out, body);
            out.push_str("\r\n");
        }
        out.push_str("--");
        out.push_str(self.boundary);
        out.push_str("--\r\n");
        out
    }
}

/// A header's name as it is compared: `message-id` is `Message-Id`.
pub(super) fn canonical(name: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !name.chars().all(is_token) {
        return name.to_string();
    }
    let mut starts = true;
    name.chars()
        .map(|c| {
            let cased = if starts { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            starts = c == '-';
            cased
        })
        .collect()
}

fn push_header(out: &mut String, name: &str, value: &str) {
    let is_plain = value.chars().all(|c| matches!(c, ' '..='~' | '\t'));
    let value = match address::list(value) {
        _ if is_plain => value.to_string(),
        Ok(addresses) if OF_ADDRESSES.contains(&name) => {
            let shown = addresses.iter().map(|address| match address.name.as_str() {
                "" => address.mailbox.clone(),
                // An encoded name may hold anything, ends of lines too.
                name if name.chars().all(|c| matches!(c, ' '..='~')) => {
                    format!("{} <{}>", quoted(name), address.mailbox)
                }
                name => format!("{} <{}>", encoded_words(name, 0), address.mailbox),
            });
            shown.collect::<Vec<_>>().join(", ")
        }
        _ => encoded_words(value, name.len() + 2),
    };
    let start = out.len();
    out.push_str(name);
    out.push_str(": ");
    push_folded(out, &value, start);
    out.push_str("\r\n");
}

/// Appends the text of a header, broken at spaces where its lines would get long. What is broken so is
/// read as if it were not.
fn push_folded(out: &mut String, value: &str, start: usize) {
    let mut line_start = start;
    for (at, piece) in value.split(' ').enumerate() {
        if at > 0 {
            // A line of nothing but white space would end the headers.
            let has_words = !out.get(line_start..).unwrap_or_default().trim().is_empty();
            if has_words && !piece.is_empty() && out.len() - line_start + 1 + piece.len() > FOLD_AT_CHARS {
                out.push_str("\r\n");
                line_start = out.len();
            }
            out.push(' ');
        }
        if piece.len() <= LINE_MAX_CHARS {
            out.push_str(piece);
            continue;
        }
        // Without a space it cannot be broken, unless it is encoded.
        let words = encoded_words(piece, out.len() - line_start);
        out.push_str(&words.replace(' ', "\r\n "));
        line_start = out.rfind('\n').map_or(line_start, |at| at + 1);
    }
}

/// A text as encoded words with spaces between them, which do not count. `taken` characters of the
/// first line are used already.
fn encoded_words(text: &str, taken: usize) -> String {
    const OPEN: &str = "=?utf-8?q?";
    let mut out = String::from(OPEN);
    let mut length = OPEN.len() + taken.min(WORD_MAX_CHARS / 2);
    for c in text.chars() {
        let mut bytes = [0; 4];
        let piece: String = match c {
            ' ' => "_".into(),
            '!'..='~' if !"=?_\"(),.:;<>@[\\]".contains(c) => c.into(),
            c => c.encode_utf8(&mut bytes).bytes().map(|byte| format!("={byte:02X}")).collect(),
        };
        // Characters stay in one piece.
        if length + piece.len() + 2 > WORD_MAX_CHARS {
            out.push_str("?= ");
            out.push_str(OPEN);
            length = OPEN.len();
        }
        length += piece.len();
        out.push_str(&piece);
    }
    out.push_str("?=");
    out
}

/// Appends a text as quoted-printable: lines of at most 76 characters of ASCII.
fn push_quoted_printable(out: &mut String, text: &str) {
    const LINE_MAX_CHARS: usize = 76;
    let text = text.replace("\r\n", "\n");
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push_str("\r\n");
        }
        let mut length = 0;
        let last = line.len().saturating_sub(1);
        for (at, byte) in line.bytes().enumerate() {
            let is_plain = match byte {
                b'=' => false,
                b'!'..=b'~' => true,
                b' ' | b'\t' => at != last,
                _ => false,
            };
            let needed = if is_plain { 1 } else { 3 };
            // A line that goes on ends with one more character.
            let most = if at == last { LINE_MAX_CHARS } else { LINE_MAX_CHARS - 1 };
            if length + needed > most {
                out.push_str("=\r\n");
                length = 0;
            }
            length += needed;
            if is_plain {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("={byte:02X}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> String {
        let mut out = String::new();
        push_header(&mut out, name, value);
        out.strip_suffix("\r\n").unwrap().to_string()
    }

    fn quoted_printable(text: &str) -> String {
        let mut out = String::new();
        push_quoted_printable(&mut out, text);
        out
    }

    #[test]
    fn headers_are_lines_of_ascii() {
        for (name, value, expected) in [
            ("Subject", "[FIRING:1] Up (a=b)", "Subject: [FIRING:1] Up (a=b)"),
            ("Subject", "Größe = 3?", "Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe_=3D_3=3F?="),
            ("Subject", "a\r\nBcc: x@y", "Subject: =?utf-8?q?a=0D=0ABcc=3A_x=40y?="),
            ("To", "Ann <a@b>, c@d", "To: Ann <a@b>, c@d"),
            (
                "To",
                "=?utf-8?q?a=0D=0ABcc=3Ax?= <a@b>, é <c@d>",
                "To: =?utf-8?q?a=0D=0ABcc=3Ax?= <a@b>, =?utf-8?q?=C3=A9?= <c@d>",
            ),
            ("To", "Jürgen <j@b>, \"A, B\" <c@d>", "To: =?utf-8?q?J=C3=BCrgen?= <j@b>, \"A, B\" <c@d>"),
        ] {
            assert_eq!(header(name, value), expected);
        }
    }

    #[test]
    fn long_headers_are_folded_and_read_as_before() {
        let subject = "a long subject with many words that goes on and on ".repeat(30);
        let folded = header("Subject", subject.trim());
        assert!(folded.split("\r\n").all(|line| line.len() <= 76), "{folded}");
        assert_eq!(folded.replace("\r\n", ""), format!("Subject: {}", subject.trim()));
        for long in ["x".repeat(3000), "é".repeat(500)] {
            let folded = header("Subject", &long);
            assert!(folded.split("\r\n").all(|line| line.len() <= 100 && line.is_ascii()), "{folded}");
            assert!(folded.split(' ').skip(1).all(|word| word.trim_end().len() <= 75), "{folded}");
        }
    }

    #[test]
    fn bodies_are_short_lines_that_are_read_as_before() {
        assert_eq!(quoted_printable("a=b\n.c \né\r\n\td\t"), "a=3Db\r\n.c=20\r\n=C3=A9\r\n\td=09");
        let long = quoted_printable(&"é".repeat(40));
        assert!(long.split("\r\n").all(|line| line.len() <= 76));
        assert_eq!(long.replace("=\r\n", ""), "=C3=A9".repeat(40));
        assert_eq!(quoted_printable(&"x".repeat(76)), "x".repeat(76));
        assert_eq!(quoted_printable(&"x".repeat(77)), format!("{}=\r\nxx", "x".repeat(75)));
    }

    #[test]
    fn alternatives_stand_in_the_order_of_their_worth() {
        let headers = [("Subject".to_string(), "s".to_string())];
        let encoded = |text, html| Message { headers: &headers, boundary: "B", text, html }.encoded();
        assert_eq!(
            encoded("t", "<p>").replace("\r\n", "\n"),
            "Subject: s\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=B\n\n\
             --B\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=UTF-8\n\nt\n\
             --B\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/html; charset=UTF-8\n\n<p>\n--B--\n"
        );
        assert!(!encoded("", "h").contains("plain"));
        assert!(encoded("", "").contains("text/plain"));
    }

    #[test]
    fn names_of_headers_have_one_form() {
        for (name, expected) in [
            ("sUbject", "Subject"),
            ("message-ID", "Message-Id"),
            ("X-CUSTOM-HEADER", "X-Custom-Header"),
            ("a b", "a b"),
        ] {
            assert_eq!(canonical(name), expected);
        }
    }
}
