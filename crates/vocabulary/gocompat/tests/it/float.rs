use gocompat::float::{Buffer, Format, format, parse};

#[test]
fn the_shortest_forms_are_those_of_go() {
    let mut buffer = Buffer::new();
    for (value, fixed, exponent, general) in [
        (0.0, "0", "0e+00", "0"),
        (-0.0, "-0", "-0e+00", "-0"),
        (1.0, "1", "1e+00", "1"),
        (-1.5, "-1.5", "-1.5e+00", "-1.5"),
        (100.0, "100", "1e+02", "100"),
        (123_456.0, "123456", "1.23456e+05", "123456"),
        (999_999.5, "999999.5", "9.999995e+05", "999999.5"),
        (1e6, "1000000", "1e+06", "1e+06"),
        (4_302_416.0, "4302416", "4.302416e+06", "4.302416e+06"),
        (0.0001, "0.0001", "1e-04", "0.0001"),
        (0.00001, "0.00001", "1e-05", "1e-05"),
        (8.3835e-05, "0.000083835", "8.3835e-05", "8.3835e-05"),
        (0.1 + 0.2, "0.30000000000000004", "3.0000000000000004e-01", "0.30000000000000004"),
        (1.234e20, "123400000000000000000", "1.234e+20", "1.234e+20"),
        (1e21, "1000000000000000000000", "1e+21", "1e+21"),
        (1_507_600_000.25, "1507600000.25", "1.50760000025e+09", "1.50760000025e+09"),
        (9007199254740993.0, "9007199254740992", "9.007199254740992e+15", "9.007199254740992e+15"),
        (f64::MAX, "", "1.7976931348623157e+308", "1.7976931348623157e+308"),
        (f64::INFINITY, "+Inf", "+Inf", "+Inf"),
        (f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf"),
        (f64::NAN, "NaN", "NaN", "NaN"),
    ] {
        if !fixed.is_empty() {
            assert_eq!(buffer.shortest(value, Format::Fixed), fixed);
        }
        assert_eq!(buffer.shortest(value, Format::Exponent), exponent);
        assert_eq!(buffer.shortest(value, Format::General), general);
    }
    let smallest = buffer.shortest(-5e-324, Format::Fixed).to_string();
    assert!(
        smallest.starts_with("-0.000") && smallest.ends_with("05") && smallest.len() == 327,
        "{smallest}"
    );
    let longest = -2.2250738585072014e-308;
    assert_eq!(buffer.shortest(longest, Format::Fixed).parse(), Ok(longest));
    assert_eq!(buffer.shortest(f64::MAX, Format::Fixed).parse(), Ok(f64::MAX));
}

#[test]
fn samples_and_expositions_write_like_prometheus() {
    let mut buffer = Buffer::new();
    for (value, sample, exposition, openmetrics) in [
        (5.0, "5", "5", "5.0"),
        (1e6, "1000000", "1e+06", "1e+06"),
        (1e-6, "0.000001", "1e-06", "1e-06"),
        (1e-7, "1e-07", "1e-07", "1e-07"),
        (1.5e300, "1.5e+300", "1.5e+300", "1.5e+300"),
        (1e21, "1e+21", "1e+21", "1e+21"),
        (0.25, "0.25", "0.25", "0.25"),
        (-0.0, "-0", "-0", "-0.0"),
        (f64::INFINITY, "+Inf", "+Inf", "+Inf"),
    ] {
        assert_eq!(buffer.sample(value), sample);
        assert_eq!(buffer.exposition(value), exposition);
        assert_eq!(buffer.openmetrics(value), openmetrics);
    }
}

#[test]
fn a_precision_rounds_like_go() {
    for (value, notation, precision, expected) in [
        (1.005, Format::Fixed, 2, "1.00"),
        (0.5, Format::Fixed, 0, "0"),
        (1.5, Format::Fixed, 0, "2"),
        (2.5, Format::Fixed, 0, "2"),
        (0.125, Format::Fixed, 2, "0.12"),
        (1234.5678, Format::Fixed, 2, "1234.57"),
        (1234.5678, Format::Exponent, 2, "1.23e+03"),
        (0.0, Format::Exponent, 6, "0.000000e+00"),
        (1234.5678, Format::General, 4, "1235"),
        (123_456_789.0, Format::General, 4, "1.235e+08"),
        (100_000.0, Format::General, 6, "100000"),
        (1_000_000.0, Format::General, 6, "1e+06"),
        (0.00001234, Format::General, 3, "1.23e-05"),
        (12.0, Format::General, 4, "12"),
        (99.99, Format::General, 3, "100"),
        (400.0, Format::General, 2, "4e+02"),
        (0.5, Format::General, 0, "0.5"),
        (f64::NEG_INFINITY, Format::Fixed, 2, "-Inf"),
    ] {
        assert_eq!(format(value, notation, Some(precision)), expected, "{value} {notation:?} {precision}");
    }
}

#[test]
fn numbers_read_like_in_go() {
    for (text, expected) in [
        ("1", 1.0),
        ("+1.5e3", 1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0", -0.0),
        ("1e-400", 0.0),
        ("0x1p-2", 0.25),
        ("0X1.8P3", 12.0),
        ("-0x.8p0", -0.5),
        ("0x1.fffffffffffff8p0", 2.0),
        ("0x1.00000000000008p0", 1.0),
        ("0x1.000000000000080000000000001p0", 1.0000000000000002),
        ("0x1p-1074", 5e-324),
        ("0x1p-1075", 0.0),
        ("0x1.8p-1075", 5e-324),
        ("0x1.fffffffffffffp1023", f64::MAX),
        ("inf", f64::INFINITY),
        ("+INF", f64::INFINITY),
        ("-Infinity", f64::NEG_INFINITY),
    ] {
        assert_eq!(parse(text).unwrap().to_bits(), expected.to_bits(), "{text}");
    }
    assert!(parse("NaN").unwrap().is_nan() && parse("nan").unwrap().is_nan());
    for text in
        ["", "+", ".", "e1", "1e", "1_000", "0x1", "0xp1", "0x1.p", "+nan", "infin", "1 ", "--1", "0x1.2.3p1"]
    {
        assert_eq!(
            parse(text).unwrap_err().to_string(),
            format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")
        );
    }
    for text in ["1e400", "-1.8e308", "0x1p1024", "0x1.fffffffffffff8p1023", "0x1p99999999999999999999"] {
        assert_eq!(
            parse(text).unwrap_err().to_string(),
            format!("strconv.ParseFloat: parsing {text:?}: value out of range")
        );
    }
}
