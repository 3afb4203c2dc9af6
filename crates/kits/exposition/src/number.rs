//! Numbers as the formats write and read them.

use model::sample::NORMAL_NAN_BITS;

/// Adds a number as the text format has it, such as `1e+06`.
pub fn push_float(out: &mut Vec<u8>, value: f64) {
    gocompat::float::write_exposition(out, value);
}

/// Adds a number as it stands in `le` and `quantile` labels and in OpenMetrics: like [`push_float`],
/// but never without a point or an exponent, and zero without a sign.
pub fn push_open_metrics_float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(gocompat::float::Buffer::new().openmetrics(value + 0.0).as_bytes());
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
    let Ok(number) = std::str::from_utf8(text) else {
        return Err(format!("strconv.ParseFloat: parsing {}: invalid syntax", crate::quote::quote(text)));
    };
    let value = gocompat::float::parse(number).map_err(|error| error.to_string())?;
    Ok(if value.is_nan() { f64::from_bits(NORMAL_NAN_BITS) } else { value })
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

    #[test]
    fn bounds_have_a_point_or_an_exponent() {
        for (value, text) in
            [(1.0, "1.0"), (-0.0, "0.0"), (0.25, "0.25"), (1e6, "1e+06"), (f64::INFINITY, "+Inf")]
        {
            let mut out = Vec::new();
            push_open_metrics_float(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
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
