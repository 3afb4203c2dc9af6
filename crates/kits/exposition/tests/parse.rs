//! What a scraper sees of pages in each format.

use exposition::{Entry, Format, LabelBuffer, Options, Parser};
use wire::Writer;

/// The entries of a body, one line each; an error ends them.
fn entries(format: Format, body: &[u8], options: Options) -> Vec<String> {
    let mut parser = Parser::new(format, body, options);
    let mut labels = LabelBuffer::default();
    let mut seen = Vec::new();
    loop {
        seen.push(match parser.next_entry() {
            Ok(None) => return seen,
            Err(error) => format!("error: {error}"),
            Ok(Some(Entry::Comment(text))) => format!("comment {}", String::from_utf8_lossy(text)),
            Ok(Some(Entry::Help { metric, help })) => format!("help {metric}: {help}"),
            Ok(Some(Entry::Unit { metric, unit })) => format!("unit {metric}: {unit}"),
            Ok(Some(Entry::Type { metric, metric_type })) => format!("type {metric}: {metric_type}"),
            Ok(Some(Entry::Series(series))) => {
                series.labels(&mut labels);
                let mut line = format!("{} {}", labels.build(), series.value);
                if let Some(timestamp_ms) = series.timestamp_ms {
                    line += &format!(" @{timestamp_ms}");
                }
                if series.start_ms != 0 {
                    line += &format!(" since {}", series.start_ms);
                }
                let mut exemplars = Vec::new();
                series.exemplars(&mut exemplars);
                for exemplar in exemplars {
                    line += &format!(" # {} {} {:?}", exemplar.labels, exemplar.value, exemplar.timestamp_ms);
                }
                line
            }
            Ok(Some(Entry::Histogram(series, histogram))) => {
                series.labels(&mut labels);
                format!("{} histogram {} {:?}", labels.build(), histogram.count, histogram.positive_buckets)
            }
        });
        if seen.last().is_some_and(|line| line.starts_with("error")) {
            return seen;
        }
    }
}

#[test]
fn text_pages_are_read_in_all_their_shapes() {
    let page = "# HELP a_total Lines\\n and \\\\ \\\"quotes\\\".\n# \tTYPE a_total counter\n# just a comment\n\n\
                a_total{path=\"a\\\\b\\\"c\\nd\",x=\"\"} 1.5e3\n  a_total { q = \"1\" , } -Inf 1234\n\
                # TYPE s summary\ns{quantile=\"1\"} 2\n# TYPE h histogram\nh_bucket{le=\"10\"} 3\n\
                {\"my.metric\",\"la.bel\"=\"v\"} NaN\n\"not\" 1\n";
    assert_eq!(
        entries(Format::Text, page.as_bytes(), Options::default()),
        [
            "help a_total: Lines\n and \\ \\\"quotes\\\".",
            "type a_total: counter",
            "comment # just a comment",
            r#"{__name__="a_total", path="a\\b\"c\nd"} 1500"#,
            r#"{__name__="a_total", q="1"} -inf @1234"#,
            "type s: summary",
            r#"{__name__="s", quantile="1.0"} 2"#,
            "type h: histogram",
            r#"{__name__="h_bucket", le="10.0"} 3"#,
            r#"{__name__="my.metric", "la.bel"="v"} NaN"#,
            "error: expected a valid start token, got \"\\\"\" (\"INVALID\") while parsing: \"\\\"\"",
        ]
    );
}

#[test]
fn openmetrics_pages_carry_seconds_units_and_exemplars() {
    let page = "# TYPE t_seconds counter\n# UNIT t_seconds seconds\n# HELP t_seconds A \\\"b\\\".\n\
                t_seconds_total{a=\"b\"} 17.0 1520879607.789 # {id=\"x\",\"y.z\"=\"1\"} 5 123.25\n\
                t_seconds_created{a=\"b\"} 1520872607.123\n# EOF\n";
    assert_eq!(
        entries(Format::OpenMetrics, page.as_bytes(), Options::default()),
        [
            "type t_seconds: counter",
            "unit t_seconds: seconds",
            "help t_seconds: A \"b\".",
            r#"{__name__="t_seconds_total", a="b"} 17 @1520879607789 # {id="x", "y.z"="1"} 5 Some(123250)"#,
            r#"{__name__="t_seconds_created", a="b"} 1520872607.123"#,
        ]
    );
}

#[test]
fn created_series_become_start_timestamps_wherever_they_stand() {
    let page = "# TYPE foo counter\nfoo_total 17 # {id=\"c\"} 5\nfoo_created 1520872607.123\nfoo_total{a=\"b\"} 1\n\
                foo_created{a=\"b\"} 2\nfoo_total{a=\"c\"} 3\n# TYPE baz histogram\nbaz_created 7\n\
                baz_bucket{le=\"0.0\"} 0\nbaz_bucket{le=\"+Inf\"} 17\nbaz_count 17\nbaz_sum 3\n\
                # TYPE fizz_created gauge\nfizz_created 17\n# EOF\n";
    let options = Options { created_as_start: true, ..Options::default() };
    assert_eq!(
        entries(Format::OpenMetrics, page.as_bytes(), options),
        [
            "type foo: counter",
            r#"{__name__="foo_total"} 17 since 1520872607123 # {id="c"} 5 None"#,
            r#"{__name__="foo_total", a="b"} 1 since 2000"#,
            r#"{__name__="foo_total", a="c"} 3"#,
            "type baz: histogram",
            r#"{__name__="baz_bucket", le="0.0"} 0 since 7000"#,
            r#"{__name__="baz_bucket", le="+Inf"} 17 since 7000"#,
            r#"{__name__="baz_count"} 17 since 7000"#,
            r#"{__name__="baz_sum"} 3 since 7000"#,
            "type fizz_created: gauge",
            r#"{__name__="fizz_created"} 17"#,
        ]
    );
}

