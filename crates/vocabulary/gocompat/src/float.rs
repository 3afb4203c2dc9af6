//! Floating-point numbers as Go reads and writes them.
//!
//! A [`Buffer`] writes without allocating; keep one for many numbers.

use crate::error::{Error, NumberProblem};

/// The notation of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `'f'`: `123.45`, never with an exponent.
    Fixed,
    /// `'e'`: `1.2345e+02`, with at least two digits of exponent.
    Exponent,
    /// `'g'`: exponents below -4 and from the precision on, otherwise plain. The shortest form
    /// counts as a precision of 6 here.
    General,
}

/// The longest shortest form: a sign, `0.`, the 323 zeros of the smallest number, 17 digits.
const LONGEST: usize = 344;

/// Room for one number's text.
pub struct Buffer {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

/// The shortest decimal digits that read back as the number, and where their point is.
struct Digits {
    digits: [u8; 17],
    count: usize,
    /// The value is `0.d1d2d3… × 10^point`.
    point: i32,
}

impl Buffer {
    /// An empty buffer.
    pub const fn new() -> Self {
        Buffer { bytes: [0; LONGEST], len: 0 }
    }

    /// The shortest text that reads back as `value`: Go's `FormatFloat(value, format, -1, 64)`.
    /// Special values are `NaN`, `+Inf` and `-Inf`.
    pub fn shortest(&mut self, value: f64, format: Format) -> &str {
        self.len = 0;
        if !value.is_finite() {
            self.push(special(value).as_bytes());
        } else if value == value.trunc()
            && value.abs() < 1e15
            && format != Format::Exponent
            && !(value == 0.0 && value.is_sign_negative())
            && (format == Format::Fixed || value.abs() < 1e6)
        {
            // Counters and gauges are mostly whole numbers.
            let mut whole = itoa::Buffer::new();
            self.push(whole.format(value as i64).as_bytes());
        } else {
            if value.is_sign_negative() {
                self.push(b"-");
            }
            let digits = shortest_digits(value.abs());
            let exponent = digits.point - 1;
            match format {
                Format::Exponent => self.exponent_form(&digits),
                Format::General if !(-4..6).contains(&exponent) => {
                    self.exponent_form(&digits);
                }
                _ => self.fixed_form(&digits),
            }
        }
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    /// A sample's value in the JSON of Prometheus's API: plain, except below 1e-6 and from 1e21 on.
    pub fn sample(&mut self, value: f64) -> &str {
        let size = value.abs();
        let format =
            if size != 0.0 && !(1e-6..1e21).contains(&size) { Format::Exponent } else { Format::Fixed };
        self.shortest(value, format)
    }

    /// A value in the text exposition format, such as `1e+06` and `8.3835e-05`.
    pub fn exposition(&mut self, value: f64) -> &str {
        self.shortest(value, Format::General)
    }

    /// A value in OpenMetrics: as in the text format, but a whole number ends in `.0`.
    pub fn openmetrics(&mut self, value: f64) -> &str {
        self.exposition(value);
        if value.is_finite() && !self.bytes[..self.len].iter().any(|b| matches!(b, b'.' | b'e')) {
            self.push(b".0");
        }
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn push_zeros(&mut self, count: usize) {
        self.bytes[self.len..self.len + count].fill(b'0');
        self.len += count;
    }

    fn fixed_form(&mut self, digits: &Digits) {
        let all = &digits.digits[..digits.count];
        if digits.point <= 0 {
            self.push(b"0");
            if digits.count > 0 {
                self.push(b".");
                self.push_zeros(digits.point.unsigned_abs() as usize);
                self.push(all);
            }
            return;
        }
        let point = digits.point as usize;
        if digits.count <= point {
            self.push(all);
            self.push_zeros(point - digits.count);
        } else {
            self.push(&all[..point]);
            self.push(b".");
            self.push(&all[point..]);
        }
    }

    fn exponent_form(&mut self, digits: &Digits) {
        let all = &digits.digits[..digits.count];
        self.push(all.get(..1).unwrap_or(b"0"));
        if digits.count > 1 {
            self.push(b".");
            self.push(&all[1..]);
        }
        let exponent = if digits.count == 0 { 0 } else { digits.point - 1 };
        self.push(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            self.push(b"0");
        }
        let mut number = itoa::Buffer::new();
        self.push(number.format(exponent.unsigned_abs()).as_bytes());
    }
}

/// Adds [`Buffer::sample`]'s text; the fast way for the numbers that samples mostly are.
pub fn push_sample(out: &mut Vec<u8>, value: f64) {
    with_sample(value, &mut |text| out.extend_from_slice(text));
}

/// Calls with [`Buffer::sample`]'s text, of at most 25 bytes.
#[inline]
pub fn with_sample(value: f64, put: &mut impl FnMut(&[u8])) {
    let whole = value as i64;
    if whole as f64 == value && whole.unsigned_abs() < 1 << 53 && (whole != 0 || value.is_sign_positive()) {
        return put(itoa::Buffer::new().format(whole).as_bytes());
    }
    if (1e-4..1e15).contains(&value.abs()) {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value).as_bytes();
        if !text.contains(&b'e') {
            return put(text);
        }
    }
    put(Buffer::new().sample(value).as_bytes());
}

fn special(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}

/// Takes the digits out of the text that `zmij` writes, such as `1.5`, `1e-7`, `120.0`, `1.2e300`.
fn shortest_digits(value: f64) -> Digits {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    let mut digits = Digits { digits: [0; 17], count: 0, point: 0 };
    let mut exponent: i32 = 0;
    let mut zeros = 0;
    let mut is_behind_point = false;
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'.' => is_behind_point = true,
            b'e' => {
                let rest = bytes.as_slice();
                let (negative, rest) = match rest.strip_prefix(b"-") {
                    Some(rest) => (true, rest),
                    None => (false, rest.strip_prefix(b"+").unwrap_or(rest)),
                };
                exponent = rest.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
                if negative {
                    exponent = -exponent;
                }
                break;
            }
            b'0' if digits.count == 0 => digits.point -= i32::from(is_behind_point),
            digit => {
                digits.point += i32::from(!is_behind_point);
                if digit == b'0' {
                    // Kept back: only zeros between digits count.
                    zeros += 1;
                    continue;
                }
                for byte in std::iter::repeat_n(b'0', zeros).chain([digit]) {
                    if let Some(place) = digits.digits.get_mut(digits.count) {
                        *place = byte;
                        digits.count += 1;
                    }
                }
                zeros = 0;
            }
        }
    }
    digits.point += exponent;
    digits
}

