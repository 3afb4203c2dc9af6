//! Reads protobuf fields without copying. Encoding: <https://protobuf.dev/programming-guides/encoding/>.

use base::{Classify, ErrorClass};

/// Why a message could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message ends in the middle of a field.
    #[error("protobuf message ends in the middle of a field")]
    Truncated,
    /// A number is longer than 64 bits.
    #[error("protobuf number is longer than 64 bits")]
    Overlong,
    /// The field number is 0 or the wire type is unknown (groups are not supported).
    #[error("protobuf tag {0} is not valid")]
    BadTag(u64),
    /// A known field has another wire type than its message declares.
    #[error("protobuf field {0} has an unexpected wire type")]
    WrongType(u32),
    /// A text is not UTF-8.
    #[error("protobuf field {0} is not valid UTF-8")]
    NotUtf8(u32),
    /// Labels of a series come after its samples.
    #[error("labels of a series come after its samples")]
    LabelsNotFirst,
    /// A number that stands for a text and is beyond the table of texts, or labels that are not pairs.
    #[error("{0}")]
    BadSymbol(&'static str),
    /// A native histogram whose parts do not fit together.
    #[error("invalid native histogram: {0}")]
    BadHistogram(&'static str),
    /// A part is larger than its limit.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in units of `what`.
        limit: usize,
    },
}

impl Classify for DecodeError {
    fn class(&self) -> ErrorClass {
        match self {
            DecodeError::TooLarge { .. } => ErrorClass::TooLarge,
            _ => ErrorClass::BadInput,
        }
    }
}

/// What a field holds, by its wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A variable-length number.
    Varint(u64),
    /// Eight bytes, little endian.
    Fixed64(u64),
    /// Text, bytes, a message inside or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes, little endian.
    Fixed32(u32),
}

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// Its number in the message's declaration.
    pub number: u32,
    /// Its content.
    pub value: Value<'a>,
}

impl<'a> Field<'a> {
    /// As `uint32`, `uint64`, `bool` or an enum.
    pub fn uint(&self) -> Result<u64, DecodeError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(DecodeError::WrongType(self.number)),
        }
    }

    /// As `int32` or `int64`.
    pub fn int(&self) -> Result<i64, DecodeError> {
        self.uint().map(|value| value as i64)
    }

    /// As `sint32` or `sint64`.
    pub fn sint(&self) -> Result<i64, DecodeError> {
        self.uint().map(zigzag)
    }

    /// As `double`.
    pub fn double(&self) -> Result<f64, DecodeError> {
        match self.value {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(DecodeError::WrongType(self.number)),
        }
    }

    /// As `bytes` or a message.
    pub fn bytes(&self) -> Result<&'a [u8], DecodeError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(DecodeError::WrongType(self.number)),
        }
    }

    /// As `string`.
    pub fn text(&self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::NotUtf8(self.number))
    }

    /// As a message, to be read field by field.
    pub fn message(&self) -> Result<Reader<'a>, DecodeError> {
        self.bytes().map(Reader::new)
    }

    /// As `repeated double`: adds the value, or all values if packed.
    pub fn doubles(&self, into: &mut Vec<f64>, limit: usize) -> Result<(), DecodeError> {
        match self.value {
            Value::Fixed64(bits) => push(into, f64::from_bits(bits), limit),
            Value::Bytes(bytes) => {
                let (values, []) = bytes.as_chunks::<8>() else { return Err(DecodeError::Truncated) };
                values.iter().try_for_each(|value| push(into, f64::from_le_bytes(*value), limit))
            }
            _ => Err(DecodeError::WrongType(self.number)),
        }
    }

    /// As `repeated sint64`: adds the value, or all values if packed.
    pub fn sints(&self, into: &mut Vec<i64>, limit: usize) -> Result<(), DecodeError> {
        match self.value {
            Value::Varint(value) => push(into, zigzag(value), limit),
            Value::Bytes(bytes) => {
                let mut rest = Reader::new(bytes);
                while !rest.is_empty() {
                    push(into, zigzag(rest.varint()?), limit)?;
                }
                Ok(())
            }
            _ => Err(DecodeError::WrongType(self.number)),
        }
    }
}

impl Field<'_> {
    /// As `fixed64` or `sfixed64`.
    pub fn fixed64(&self) -> Result<u64, DecodeError> {
        match self.value {
            Value::Fixed64(value) => Ok(value),
            _ => Err(DecodeError::WrongType(self.number)),
        }
    }

    /// As `repeated fixed64`: adds the value, or all values if packed.
    pub fn fixed64s(&self, into: &mut Vec<u64>, limit: usize) -> Result<(), DecodeError> {
        match self.value {
            Value::Fixed64(value) => push(into, value, limit),
            Value::Bytes(bytes) => {
                let (values, []) = bytes.as_chunks::<8>() else { return Err(DecodeError::Truncated) };
                values.iter().try_for_each(|value| push(into, u64::from_le_bytes(*value), limit))
            }
            _ => Err(DecodeError::WrongType(self.number)),
        }
    }

    /// As `repeated uint64`: adds the value, or all values if packed.
    pub fn uints(&self, into: &mut Vec<u64>, limit: usize) -> Result<(), DecodeError> {
        match self.value {
            Value::Varint(value) => push(into, value, limit),
            Value::Bytes(bytes) => {
                let mut rest = Reader::new(bytes);
                while !rest.is_empty() {
                    push(into, rest.varint()?, limit)?;
                }
                Ok(())
            }
            _ => Err(DecodeError::WrongType(self.number)),
        }
    }

    /// As `repeated uint32`: adds the value, or all values if packed.
    pub fn refs(&self, into: &mut Vec<u32>, limit: usize) -> Result<(), DecodeError> {
        let narrow = |value: u64| u32::try_from(value).map_err(|_| DecodeError::Overlong);
        match self.value {
            Value::Varint(value) => push(into, narrow(value)?, limit),
            Value::Bytes(bytes) => {
                let mut rest = Reader::new(bytes);
                while !rest.is_empty() {
                    push(into, narrow(rest.varint()?)?, limit)?;
                }
                Ok(())
            }
            _ => Err(DecodeError::WrongType(self.number)),
        }
    }
}

fn push<T>(into: &mut Vec<T>, value: T, limit: usize) -> Result<(), DecodeError> {
    if into.len() >= limit {
        return Err(DecodeError::TooLarge { what: "repeated number", limit });
    }
    into.push(value);
    Ok(())
}

/// Undoes the zigzag encoding of `sint32` and `sint64`.
pub const fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Walks over the fields of one message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of this message.
    pub const fn new(message: &'a [u8]) -> Self {
        Reader { rest: message }
    }

    /// Whether everything was read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads a bare variable-length number.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, high, rest @ ..] if *high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for (at, byte) in self.rest.iter().enumerate() {
            if at == 9 && *byte > 1 {
                return Err(DecodeError::Overlong);
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(DecodeError::Truncated)
    }

    /// Takes a bare run of bytes.
    #[inline]
    pub fn take_bytes(&mut self, size_bytes: u64) -> Result<&'a [u8], DecodeError> {
        let size = usize::try_from(size_bytes).map_err(|_| DecodeError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next field, or `None` at the end of the message.
    #[inline]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|n| *n != 0).ok_or(DecodeError::BadTag(tag))?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let size = self.varint()?;
                Value::Bytes(self.take_bytes(size)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(DecodeError::BadTag(tag)),
        };
        Ok(Some(Field { number, value }))
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Field<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let field = self.next_field().transpose();
        if matches!(field, Some(Err(_))) {
            self.rest = &[];
        }
        field
    }
}
