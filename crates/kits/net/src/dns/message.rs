//! DNS messages on the wire (RFC 1035, with EDNS's extended codes of RFC 6891).

use super::names;
use super::record::Value;

/// Length of a name in bytes.
const NAME_MAX_BYTES: usize = 255;
/// Records of an answer that are read.
const RECORDS_MAX: usize = 4_096;

/// What is wrong with a message or a name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("dns: {0}")]
pub struct MessageError(pub(super) &'static str);

const SHORT: MessageError = MessageError("the message is too short");

/// A question on the wire, with its number, and whether the server shall ask others. `\.` and `\123` in the name
/// stand for bytes that a label could not hold otherwise.
pub fn question(
    id: u16,
    name: &str,
    record_type: u16,
    class: u16,
    recursion: bool,
) -> Result<Vec<u8>, MessageError> {
    let mut out = Vec::with_capacity(17 + name.len());
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&[u8::from(recursion), 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    push_name(&mut out, name)?;
    out.extend_from_slice(&record_type.to_be_bytes());
    out.extend_from_slice(&class.to_be_bytes());
    Ok(out)
}

/// Says in a question how large an answer over UDP may be (EDNS, RFC 6891).
pub fn announce_size(question: &mut Vec<u8>, size_bytes: u16) {
    // The root name, the type, and neither flags nor options.
    question.extend_from_slice(&[0, 0, names::TYPE_OPT as u8]);
    question.extend_from_slice(&size_bytes.to_be_bytes());
    question.extend_from_slice(&[0; 6]);
    if let Some(additional) = question.get_mut(10..12) {
        additional.copy_from_slice(&[0, 1]);
    }
}

/// Writes a name; `\.` and `\123` stand for bytes that a label could not hold otherwise.
fn push_name(out: &mut Vec<u8>, name: &str) -> Result<(), MessageError> {
    let start = out.len();
    let mut label: Vec<u8> = Vec::new();
    let mut bytes = name.bytes();
    let end = |out: &mut Vec<u8>, label: &mut Vec<u8>| {
        if label.is_empty() || label.len() > 63 {
            return Err(MessageError("a label has 1 to 63 bytes"));
        }
        out.push(label.len() as u8);
        out.append(label);
        Ok(())
    };
    if name != "." {
        while let Some(byte) = bytes.next() {
            match byte {
                b'.' => end(out, &mut label)?,
                b'\\' => {
                    let next = bytes.next().ok_or(MessageError("a name ends in a backslash"))?;
                    if next.is_ascii_digit() {
                        let digits = [next, bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)];
                        let text = std::str::from_utf8(&digits).ok();
                        let code = text.and_then(|text| text.parse().ok());
                        label.push(code.ok_or(MessageError("a bad escape in a name"))?);
                    } else {
                        label.push(next);
                    }
                }
                _ => label.push(byte),
            }
        }
        if !label.is_empty() {
            end(out, &mut label)?;
        }
    }
    out.push(0);
    if out.len() - start > NAME_MAX_BYTES {
        return Err(MessageError("a name has at most 255 bytes"));
    }
    Ok(())
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Message {
    /// The question's number.
    pub id: u16,
    /// Whether it answers at all.
    pub is_response: bool,
    /// Whether it did not fit.
    pub truncated: bool,
    /// The response code, extended by EDNS.
    pub rcode: u16,
    /// Answer, authority, additional.
    pub sections: [Vec<Record>; 3],
}

/// A record of an answer.
#[derive(Clone, Debug)]
pub struct Record {
    /// Whose record it is, with a dot at its end.
    pub name: String,
    /// See `names`.
    pub record_type: u16,
    /// See `names`.
    pub class: u16,
    /// How many seconds it may be kept.
    pub ttl: u32,
    /// What it says, as text.
    pub data: String,
    /// What it says, for types that programs read.
    pub value: Value,
}

impl Record {
    /// The record as a line of a zone file, with tabs.
    pub fn line(&self) -> String {
        format!(
            "{}\t{}\t{}\t{}\t{}",
            self.name,
            self.ttl,
            names::class_name(self.class),
            names::type_name(self.record_type),
            self.data
        )
    }
}

/// Reads a message whole. Fails where one is cut, refers to itself in circles or has more than 4096 records.
pub fn parse(bytes: &[u8]) -> Result<Message, MessageError> {
    let mut at = Reader { bytes, at: 0 };
    let id = at.u16()?;
    let flags = at.u16()?;
    let counts = [at.u16()?, at.u16()?, at.u16()?, at.u16()?];
    let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
    if total > RECORDS_MAX {
        return Err(MessageError("more records than are read"));
    }
    for _ in 0..counts[0] {
        at.name()?;
        at.take(4)?;
    }
    let mut message = Message {
        id,
        is_response: flags & 0x8000 != 0,
        truncated: flags & 0x0200 != 0,
        rcode: flags & 0xf,
        sections: Default::default(),
    };
    for (section, count) in message.sections.iter_mut().zip(&counts[1..]) {
        for _ in 0..*count {
            let record = at.record()?;
            if record.record_type == names::TYPE_OPT {
                message.rcode |= ((record.ttl >> 24) as u16) << 4;
            }
            section.push(record);
        }
    }
    Ok(message)
}

pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], MessageError> {
        let taken = self.bytes.get(self.at..self.at.saturating_add(count)).ok_or(SHORT)?;
        self.at += count;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, MessageError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, MessageError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, MessageError> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// A name, whose end may stand elsewhere in the message. Each jump must lead backwards, so that it ends.
    pub(super) fn name(&mut self) -> Result<String, MessageError> {
        let mut out = String::new();
        let mut place = self.at;
        let mut limit = place;
        let mut behind = None;
        loop {
            let length = usize::from(*self.bytes.get(place).ok_or(SHORT)?);
            match length {
                0 => {
                    self.at = behind.unwrap_or(place + 1);
                    if out.is_empty() {
                        out.push('.');
                    }
                    return Ok(out);
                }
                1..=63 => {
                    let label = self.bytes.get(place + 1..place + 1 + length).ok_or(SHORT)?;
                    push_label(&mut out, label);
                    if out.len() > NAME_MAX_BYTES * 4 {
                        return Err(MessageError("a name is too long"));
                    }
                    place += 1 + length;
                }
                0xc0.. => {
                    let low = usize::from(*self.bytes.get(place + 1).ok_or(SHORT)?);
                    let target = (length & 0x3f) << 8 | low;
                    behind.get_or_insert(place + 2);
                    if target >= limit {
                        return Err(MessageError("a name refers to what comes after it"));
                    }
                    (place, limit) = (target, target);
                }
                _ => return Err(MessageError("an unknown kind of label")),
            }
        }
    }

    fn record(&mut self) -> Result<Record, MessageError> {
        let name = self.name()?;
        let (record_type, class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = usize::from(self.u16()?);
        let start = self.at;
        let raw = self.take(length)?;
        // Names in the data refer to the whole message, but nothing may be read behind the data.
        let data = Reader { bytes: &self.bytes[..start + length], at: start };
        let (data, value) = super::record::read(record_type, data, raw)?;
        Ok(Record { name, record_type, class, ttl, data, value })
    }
}

/// Writes a label and its dot.
fn push_label(out: &mut String, label: &[u8]) {
    for byte in label {
        match byte {
            b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            0x21..=0x7e => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\{byte:03}")),
        }
    }
    out.push('.');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_answers_are_refused() {
        let mut good = question(7, "example.com.", names::TYPE_A, names::CLASS_IN, true).unwrap();
        good[2] |= 0x80;
        good[7] = 1;
        good.extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\x0a\x00\x00\x01");
        let message = parse(&good).unwrap();
        assert_eq!((message.id, message.is_response, message.sections[0].len()), (7, true, 1));
        assert_eq!(message.sections[0][0].line(), "example.com.\t300\tIN\tA\t10.0.0.1");
        for length in 0..good.len() {
            assert!(parse(&good[..length]).is_err(), "{length}");
        }
        good[12..14].copy_from_slice(&[0xc0, 12]);
        assert!(parse(&good).is_err(), "a name that refers to itself");
    }

    #[test]
    fn names_that_the_wire_cannot_hold_are_refused() {
        let asks = |name: &str| question(1, name, names::TYPE_A, names::CLASS_IN, true).is_ok();
        assert!(asks(".") && asks("a.b") && asks(r"a\.b\032c."));
        assert!(!asks("a..b") && !asks(&"a".repeat(64)) && !asks(&"a.".repeat(200)) && !asks(r"a\"));
    }
}
