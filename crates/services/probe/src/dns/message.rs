//! DNS messages on the wire (RFC 1035, with EDNS's extended codes of RFC 6891).

use std::net::IpAddr;

use super::names;

/// Length of a name in bytes.
const NAME_MAX_BYTES: usize = 255;
/// Records of an answer that are read.
const RECORDS_MAX: usize = 4_096;

/// What is wrong with a message or a name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("dns: {0}")]
pub(crate) struct MessageError(pub(crate) &'static str);

const SHORT: MessageError = MessageError("the message is too short");

/// A question on the wire.
pub(crate) fn question(
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
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: u16,
    /// Whether it answers at all.
    pub(crate) is_response: bool,
    /// Whether it did not fit.
    pub(crate) truncated: bool,
    /// The response code, extended by EDNS.
    pub(crate) rcode: u16,
    /// Answer, authority, additional.
    pub(crate) sections: [Vec<Record>; 3],
}

/// A record of an answer.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) record_type: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    /// What it says, as text.
    pub(crate) data: String,
    pub(crate) address: Option<IpAddr>,
    /// The serial number, for SOA.
    pub(crate) serial: Option<u32>,
}

impl Record {
    /// The record as a line of a zone file, with tabs.
    pub(crate) fn line(&self) -> String {
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

/// Reads a message.
pub(crate) fn parse(bytes: &[u8]) -> Result<Message, MessageError> {
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
        let address = match (record_type, raw.len()) {
            (names::TYPE_A, 4) => <[u8; 4]>::try_from(raw).ok().map(IpAddr::from),
            (names::TYPE_AAAA, 16) => <[u8; 16]>::try_from(raw).ok().map(IpAddr::from),
            _ => None,
        };
        // Names in the data refer to the whole message, but nothing may be read behind the data.
        let data = Reader { bytes: &self.bytes[..start + length], at: start };
        let (text, serial) = super::record::text(record_type, data, raw)?;
        Ok(Record { name, record_type, class, ttl, data: text, address, serial })
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
