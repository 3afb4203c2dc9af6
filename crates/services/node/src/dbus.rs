//! Asks programs on the system's bus: enough of D-Bus to call methods and read properties.
//! Specification: <https://dbus.freedesktop.org/doc/dbus-specification.html>.

use std::io::{Error, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read; the protocol allows 128 MiB.
const MESSAGE_MAX_BYTES: usize = 16 << 20;

const CALL: u8 = 1;
const RETURN: u8 = 2;
const FAILURE: u8 = 3;

/// A connection.
pub(crate) struct Bus {
    stream: UnixStream,
    serial: u32,
}

/// A value of the types that are read here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(u64),
    List(Vec<Value>),
}

impl Value {
    pub(crate) fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            _ => "",
        }
    }

    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> &[Value] {
        match self {
            Value::List(list) => list,
            _ => &[],
        }
    }
}

impl Bus {
    /// Connects to the bus, or past it to a program that listens itself.
    pub(crate) fn connect(path: &Path, is_bus: bool) -> std::io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut bus = Bus { stream, serial: 0 };
        let user: String = rustix::process::geteuid()
            .as_raw()
            .to_string()
            .bytes()
            .map(|digit| format!("{digit:02x}"))
            .collect();
        bus.stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 1024 {
            let mut byte = [0];
            bus.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        if !line.starts_with(b"OK") {
            return Err(ErrorKind::PermissionDenied.into());
        }
        bus.stream.write_all(b"BEGIN\r\n")?;
        if is_bus {
            let to = ["org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"];
            bus.call(to, "Hello", &[])?;
        }
        Ok(bus)
    }

    /// A property of an object: destination, path and interface.
    pub(crate) fn property(&mut self, object: [&str; 3], name: &str) -> std::io::Result<Value> {
        let [destination, path, interface] = object;
        let to = [destination, path, "org.freedesktop.DBus.Properties"];
        self.call(to, "Get", &[interface, name])
    }

    /// Calls a method with texts as arguments; the answer's first value.
    pub(crate) fn call(
        &mut self,
        object: [&str; 3],
        member: &str,
        arguments: &[&str],
    ) -> std::io::Result<Value> {
        self.serial += 1;
        let [destination, path, interface] = object;
        let mut body = Vec::new();
        arguments.iter().for_each(|text| push_text(&mut body, text));
        let mut message = vec![b'l', CALL, 0, 1];
        message.extend_from_slice(&(body.len() as u32).to_le_bytes());
        message.extend_from_slice(&self.serial.to_le_bytes());
        let mut fields = Vec::new();
        // Path, interface, member, destination: the numbers and types of the specification.
        for (number, kind, text) in
            [(1, b'o', path), (2, b's', interface), (3, b's', member), (6, b's', destination)]
        {
            fields.resize(fields.len().next_multiple_of(8), 0);
            fields.extend_from_slice(&[number, 1, kind, 0]);
            push_text(&mut fields, text);
        }
        if !arguments.is_empty() {
            fields.resize(fields.len().next_multiple_of(8), 0);
            fields.extend_from_slice(&[8, 1, b'g', 0, arguments.len() as u8]);
            fields.extend(arguments.iter().map(|_| b's'));
            fields.push(0);
        }
        message.extend_from_slice(&(fields.len() as u32).to_le_bytes());
        message.extend_from_slice(&fields);
        message.resize(message.len().next_multiple_of(8), 0);
        message.extend_from_slice(&body);
        self.stream.write_all(&message)?;
        loop {
            let (kind, reply_to, signature, body) = self.receive()?;
            // Signals come in between.
            if reply_to == Some(self.serial) && kind == RETURN {
                if signature.is_empty() {
                    return Ok(Value::List(Vec::new()));
                }
                return Reader { bytes: &body, at: 0 }
                    .value(&mut signature.as_bytes())
                    .ok_or_else(|| ErrorKind::InvalidData.into());
            }
            if reply_to == Some(self.serial) && kind == FAILURE {
                let why = Reader { bytes: &body, at: 0 }.value(&mut signature.as_bytes());
                return Err(Error::other(why.map_or(String::new(), |why| why.text().to_string())));
            }
        }
    }

