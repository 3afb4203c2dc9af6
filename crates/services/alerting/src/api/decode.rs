//! Reads posted alerts as they arrive: a list of objects, of which each becomes an alert as soon as
//! it is whole, so that no body is ever kept and text is copied once.
//!
//! What is unknown in an object is passed over, as Alertmanager does. A list that is not JSON is
//! refused as a whole.

use std::borrow::Cow;

use memchr::memchr2;
use model::Labels;

use super::write::read_time;

/// The largest object. No alert needs more; a text that never ends must not fill the memory.
pub(crate) const ALERT_SIZE_MAX_BYTES: usize = 4 << 20;
/// How deep what is passed over may be nested.
const DEPTH_MAX: usize = 64;

/// An alert as it was posted. Times in milliseconds since the epoch, 0 where none was given.
#[derive(Debug, PartialEq)]
pub(crate) struct Posted {
    /// Without empty ones.
    pub(crate) labels: Labels,
    /// Without empty ones.
    pub(crate) annotations: Labels,
    pub(crate) starts_at_ms: i64,
    pub(crate) ends_at_ms: i64,
    pub(crate) generator_url: String,
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// It is not what it should be.
    Syntax(String),
    /// An alert has no labels at all; how many were before it.
    LabelsMissing(usize),
}

/// What stops the reading of one object.
enum Stop {
    /// It is not whole yet.
    Incomplete,
    Error(String),
}

type Read<T> = Result<T, Stop>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the opening bracket.
    Begin,
    /// An object or the closing bracket comes.
    First,
    /// An object comes.
    Next,
    /// A comma or the closing bracket comes.
    Behind,
    /// The list is closed.
    End,
}

/// See the module.
pub(crate) struct Decoder {
    state: State,
    /// What has arrived and could not be read yet.
    left: Vec<u8>,
    /// Reading is tried again when so much is left, so that a long object is not read ever anew.
    try_at_bytes: usize,
    count: usize,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Decoder { state: State::Begin, left: Vec::new(), try_at_bytes: 0, count: 0 }
    }

    /// How many alerts were read, valid ones and others.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Takes in the next piece of the body.
    pub(crate) fn feed(&mut self, piece: &[u8], take: &mut impl FnMut(Posted)) -> Result<(), DecodeError> {
        if self.left.is_empty() {
            let read = self.read(piece, take)?;
            self.left.extend_from_slice(&piece[read..]);
        } else {
            self.left.extend_from_slice(piece);
            if self.left.len() < self.try_at_bytes {
                return Ok(());
            }
            let left = std::mem::take(&mut self.left);
            let read = self.read(&left, take)?;
            self.left = left;
            self.left.drain(..read);
        }
        if self.left.len() > ALERT_SIZE_MAX_BYTES {
            return Err(DecodeError::Syntax(format!("an alert is larger than {ALERT_SIZE_MAX_BYTES} bytes")));
        }
        self.try_at_bytes = self.left.len() * 2;
        Ok(())
    }

    /// The body is over.
    pub(crate) fn finish(mut self, take: &mut impl FnMut(Posted)) -> Result<(), DecodeError> {
        let left = std::mem::take(&mut self.left);
        let read = self.read(&left, take)?;
        match (self.state, left[read..].iter().all(u8::is_ascii_whitespace)) {
            (State::End, true) => Ok(()),
            _ => Err(DecodeError::Syntax("unexpected end of JSON input".into())),
        }
    }

    /// Whether nothing but space has arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.state == State::Begin && self.left.iter().all(u8::is_ascii_whitespace)
    }

    /// Reads whole objects, and says how many bytes that were.
    fn read(&mut self, bytes: &[u8], take: &mut impl FnMut(Posted)) -> Result<usize, DecodeError> {
        let mut reader = Reader { bytes, at: 0, pairs: Vec::with_capacity(12), packed: String::new() };
        loop {
            reader.skip_space();
            let begin = reader.at;
            let Some(byte) = reader.peek() else { return Ok(begin) };
            match (self.state, byte) {
                (State::Begin, b'[') => {
                    reader.at += 1;
                    self.state = State::First;
                }
                // `null` is an empty list to Go.
                (State::Begin, b'n') => match reader.word(b"null") {
                    Ok(()) => self.state = State::End,
                    Err(Stop::Incomplete) => return Ok(begin),
                    Err(Stop::Error(error)) => return Err(DecodeError::Syntax(error)),
                },
                (State::Begin, _) => {
                    return Err(DecodeError::Syntax(format!(
                        "a list of alerts is expected, found {}",
                        shown(byte)
                    )));
                }
                (State::First | State::Behind, b']') => {
                    reader.at += 1;
                    self.state = State::End;
                }
                (State::Behind, b',') => {
                    reader.at += 1;
                    self.state = State::Next;
                }
                (State::Behind, _) => {
                    return Err(DecodeError::Syntax(format!(
                        "invalid character {} after array element",
                        shown(byte)
                    )));
                }
                (State::First | State::Next, _) => match reader.alert() {
                    Ok(Some(posted)) => {
                        take(posted);
                        self.count += 1;
                        self.state = State::Behind;
                    }
                    Ok(None) => return Err(DecodeError::LabelsMissing(self.count)),
                    Err(Stop::Incomplete) => return Ok(begin),
                    Err(Stop::Error(error)) => return Err(DecodeError::Syntax(error)),
                },
                (State::End, _) => {
                    return Err(DecodeError::Syntax(format!(
                        "invalid character {} after top-level value",
                        shown(byte)
                    )));
                }
            }
        }
    }
}

