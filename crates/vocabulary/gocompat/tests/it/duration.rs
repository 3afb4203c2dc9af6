use gocompat::duration::{format_ns, parse_ns};

#[test]
fn durations_write_like_in_go() {
    for (ns, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
        (3_600_000_000_000, "1h0m0s"),
        (-1_500_000_000, "-1.5s"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ] {
        assert_eq!(format_ns(ns), text);
        assert_eq!(parse_ns(text), Ok(ns), "{text}");
    }
}

#[test]
fn durations_read_like_in_go() {
    for (text, ns) in [
        ("0", 0),
        ("+5s", 5_000_000_000),
        ("1h2m3.5s", 3_723_500_000_000),
        ("-1.5h", -5_400_000_000_000),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("3m1h", 3_780_000_000_000),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("0.100000000000000000000h", 360_000_000_000),
        ("9007199254740993ns", 9_007_199_254_740_993),
    ] {
        assert_eq!(parse_ns(text), Ok(ns), "{text}");
    }
    for (text, error) in [
        ("", r#"time: invalid duration """#),
        ("-", r#"time: invalid duration "-""#),
        ("s", r#"time: invalid duration "s""#),
        (".s", r#"time: invalid duration ".s""#),
        ("3", r#"time: missing unit in duration "3""#),
        ("1h5", r#"time: missing unit in duration "1h5""#),
        ("1d", r#"time: unknown unit "d" in duration "1d""#),
        ("1m 2s", r#"time: unknown unit "m " in duration "1m 2s""#),
        ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
        ("3000000h", r#"time: invalid duration "3000000h""#),
    ] {
        assert_eq!(parse_ns(text).unwrap_err().to_string(), error);
    }
}