fn family(body: &mut Vec<u8>, name: &str, family_type: u64, metric: impl FnOnce(&mut Writer<'_>)) {
    let mut message = Vec::new();
    let mut writer = Writer::new(&mut message);
    writer.text(1, name);
    writer.text(2, "Help.");
    writer.uint(3, family_type);
    writer.message(4, |m| {
        m.message(1, |label| {
            label.text(1, "job");
            label.text(2, "x");
        });
        metric(m);
    });
    Writer::new(body).varint(message.len() as u64);
    body.extend_from_slice(&message);
}

fn protobuf_page() -> Vec<u8> {
    let mut body = Vec::new();
    family(&mut body, "c_total", 0, |m| {
        m.message(3, |counter| {
            counter.double(1, 4.0);
            counter.message(2, |exemplar| {
                exemplar.message(1, |label| {
                    label.text(1, "trace");
                    label.text(2, "t");
                });
                exemplar.double(2, 9.0);
            });
            counter.message(3, |start| start.int(1, 100));
        });
        m.int(6, 1234);
    });
    family(&mut body, "s", 2, |m| {
        m.message(4, |summary| {
            summary.uint(1, 2);
            summary.double(2, 0.5);
            summary.message(3, |quantile| {
                quantile.double(1, 1.0);
                quantile.double(2, 7.0);
            });
        });
    });
    family(&mut body, "h", 4, |m| {
        m.message(7, |h| {
            h.uint(1, 6);
            h.double(2, 1.5);
            h.message(3, |bucket| {
                bucket.uint(1, 2);
                bucket.double(2, 5.0);
            });
            h.sint(5, 3);
            h.message(12, |span| {
                span.sint(1, 0);
                span.uint(2, 2);
            });
            h.sints(13, [2i64, 2].into_iter());
        });
    });
    body
}

#[test]
fn protobuf_families_expand_as_text_would() {
    assert_eq!(
        entries(
            Format::Protobuf,
            &protobuf_page(),
            Options { classic_with_native: true, ..Options::default() }
        ),
        [
            "help c_total: Help.",
            "type c_total: counter",
            r#"{__name__="c_total", job="x"} 4 @1234 since 100000 # {trace="t"} 9 None"#,
            "help s: Help.",
            "type s: summary",
            r#"{__name__="s_count", job="x"} 2"#,
            r#"{__name__="s_sum", job="x"} 0.5"#,
            r#"{__name__="s", job="x", quantile="1.0"} 7"#,
            "help h: Help.",
            "type h: histogram",
            r#"{__name__="h", job="x"} histogram 6 [2.0, 4.0]"#,
            r#"{__name__="h_count", job="x"} 6"#,
            r#"{__name__="h_sum", job="x"} 1.5"#,
            r#"{__name__="h_bucket", job="x", le="5.0"} 2"#,
            r#"{__name__="h_bucket", job="x", le="+Inf"} 6"#,
        ]
    );
}

#[test]
fn native_histograms_stand_alone_or_are_passed_over_as_asked() {
    let count = |options| {
        let seen = entries(Format::Protobuf, &protobuf_page(), options);
        (
            seen.iter().filter(|s| s.contains("\"h")).count(),
            seen.iter().filter(|s| s.contains("histogram 6")).count(),
        )
    };
    assert_eq!(count(Options::default()), (1, 1));
    assert_eq!(count(Options { ignore_native: true, ..Options::default() }), (4, 0));
}

#[test]
fn a_wrong_guess_changes_nothing() {
    let page = "a 1\na_b 2\na{x=\"1\"} 3\na {x=\"2\"} 4\na{x=\"1\"}5\n";
    for known in ["", "a", "a_b", "a{x=\"1\"}", "b"] {
        let mut parser = Parser::new(Format::Text, page.as_bytes(), Options::default());
        let mut values = Vec::new();
        while let Some(Entry::Series(series)) = parser.next_guessing(known.as_bytes()).unwrap() {
            values.push((String::from_utf8_lossy(series.raw).into_owned(), series.value));
        }
        let raws = ["a", "a_b", "a{x=\"1\"}", "a {x=\"2\"}", "a{x=\"1\"}"];
        let expected: Vec<_> = raws.iter().map(|r| r.to_string()).zip([1.0, 2.0, 3.0, 4.0, 5.0]).collect();
        assert_eq!(values, expected, "guessing {known:?}");
    }
}