fn shown(byte: u8) -> String {
    gocompat::quote::quote_char(char::from(byte))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Used again for each set of labels.
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    packed: String,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn token(&mut self) -> Read<u8> {
        self.skip_space();
        self.peek().ok_or(Stop::Incomplete)
    }

    fn expect(&mut self, wanted: u8, place: &str) -> Read<()> {
        let found = self.token()?;
        if found != wanted {
            return Err(Stop::Error(format!("invalid character {} {place}", shown(found))));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Read<()> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        match word.starts_with(rest) {
            true => Err(Stop::Incomplete),
            false => Err(Stop::Error(format!(
                "invalid character {} looking for beginning of value",
                shown(rest.first().copied().unwrap_or(b' '))
            ))),
        }
    }

    /// One alert; `None` if it has no field `labels`.
    fn alert(&mut self) -> Read<Option<Posted>> {
        match self.token()? {
            b'{' => {}
            b'n' => {
                self.word(b"null")?;
                return Ok(None);
            }
            other => {
                return Err(Stop::Error(format!("an alert is an object, found {}", shown(other))));
            }
        }
        let mut labels = None;
        let mut posted = Posted {
            labels: Labels::empty(),
            annotations: Labels::empty(),
            starts_at_ms: 0,
            ends_at_ms: 0,
            generator_url: String::new(),
        };
        self.object(|reader, name| {
            match name {
                "labels" => labels = reader.labels()?,
                "annotations" => posted.annotations = reader.labels()?.unwrap_or_default(),
                "startsAt" => posted.starts_at_ms = reader.time()?,
                "endsAt" => posted.ends_at_ms = reader.time()?,
                "generatorURL" => {
                    posted.generator_url = reader.text_or_null()?.unwrap_or_default().into_owned();
                }
                _ => reader.skip(0)?,
            }
            Ok(())
        })?;
        Ok(labels.map(|labels| Posted { labels, ..posted }))
    }

    /// The fields of an object, whose opening brace comes.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &str) -> Read<()>) -> Read<()> {
        self.expect(b'{', "looking for beginning of object")?;
        if self.token()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.token()? != b'"' {
                let found = self.peek().unwrap_or(b' ');
                let message =
                    format!("invalid character {} looking for beginning of object key string", shown(found));
                return Err(Stop::Error(message));
            }
            let name = self.text()?;
            self.expect(b':', "after object key")?;
            field(self, &name)?;
            match self.token()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                other => {
                    return Err(Stop::Error(format!(
                        "invalid character {} after object key:value pair",
                        shown(other)
                    )));
                }
            }
        }
    }

    fn labels(&mut self) -> Read<Option<Labels>> {
        if self.token()? == b'n' {
            self.word(b"null")?;
            return Ok(None);
        }
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.clear();
        self.pairs(&mut pairs)?;
        // Of a name that comes twice the last one counts; without a value it is no label.
        if !pairs.is_sorted_by(|(a, _), (b, _)| a < b) {
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            pairs.dedup_by(|later, earlier| {
                let is_same = later.0 == earlier.0;
                if is_same {
                    std::mem::swap(&mut later.1, &mut earlier.1);
                }
                is_same
            });
        }
        let held = pairs.iter().filter(|(_, value)| !value.is_empty());
        self.packed.clear();
        Labels::pack(held.map(|(name, value)| (&**name, &**value)), &mut self.packed);
        self.pairs = pairs;
        Ok(Some(Labels::from_packed(&self.packed)))
    }

    fn pairs(&mut self, pairs: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Read<()> {
        if self.token()? != b'{' {
            let found = self.peek().unwrap_or(b' ');
            return Err(Stop::Error(format!("labels are an object of strings, found {}", shown(found))));
        }
        self.at += 1;
        if self.token()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.token()?;
            let name = self.text()?;
            self.expect(b':', "after object key")?;
            let value = self.text_or_null()?.unwrap_or_default();
            pairs.push((name, value));
            match self.token()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                other => {
                    return Err(Stop::Error(format!(
                        "invalid character {} after object key:value pair",
                        shown(other)
                    )));
                }
            }
        }
    }

    fn time(&mut self) -> Read<i64> {
        let Some(text) = self.text_or_null()? else { return Ok(0) };
        if text.is_empty() {
            return Ok(0);
        }
        read_time(&text).ok_or_else(|| {
            Stop::Error(format!(
                "parsing time {}: expected a time such as 2006-01-02T15:04:05.000Z",
                gocompat::quote::quote(&text)
            ))
        })
    }

    fn text_or_null(&mut self) -> Read<Option<Cow<'a, str>>> {
        match self.token()? {
            b'n' => self.word(b"null").map(|()| None),
            _ => self.text().map(Some),
        }
    }

    /// A string, whose opening quote comes.
    fn text(&mut self) -> Read<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            let found = self.peek().unwrap_or(b' ');
            return Err(Stop::Error(format!("a string is expected, found {}", shown(found))));
        }
        let begin = self.at + 1;
        let mut plain: Option<Vec<u8>> = None;
        let mut copied = begin;
        let mut look = begin;
        loop {
            let rest = self.bytes.get(look..).ok_or(Stop::Incomplete)?;
            let stop = look + memchr2(b'"', b'\\', rest).ok_or(Stop::Incomplete)?;
            if self.bytes[stop] == b'"' {
                self.at = stop + 1;
                let tail = &self.bytes[copied..stop];
                let Some(mut unescaped) = plain else {
                    if let Some(control) = tail.iter().find(|byte| **byte < 0x20) {
                        return Err(control_character(*control));
                    }
                    return Ok(String::from_utf8_lossy(tail));
                };
                unescaped.extend_from_slice(tail);
                return Ok(Cow::Owned(match String::from_utf8(unescaped) {
                    Ok(text) => text,
                    Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                }));
            }
            let unescaped = plain.get_or_insert_with(Vec::new);
            unescaped.extend_from_slice(&self.bytes[copied..stop]);
            look = self.escape(stop + 1, unescaped)?;
            copied = look;
        }
    }

    /// What follows a backslash; says where the text goes on.
    fn escape(&self, at: usize, out: &mut Vec<u8>) -> Read<usize> {
        let kind = *self.bytes.get(at).ok_or(Stop::Incomplete)?;
        let plain = match kind {
            b'"' | b'\\' | b'/' => kind,
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'u' => {
                let first = self.hex(at + 1)?;
                let mut after = at + 5;
                let mut code = u32::from(first);
                if (0xd800..0xdc00).contains(&first) {
                    // The second half of a pair; anything else leaves the first one without meaning.
                    match self.bytes.get(after..after + 2) {
                        Some(b"\\u") => {
                            let second = self.hex(after + 2)?;
                            if (0xdc00..0xe000).contains(&second) {
                                code =
                                    0x10000 + (u32::from(first - 0xd800) << 10) + u32::from(second - 0xdc00);
                                after += 6;
                            }
                        }
                        Some(_) => {}
                        None => return Err(Stop::Incomplete),
                    }
                }
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(after);
            }
            other => {
                return Err(Stop::Error(format!("invalid character {} in string escape code", shown(other))));
            }
        };
        out.push(plain);
        Ok(at + 1)
    }

    fn hex(&self, at: usize) -> Read<u16> {
        let digits = self.bytes.get(at..at + 4).ok_or(Stop::Incomplete)?;
        digits.iter().try_fold(0u16, |sum, digit| match char::from(*digit).to_digit(16) {
            Some(value) => Ok(sum << 4 | value as u16),
            None => Err(Stop::Error(format!(
                "invalid character {} in \\u hexadecimal character escape",
                shown(*digit)
            ))),
        })
    }

    /// Passes over any value.
    fn skip(&mut self, depth: usize) -> Read<()> {
        if depth > DEPTH_MAX {
            return Err(Stop::Error("nested too deeply".into()));
        }
        match self.token()? {
            b'"' => self.text().map(drop),
            b'{' => self.object(|reader, _| reader.skip(depth + 1)),
            b'[' => {
                self.at += 1;
                if self.token()? == b']' {
                    self.at += 1;
                    return Ok(());
                }
                loop {
                    self.skip(depth + 1)?;
                    match self.token()? {
                        b',' => self.at += 1,
                        b']' => {
                            self.at += 1;
                            return Ok(());
                        }
                        other => {
                            return Err(Stop::Error(format!(
                                "invalid character {} after array element",
                                shown(other)
                            )));
                        }
                    }
                }
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => {
                let rest = &self.bytes[self.at..];
                let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                // Inside an object something follows a number.
                let length = rest.iter().position(|byte| !is_part(byte)).ok_or(Stop::Incomplete)?;
                let number = std::str::from_utf8(&rest[..length]).unwrap_or("");
                if number.parse::<f64>().is_err() {
                    return Err(Stop::Error(format!("invalid number {number}")));
                }
                self.at += length;
                Ok(())
            }
            other => {
                Err(Stop::Error(format!("invalid character {} looking for beginning of value", shown(other))))
            }
        }
    }
}

