use gocompat::layout::{
    PLAIN, RFC1123, RFC1123_Z, RFC3339, RFC3339_NANO, format, parse, parse_in, parse_rfc3339, zone,
};
use jiff::Zoned;

fn time(text: &str) -> Zoned {
    parse_rfc3339(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn times_write_like_in_go() {
    let afternoon = time("2009-02-04T21:00:57.012345600-08:00");
    let morning = time("2024-12-25T00:05:09Z");
    for (layout, a, b) in [
        (RFC3339, "2009-02-04T21:00:57-08:00", "2024-12-25T00:05:09Z"),
        (RFC3339_NANO, "2009-02-04T21:00:57.0123456-08:00", "2024-12-25T00:05:09Z"),
        (RFC1123, "Wed, 04 Feb 2009 21:00:57 -0800", "Wed, 25 Dec 2024 00:05:09 UTC"),
        (RFC1123_Z, "Wed, 04 Feb 2009 21:00:57 -0800", "Wed, 25 Dec 2024 00:05:09 +0000"),
        (PLAIN, "2009-02-04 21:00:57.0123456 -0800 -0800", "2024-12-25 00:05:09 +0000 UTC"),
        ("3:04PM 03:4 pm", "9:00PM 09:0 pm", "12:05AM 12:5 am"),
        ("Monday January _2 06", "Wednesday February  4 09", "Wednesday December 25 24"),
        ("__2|002|1/2", " 35|035|2/4", "360|360|12/25"),
        (".000 ,000000000 .999 .99", ".012 ,012345600 .012 .01", ".000 ,000000000  "),
        ("05.000", "57.012", "09.000"),
        ("Z0700 Z07 -07:00:00 Z070000 -07", "-0800 -08 -08:00:00 -080000 -08", "Z Z +00:00:00 Z +00"),
        ("Janitor Mondays _2006 é", "Janitor Wednesdays _2009 é", "Janitor Wednesdays _2024 é"),
        ("15h4m5s", "21h0m57s", "00h5m9s"),
        ("", "", ""),
    ] {
        assert_eq!(format(&afternoon, layout), a, "{layout}");
        assert_eq!(format(&morning, layout), b, "{layout}");
    }
}

#[test]
fn times_read_like_in_go() {
    for (layout, text, expected) in [
        (RFC3339, "2024-03-15T10:20:30Z", "2024-03-15T10:20:30Z"),
        (RFC3339, "2024-03-15T10:20:30.5+01:30", "2024-03-15T10:20:30.5+01:30"),
        (RFC3339_NANO, "2024-03-15T10:20:30.123456789Z", "2024-03-15T10:20:30.123456789Z"),
        ("2006-01-02", "2024-03-15", "2024-03-15T00:00:00Z"),
        ("02 Jan 06 15:04 MST", "15 mar 24 10:20 CET", "2024-03-15T10:20:00Z"),
        ("Jan _2 15:04:05", "Mar  5 01:02:03", "0000-03-05T01:02:03Z"),
        ("Monday, January 2, 2006 3:04pm", "Friday, March 15, 2024 1:05pm", "2024-03-15T13:05:00Z"),
        ("3PM", "12AM", "0000-01-01T00:00:00Z"),
        ("2006 002", "2024 075", "2024-03-15T00:00:00Z"),
        ("2006-01-02 15:04:05 -0700", "2024-03-15   10:20:30,25 -0330", "2024-03-15T10:20:30.25-03:30"),
        ("15:04:05.000", "10:20:30.123", "0000-01-01T10:20:30.123Z"),
        ("15:04:05.99", "10:20:30.123456", "0000-01-01T10:20:30.123456Z"),
        ("15:04 MST", "10:20 GMT+3", "0000-01-01T10:20:00+03:00"),
        ("06", "69", "1969-01-01T00:00:00Z"),
        (RFC1123_Z, "Fri, 15 Mar 2024 10:20:30 +0100", "2024-03-15T10:20:30+01:00"),
    ] {
        let read = parse(layout, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(format(&read, RFC3339_NANO), expected, "{layout} {text}");
    }
}

#[test]
fn what_does_not_fit_is_told_like_in_go() {
    for (layout, text, expected) in [
        (
            "2006-01-02",
            "not-a-date",
            r#"parsing time "not-a-date" as "2006-01-02": cannot parse "not-a-date" as "2006""#,
        ),
        (
            "2006-01-02",
            "2024/03/15",
            r#"parsing time "2024/03/15" as "2006-01-02": cannot parse "/03/15" as "-""#,
        ),
        ("2006-01-02", "2024-13-15", r#"parsing time "2024-13-15": month out of range"#),
        ("2006-01-02", "2023-02-29", r#"parsing time "2023-02-29": day out of range"#),
        ("2006-01-02", "2023-02-20x", r#"parsing time "2023-02-20x": extra text: "x""#),
        ("15:04", "25:00", r#"parsing time "25:00": hour out of range"#),
        ("15:04", "1:5", r#"parsing time "1:5" as "15:04": cannot parse "5" as "04""#),
        ("", "x", r#"parsing time "x": extra text: "x""#),
        (
            RFC3339,
            "2024-03-15T10:20:30",
            r#"parsing time "2024-03-15T10:20:30" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00""#,
        ),
        ("2006 Jan 002", "2024 Feb 075", r#"parsing time "2024 Feb 075": day-of-year does not match month"#),
        ("2006 002", "2023 366", r#"parsing time "2023 366": day-of-year out of range"#),
        ("Jan", "Foo", r#"parsing time "Foo" as "Jan": cannot parse "Foo" as "Jan""#),
    ] {
        assert_eq!(parse(layout, text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn zones_have_their_names_and_rules() {
    assert_eq!(zone("Invalid/Timezone").unwrap_err().to_string(), "unknown time zone Invalid/Timezone");
    assert!(zone("../etc/passwd").is_err());
    assert_eq!(zone("UTC"), zone(""));
    let Ok(paris) = zone("Europe/Paris") else {
        println!("skipped: the system has no time zone database");
        return;
    };
    let there = time("2024-01-01T08:15:30Z").with_time_zone(paris.clone());
    assert_eq!(format(&there, PLAIN), "2024-01-01 09:15:30 +0100 CET");
    let summer = parse_in("2006-01-02 15:04", "2024-07-01 12:00", &paris).unwrap();
    assert_eq!(format(&summer, "Z07:00 MST"), "+02:00 CEST");
}