/// The text of `value` in a notation; `precision` counts the digits behind the point (`General`: all
/// digits), `None` is the shortest that reads back. Go's `FormatFloat`.
pub fn format(value: f64, format: Format, precision: Option<usize>) -> String {
    let Some(precision) = precision.filter(|_| value.is_finite()) else {
        return Buffer::new().shortest(value, format).to_string();
    };
    match format {
        Format::Fixed => format!("{value:.precision$}"),
        Format::Exponent => go_exponent(&format!("{value:.precision$e}")),
        Format::General => {
            // Zero digits are one digit.
            let wanted = precision.max(1);
            let rounded = format!("{value:.*e}", wanted - 1);
            let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
            let exponent: i32 = exponent.parse().unwrap_or(0);
            let mantissa = if mantissa.contains('.') {
                mantissa.trim_end_matches('0').trim_end_matches('.')
            } else {
                mantissa
            };
            let count = mantissa.bytes().filter(u8::is_ascii_digit).count() as i32;
            // More precision than digits is not needed to write a whole number out.
            let threshold = if wanted as i32 > count && count > exponent { count } else { wanted as i32 };
            if exponent < -4 || exponent >= threshold {
                return go_exponent(&format!("{mantissa}e{exponent}"));
            }
            format!("{value:.*}", (count - 1 - exponent).max(0) as usize)
        }
    }
}

/// Rust writes `1e5` and `1e-5`, Go `1e+05` and `1e-05`.
fn go_exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Appends [`Buffer::sample`].
pub fn write_sample(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(Buffer::new().sample(value).as_bytes());
}

/// Appends [`Buffer::exposition`].
pub fn write_exposition(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(Buffer::new().exposition(value).as_bytes());
}

/// Reads a number as Go's `ParseFloat` does: decimal, or hexadecimal with a binary exponent
/// (`0x1.8p3`), or `Inf`, `Infinity`, `NaN` in any case. What is too large is an error. Underscores
/// are not taken.
pub fn parse(text: &str) -> Result<f64, Error> {
    let error = |problem| Error::Number { function: "ParseFloat", text: text.to_string(), problem };
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let is = |name: &str| body.eq_ignore_ascii_case(name);
    let size = if is("inf") || is("infinity") {
        return Ok(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    } else if text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    } else if let Some(hex) = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
        parse_hex(hex)
    } else if body.starts_with(|c: char| c == '.' || c.is_ascii_digit()) {
        body.parse().ok()
    } else {
        None
    };
    match size {
        None => Err(error(NumberProblem::Syntax)),
        Some(size) if size.is_infinite() => Err(error(NumberProblem::Range)),
        Some(size) => Ok(if negative { -size } else { size }),
    }
}

/// What follows `0x`: digits, perhaps with a point, and an exponent of two. Rounded half to even.
fn parse_hex(text: &str) -> Option<f64> {
    let (mantissa_text, exponent_text) = text.split_once(['p', 'P'])?;
    let unsigned = exponent_text.strip_prefix(['+', '-']).unwrap_or(exponent_text);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // An exponent beyond this is as good as any.
    let mut exponent: i64 = unsigned.parse().unwrap_or(1 << 40).min(1 << 40);
    if exponent_text.starts_with('-') {
        exponent = -exponent;
    }
    let mut mantissa: u64 = 0;
    let mut has_digit = false;
    let mut is_behind_point = false;
    for c in mantissa_text.chars() {
        if c == '.' {
            if is_behind_point {
                return None;
            }
            is_behind_point = true;
            continue;
        }
        let digit = u64::from(c.to_digit(16)?);
        has_digit = true;
        if mantissa >> 58 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent -= if is_behind_point { 4 } else { 0 };
        } else {
            // No room: what is cut off is remembered in the last bit, for the rounding.
            mantissa |= u64::from(digit != 0);
            exponent += if is_behind_point { 0 } else { 4 };
        }
    }
    if !has_digit {
        return None;
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    let bits = i64::from(64 - mantissa.leading_zeros());
    let shift = (bits - 53).max(-1074 - exponent).max(0);
    let mut rounded = mantissa;
    if shift > 63 {
        return Some(0.0);
    }
    if shift > 0 {
        rounded = mantissa >> shift;
        let (cut, half) = (mantissa & ((1 << shift) - 1), 1 << (shift - 1));
        if cut > half || cut == half && rounded & 1 == 1 {
            rounded += 1;
        }
    }
    exponent += shift;
    if exponent > 1024 {
        return Some(f64::INFINITY);
    }
    // Two steps, so that neither power leaves the range. Both are exact.
    let half = (exponent / 2) as i32;
    Some(rounded as f64 * 2f64.powi(half) * 2f64.powi(exponent as i32 - half))
}