    /// The next message: kind, which call it answers, signature and body.
    fn receive(&mut self) -> std::io::Result<(u8, Option<u32>, String, Vec<u8>)> {
        let invalid = || Error::from(ErrorKind::InvalidData);
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        let word = |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let (Some(b'l'), Some(body_bytes), Some(fields_bytes)) = (head.first(), word(4), word(12)) else {
            return Err(invalid());
        };
        let fields_bytes = fields_bytes as usize;
        let size = fields_bytes.next_multiple_of(8) + body_bytes as usize;
        if size > MESSAGE_MAX_BYTES {
            return Err(invalid());
        }
        let mut message = vec![0; size];
        self.stream.read_exact(&mut message)?;
        let body = message.split_off(fields_bytes.next_multiple_of(8));
        let (mut reply_to, mut signature) = (None, String::new());
        let mut reader = Reader { bytes: message.get(..fields_bytes).unwrap_or_default(), at: 0 };
        while reader.at < fields_bytes {
            reader.align(8);
            let number = reader.byte().ok_or_else(invalid)?;
            match (number, reader.variant().ok_or_else(invalid)?) {
                (5, Value::Number(serial)) => reply_to = u32::try_from(serial).ok(),
                (8, Value::Text(text)) => signature = text,
                _ => {}
            }
        }
        Ok((head[1], reply_to, signature, body))
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

/// Reads values by their signature. What is damaged gives nothing.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// How deep values may lie in each other.
const DEPTH_MAX: usize = 32;

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn byte(&mut self) -> Option<u8> {
        self.at += 1;
        self.bytes.get(self.at - 1).copied()
    }

    fn unsigned<const N: usize>(&mut self) -> Option<u64> {
        self.align(N);
        let bytes = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn text(&mut self, size: usize) -> Option<String> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(size)?)?;
        self.at += size + 1;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    fn variant(&mut self) -> Option<Value> {
        self.variant_at(0)
    }

    fn variant_at(&mut self, depth: usize) -> Option<Value> {
        let size = usize::from(self.byte()?);
        let signature = self.text(size)?;
        self.value_at(&mut signature.as_bytes(), depth + 1)
    }

    fn value(&mut self, signature: &mut &[u8]) -> Option<Value> {
        self.value_at(signature, 0)
    }

    fn value_at(&mut self, signature: &mut &[u8], depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        let (kind, rest) = signature.split_first()?;
        *signature = rest;
        Some(match kind {
            b'y' => Value::Number(u64::from(self.byte()?)),
            b'n' | b'q' => Value::Number(self.unsigned::<2>()?),
            b'b' | b'i' | b'u' | b'h' => Value::Number(self.unsigned::<4>()?),
            b'x' | b't' | b'd' => Value::Number(self.unsigned::<8>()?),
            b's' | b'o' => {
                let size = self.unsigned::<4>()?;
                Value::Text(self.text(usize::try_from(size).ok()?)?)
            }
            b'g' => {
                let size = usize::from(self.byte()?);
                Value::Text(self.text(size)?)
            }
            b'v' => self.variant_at(depth)?,
            b'(' | b'{' => {
                self.align(8);
                let mut list = Vec::new();
                while !matches!(signature.first()?, b')' | b'}') {
                    list.push(self.value_at(signature, depth + 1)?);
                }
                *signature = signature.get(1..)?;
                Value::List(list)
            }
            b'a' => {
                let size = usize::try_from(self.unsigned::<4>()?).ok()?;
                self.align(match signature.first()? {
                    b'x' | b't' | b'd' | b'(' | b'{' => 8,
                    b'y' | b'g' | b'v' => 1,
                    b'n' | b'q' => 2,
                    _ => 4,
                });
                let end = self.at.checked_add(size).filter(|end| *end <= self.bytes.len())?;
                let element = *signature;
                let mut list = Vec::new();
                while self.at < end {
                    list.push(self.value_at(&mut { element }, depth + 1)?);
                }
                skip(signature, 0)?;
                Value::List(list)
            }
            _ => return None,
        })
    }
}

/// Steps over one whole type.
fn skip(signature: &mut &[u8], depth: usize) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (kind, rest) = signature.split_first()?;
    *signature = rest;
    match kind {
        b'a' => skip(signature, depth + 1),
        b'(' | b'{' => {
            while !matches!(signature.first()?, b')' | b'}') {
                skip(signature, depth + 1)?;
            }
            *signature = signature.get(1..)?;
            Some(())
        }
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_records_and_values_of_any_type_are_read() {
        let mut bytes = vec![0; 8];
        let start = bytes.len();
        for (name, number) in [("a", 7u32), ("bcd", 9)] {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            push_text(&mut bytes, name);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let size = (bytes.len() - start) as u32;
        bytes[..4].copy_from_slice(&size.to_le_bytes());
        let record =
            |name: &str, number| Value::List(vec![Value::Text(name.to_string()), Value::Number(number)]);
        let expected = Value::List(vec![record("a", 7), record("bcd", 9)]);
        assert_eq!(Reader { bytes: &bytes, at: 0 }.value(&mut &b"a(su)"[..]), Some(expected));
        for end in 0..bytes.len() {
            assert_eq!(Reader { bytes: &bytes[..end], at: 0 }.value(&mut &b"a(su)"[..]), None, "{end}");
        }
        let variant = [1, b'b', 0, 0, 1, 0, 0, 0];
        assert_eq!(Reader { bytes: &variant, at: 0 }.value(&mut &b"v"[..]), Some(Value::Number(1)));
    }

    #[test]
    fn values_without_end_are_refused() {
        let bytes: Vec<u8> = [1, b'v', 0].repeat(100);
        assert_eq!(Reader { bytes: &bytes, at: 0 }.value(&mut &b"v"[..]), None);
    }
}
