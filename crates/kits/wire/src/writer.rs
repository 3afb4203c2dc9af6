//! Writes protobuf fields.

/// Writes fields at the end of a buffer. Numbers that are zero are written like all others:
/// whether a default is left out is the caller's choice.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer at the end of this buffer.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Writer { out }
    }

    /// A bare variable-length number.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// A `uint32`, `uint64`, `bool` or enum.
    pub fn uint(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3);
        self.varint(value);
    }

    /// An `int32` or `int64`.
    pub fn int(&mut self, field: u32, value: i64) {
        self.uint(field, value as u64);
    }

    /// A `sint32` or `sint64`.
    pub fn sint(&mut self, field: u32, value: i64) {
        self.uint(field, unzigzag(value));
    }

    /// A `fixed64` or `sfixed64`.
    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3 | 1);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// A `double`.
    pub fn double(&mut self, field: u32, value: f64) {
        self.varint(u64::from(field) << 3 | 1);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes, or a message that is encoded already.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.out.extend_from_slice(value);
    }

    /// A `string`.
    pub fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A message whose fields `write` writes.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Writer<'_>)) {
        self.varint(u64::from(field) << 3 | 2);
        // The length stands before the content and is mostly one byte: leave room for that, and
        // move the content on when it was longer.
        let start = self.out.len();
        self.out.push(0);
        write(&mut Writer { out: self.out });
        let size = self.out.len() - start - 1;
        if let (Ok(short), Some(place)) = (u8::try_from(size), self.out.get_mut(start))
            && short < 0x80
        {
            *place = short;
            return;
        }
        let content = self.out.split_off(start + 1);
        self.out.truncate(start);
        self.varint(size as u64);
        self.out.extend_from_slice(&content);
    }

    /// A packed `repeated double`; nothing if empty.
    pub fn doubles(&mut self, field: u32, values: &[f64]) {
        if !values.is_empty() {
            self.message(field, |w| values.iter().for_each(|v| w.out.extend_from_slice(&v.to_le_bytes())));
        }
    }

    /// A packed `repeated sint64`; nothing if empty.
    pub fn sints(&mut self, field: u32, values: impl ExactSizeIterator<Item = i64>) {
        if values.len() > 0 {
            self.message(field, |w| values.for_each(|v| w.varint(unzigzag(v))));
        }
    }
}

const fn unzigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}
