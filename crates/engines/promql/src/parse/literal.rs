//! Numbers in Go's notations, with Go's messages.

use super::lexer::quoted;

/// A number as it stands in a query: decimal, hexadecimal or octal, with exponent, with underscores,
/// `Inf`, `NaN`.
pub(super) fn number(text: &str) -> Result<f64, String> {
    if let Some(value) = integer(text) {
        return Ok(value as f64);
    }
    let fail =
        |why| Err(format!("error parsing number: strconv.ParseFloat: parsing {}: {why}", quoted(text)));
    if !underscores_are_right(text) {
        return fail("invalid syntax");
    }
    let plain = text.replace('_', "");
    let named = plain.eq_ignore_ascii_case("inf") || plain.eq_ignore_ascii_case("nan");
    match plain.parse::<f64>() {
        Ok(_) if plain.eq_ignore_ascii_case("nan") => Ok(f64::from_bits(model::sample::NORMAL_NAN_BITS)),
        Ok(value) if value.is_infinite() && !named => fail("value out of range"),
        Ok(value) => Ok(value),
        Err(_) => fail("invalid syntax"),
    }
}

/// An integer whose base shows in its prefix: `0x` or `0`.
fn integer(text: &str) -> Option<i64> {
    if !underscores_are_right(text) {
        return None;
    }
    let plain = text.replace('_', "").to_ascii_lowercase();
    match plain.strip_prefix('0') {
        Some("") | None => plain.parse().ok(),
        Some(rest) => match rest.strip_prefix('x') {
            Some(digits) => i64::from_str_radix(digits, 16).ok(),
            None => i64::from_str_radix(rest, 8).ok(),
        },
    }
}

/// An underscore stands between digits, or between a base and a digit.
fn underscores_are_right(text: &str) -> bool {
    let is_hex = text.len() > 1 && text[..2].eq_ignore_ascii_case("0x");
    let body = if is_hex { text.get(2..).unwrap_or("") } else { text };
    let mut before = if is_hex { b'0' } else { b'!' };
    for byte in body.bytes() {
        let is_digit = byte.is_ascii_digit() || is_hex && byte.is_ascii_hexdigit();
        match byte {
            b'_' if before != b'0' => return false,
            b'_' => before = b'_',
            _ if is_digit => before = b'0',
            _ if before == b'_' => return false,
            _ => before = b'!',
        }
    }
    before != b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (text, value) in [
            ("0755", 493.0),
            ("08", 8.0),
            ("0xc", 12.0),
            ("0x_1F", 31.0),
            ("1_000", 1000.0),
            ("1_000.5", 1000.5),
            ("5.", 5.0),
            (".5", 0.5),
            ("5e-3", 0.005),
            ("Inf", f64::INFINITY),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
        ] {
            assert_eq!(number(text), Ok(value), "{text}");
        }
        assert!(number("NaN").expect("a number").is_nan());
        for text in ["1e", "0x", "1_", "0xFFFFFFFFFFFFFFFFFF", "1._5"] {
            assert!(number(text).expect_err("no number").ends_with("invalid syntax"), "{text}");
        }
        assert!(number("1e999").expect_err("too large").ends_with("value out of range"));
    }
}