fn control_character(byte: u8) -> Stop {
    Stop::Error(format!("invalid character {} in string literal", shown(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Result<Vec<Posted>, DecodeError> {
        let mut found = Vec::new();
        let mut decoder = Decoder::new();
        for piece in pieces {
            decoder.feed(piece, &mut |posted| found.push(posted))?;
        }
        decoder.finish(&mut |posted| found.push(posted))?;
        Ok(found)
    }

    fn message(text: &str) -> String {
        match decode(&[text.as_bytes()]) {
            Err(DecodeError::Syntax(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    }

    const TWO: &str = r#" [ {"labels":{"b":"x\"\u00e9\ud83d\ude42\n","alertname":"A","none":"","b2":null},
        "annotations":{"s":"é"},"startsAt":"2026-01-02T03:04:05.678Z","endsAt":"0001-01-01T00:00:00.000Z",
        "generatorURL":"http://x/?a=b&c","more":[1,-2.5e3,{"a":[true,false,null,"x"]},[]]},
        {"labels":{"z":"1","a":"2","z":"3"}} ] "#;

    #[test]
    fn alerts_are_read_whatever_pieces_they_come_in() {
        let whole = decode(&[TWO.as_bytes()]).unwrap();
        assert_eq!(whole.len(), 2);
        assert_eq!(whole[0].labels, Labels::from_pairs([("alertname", "A"), ("b", "x\"é🙂\n")]));
        assert_eq!(whole[0].annotations.get("s"), Some("é"));
        assert_eq!(whole[0].ends_at_ms, 0);
        assert_eq!(whole[0].starts_at_ms, read_time("2026-01-02T03:04:05.678Z").unwrap());
        assert_eq!(whole[0].generator_url, "http://x/?a=b&c");
        assert_eq!(whole[1].labels, Labels::from_pairs([("a", "2"), ("z", "3")]));
        for at in 0..TWO.len() {
            let (a, b) = TWO.as_bytes().split_at(at);
            assert_eq!(decode(&[a, b]).unwrap(), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = TWO.as_bytes().chunks(1).collect();
        assert_eq!(decode(&bytes).unwrap(), whole);
    }

    #[test]
    fn a_body_cut_anywhere_is_refused() {
        for at in 0..TWO.trim_end().len() {
            assert!(decode(&[&TWO.as_bytes()[..at]]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_not_a_list_of_alerts_is_refused_with_a_reason() {
        for (text, expected) in [
            ("{}", "a list of alerts is expected, found '{'"),
            ("[1]", "an alert is an object, found '1'"),
            (r#"[{"labels":{"a":1}}]"#, "a string is expected, found '1'"),
            (r#"[{"labels":[]}]"#, "labels are an object of strings, found '['"),
            (r#"[{"labels":{"a":"b"}} {"#, "invalid character '{' after array element"),
            (r#"[{"labels":{"a":"b"}}] x"#, "invalid character 'x' after top-level value"),
            (r#"[{"labels":{"a":"\q"}}]"#, "invalid character 'q' in string escape code"),
            (
                r#"[{"labels":{"a":"b"},"startsAt":"soon"}]"#,
                "parsing time \"soon\": expected a time such as 2006-01-02T15:04:05.000Z",
            ),
        ] {
            assert_eq!(message(text), expected, "{text}");
        }
        assert_eq!(decode(&[b"[{}]"]), Err(DecodeError::LabelsMissing(0)));
        assert_eq!(decode(&[b"[{\"labels\":{\"a\":\"b\"}},{\"x\":1}]"]), Err(DecodeError::LabelsMissing(1)));
        assert_eq!(
            decode(&[b"[{\"labels\":{\"a\":\"\xff\"}}]"]).unwrap()[0].labels.get("a"),
            Some("\u{fffd}")
        );
        assert!(decode(&[b"[]"]).unwrap().is_empty());
        assert!(decode(&[b"null"]).unwrap().is_empty());
    }

    #[test]
    fn an_object_that_never_ends_is_refused() {
        let mut decoder = Decoder::new();
        decoder.feed(b"[{\"labels\":{\"a\":\"", &mut |_| {}).unwrap();
        let piece = vec![b'x'; 1 << 20];
        let refused = (0..8).find_map(|_| decoder.feed(&piece, &mut |_| {}).err());
        assert!(refused.is_some());
        let deep = format!("[{{\"x\":{}", "[".repeat(1_000));
        assert_eq!(message(&deep), "nested too deeply");
    }
}
