//! Numbers as the formats write them: Go's shortest form.

use model::sample::NORMAL_NAN_BITS;

/// Adds a number as Go writes it with `strconv.FormatFloat(value, 'g', -1, 64)`: the shortest digits
/// that read back the same, with an exponent below 1e-04 and from 1e+06 on.
pub fn push_float(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
        return;
    }
    if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
        return;
    }
    if value.abs() < 1e6 && value.trunc() == value {
        out.extend_from_slice(itoa::Buffer::new().format(value as i32).as_bytes());
        return;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let mut digits = [0u8; 20];
    let (digits, exponent) = shortest_digits(value.abs(), &mut digits);
    let [first, rest @ ..] = digits else { return };
    if !(-4..6).contains(&exponent) {
        out.push(*first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
        out.push(b'e');
        out.push(if exponent < 0 { b'-' } else { b'+' });
        let size = exponent.unsigned_abs();
        if size < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', exponent.unsigned_abs() as usize - 1));
        out.extend_from_slice(digits);
    } else {
        let whole = exponent as usize + 1;
        match digits.split_at_checked(whole) {
            Some((before, [])) => out.extend_from_slice(before),
            Some((before, after)) => {
                out.extend_from_slice(before);
                out.push(b'.');
                out.extend_from_slice(after);
            }
            None => {
                out.extend_from_slice(digits);
                out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
            }
        }
    }
}

/// Digits without a point and trailing zeros, and the decimal exponent of the first one.
fn shortest_digits(value: f64, digits: &mut [u8; 20]) -> (&[u8], i32) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().unwrap_or(0)),
        None => (text, 0),
    };
    let whole = mantissa.find('.').unwrap_or(mantissa.len());
    let (mut length, mut leading, mut seen) = (0usize, 0i32, false);
    for byte in mantissa.bytes().filter(u8::is_ascii_digit) {
        seen |= byte != b'0';
        if !seen {
            leading += 1;
        } else if let Some(place) = digits.get_mut(length) {
            *place = byte;
            length += 1;
        }
    }
    while length > 1 && digits.get(length - 1) == Some(&b'0') {
        length -= 1;
    }
    (digits.get(..length).unwrap_or_default(), exponent + whole as i32 - 1 - leading)
}

/// Adds a number as it stands in `le` and `quantile` labels and in OpenMetrics: like [`push_float`],
/// but never without a point or an exponent.
pub fn push_open_metrics_float(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    push_float(out, value);
    if value.is_finite() && !out[start..].iter().any(|b| matches!(b, b'.' | b'e')) {
        if out[start..] == *b"-0" {
            out.remove(start);
        }
        out.extend_from_slice(b".0");
    }
}

/// A number as Go's `strconv.ParseFloat` reads it, in the forms known before Go 1.13; the error is
/// the text Prometheus shows.
pub fn parse_float(text: &[u8]) -> Result<f64, String> {
    if let Some(value) = fast_float(text) {
        return Ok(value);
    }
    if text.iter().any(|b| matches!(b, b'p' | b'P' | b'_')) {
        return Err("unsupported character in float".to_string());
    }
    let failed = |what: &str| format!("strconv.ParseFloat: parsing {}: {what}", crate::quote::quote(text));
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    let Some(value) = parsed else { return Err(failed("invalid syntax")) };
    let is_signed = matches!(text.first(), Some(b'+' | b'-'));
    if value.is_nan() {
        return if is_signed { Err(failed("invalid syntax")) } else { Ok(f64::from_bits(NORMAL_NAN_BITS)) };
    }
    if value.is_infinite() && text.iter().any(u8::is_ascii_digit) {
        return Err(failed("value out of range"));
    }
    Ok(value)
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Reads the common forms exactly, `None` for all others: as long as the digits fit into 53 bits and
/// the power of ten is exact, one multiplication or division rounds correctly (Clinger 1990).
#[inline]
fn fast_float(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 24 {
        return None;
    }
    let (mut mantissa, mut count, mut scale) = (0u64, 0u32, 0i32);
    let mut at = 0;
    let mut point = false;
    while let Some(byte) = digits.get(at) {
        match byte {
            b'0'..=b'9' => {
                // 19 digits never overflow 64 bits.
                count += 1;
                if count > 19 {
                    return None;
                }
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                scale -= i32::from(point);
            }
            b'.' if !point => point = true,
            b'e' | b'E' => break,
            _ => return None,
        }
        at += 1;
    }
    if count == 0 {
        return None;
    }
    if at < digits.len() {
        let (sign, exponent) = match digits.get(at + 1..)? {
            [b'-', rest @ ..] => (-1, rest),
            [b'+', rest @ ..] => (1, rest),
            rest => (1, rest),
        };
        if exponent.is_empty() || exponent.len() > 3 {
            return None;
        }
        let mut value = 0;
        for byte in exponent {
            if !byte.is_ascii_digit() {
                return None;
            }
            value = value * 10 + i32::from(byte - b'0');
        }
        scale += sign * value;
    }
    if mantissa > 1 << 53 {
        return None;
    }
    let power = *POWERS.get(scale.unsigned_abs() as usize)?;
    let value = if scale < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        push_float(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, text) in [
            (1.0, "1"),
            (-3.5, "-3.5"),
            (0.25, "0.25"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (123_456.789, "123456.789"),
            (1.726839813016714e9, "1.726839813016714e+09"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (4.9351e-5, "4.9351e-05"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
            (-0.0, "-0"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn the_fast_reader_agrees_with_the_exact_one() {
        let mut seed = 88_172_645_463_325_252u64;
        for _ in 0..200_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let value = f64::from_bits(seed);
            let text = match seed % 4 {
                0 => format!("{}", seed % 1_000_000),
                1 => format!("{}.{}", seed % 1_000, seed % 99_999),
                2 => format!("{value:e}"),
                _ => format!("-{}e-{}", seed % 100_000, seed % 30),
            };
            if let Some(fast) = fast_float(text.as_bytes()) {
                assert_eq!(fast.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
            }
        }
    }

    #[test]
    fn errors_are_those_of_go() {
        assert_eq!(parse_float(b"1_2").unwrap_err(), "unsupported character in float");
        assert_eq!(
            parse_float(b"1e999").unwrap_err(),
            "strconv.ParseFloat: parsing \"1e999\": value out of range"
        );
        assert_eq!(parse_float(b"+nan").unwrap_err(), "strconv.ParseFloat: parsing \"+nan\": invalid syntax");
        assert_eq!(parse_float(b"+Inf"), Ok(f64::INFINITY));
        assert_eq!(parse_float(b"nan").unwrap().to_bits(), NORMAL_NAN_BITS);
    }
}
