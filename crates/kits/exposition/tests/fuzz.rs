//! The fuzz targets of pages in every format; see [`testkit::fuzz`].
#![allow(clippy::unwrap_used)]

use exposition::{Entry, Format, LabelBuffer, Options, ParseError, Parser};
use testkit::allocation::Counting;
use testkit::fuzz::Fuzz;
use wire::Writer;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One entry in words, and what names its series.
fn describe(entry: &Entry<'_>, labels: &mut LabelBuffer) -> (String, Option<Vec<u8>>) {
    match entry {
        Entry::Series(series) | Entry::Histogram(series, _) => {
            series.labels(labels);
            let mut exemplars = Vec::new();
            series.exemplars(&mut exemplars);
            let value = series.value.to_bits();
            let times = (series.timestamp_ms, series.start_ms);
            let line = format!("{} {value} {times:?} {exemplars:?}", labels.build());
            (line, Some(series.raw.to_vec()))
        }
        other => (format!("{other:?}"), None),
    }
}

type Lines = Vec<(String, Option<Vec<u8>>)>;

/// All entries. With `known`, the parser is told what comes, as a scraper does the second time.
fn read(format: Format, body: &[u8], options: Options, known: Option<&Lines>) -> Result<Lines, ParseError> {
    let mut parser = Parser::new(format, body, options);
    let (mut lines, mut labels) = (Lines::new(), LabelBuffer::default());
    loop {
        let known = known.and_then(|known| known.get(lines.len())?.1.as_deref()).unwrap_or_default();
        match parser.next_guessing(known)? {
            None => return Ok(lines),
            Some(entry) => lines.push(describe(&entry, &mut labels)),
        }
        assert!(lines.len() <= 2 * body.len() + 2, "a body has no more entries than bytes");
    }
}

fn check(format: Format, body: &[u8]) -> String {
    let mut outcome = String::new();
    for (created_as_start, convert_classic) in [(false, false), (true, false), (false, true), (true, true)] {
        let options = Options {
            created_as_start,
            classic_with_native: created_as_start,
            ignore_native: false,
            convert_classic,
        };
        match read(format, body, options, None) {
            Ok(lines) => {
                let again = read(format, body, options, Some(&lines)).unwrap();
                assert_eq!(again, lines, "known series are read as unknown ones are");
                outcome += &format!("{} ", lines.len());
            }
            Err(error) => outcome += &error.to_string().chars().take(40).collect::<String>(),
        }
    }
    outcome
}

const PAGES: [&str; 4] = [
    "# HELP a_total Lines\\n and \\\\.\n# TYPE a_total counter\n# a comment\n\na_total{path=\"a\\\\b\\\"c\\nd\",x=\"\"} 1.5e3\n  a_total { q = \"1\" , } -Inf 1234\n",
    "# TYPE s summary\ns{quantile=\"1\"} 2\ns_sum 1\ns_count 3\n# TYPE h histogram\nh_bucket{le=\"10\"} 3\nh_bucket{le=\"+Inf\"} 3\n{\"my.metric\",\"la.bel\"=\"v\"} NaN\n\"not\" 1\n",
    "# TYPE a counter\n# UNIT a seconds\n# HELP a x\na_total{b=\"c\"} 1 1.5 # {trace=\"1\"} 0.5 1.25\na_created{b=\"c\"} 1.0\n# EOF\n",
    "# TYPE h histogram\nh_bucket{le=\"1\"} 2 # {t=\"x\"} 0.5\nh_bucket{le=\"+Inf\"} 3\nh_count 3\nh_sum 1\nh_created 2\n# TYPE i info\ni_info{a=\"b\"} 1\n# EOF\n",
];

const TOKENS: [&str; 24] = [
    "# TYPE ",
    "# HELP ",
    "# UNIT ",
    "# EOF\n",
    " counter\n",
    " histogram\n",
    " gaugehistogram\n",
    "_total",
    "_created",
    "_bucket",
    "{le=\"",
    "\"} ",
    "\\\"",
    "\\n",
    "NaN",
    "+Inf",
    " # {",
    "1e308",
    "\n",
    "\r\n",
    "{\"",
    "\u{e9}",
    ",",
    "0x1p-3",
];

fn pages() -> Vec<Vec<u8>> {
    PAGES.iter().map(|page| page.as_bytes().to_vec()).collect()
}

#[test]
fn fuzz_text() {
    Fuzz::new("text", pages()).tokens(&TOKENS).cases(6_000).run(|body| check(Format::Text, body));
}

#[test]
fn fuzz_open_metrics() {
    Fuzz::new("open_metrics", pages())
        .tokens(&TOKENS)
        .cases(6_000)
        .run(|body| check(Format::OpenMetrics, body));
}

/// Families as a client library sends them: a counter with an exemplar, a native histogram.
fn families() -> Vec<Vec<u8>> {
    let message = |write: &dyn Fn(&mut Writer)| {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out));
        out
    };
    let label = |name: &str, value: &str| {
        message(&|w| {
            w.bytes(1, name.as_bytes());
            w.bytes(2, value.as_bytes());
        })
    };
    let counter = message(&|w| {
        w.bytes(1, b"a_total");
        w.bytes(2, b"help");
        w.bytes(
            4,
            &message(&|w| {
                w.bytes(1, &label("job", "a"));
                w.bytes(3, &[9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x12, 4, 0x0a, 2, 0x0a, 0]);
            }),
        );
    });
    let histogram = message(&|w| {
        w.bytes(1, b"h");
        w.bytes(3, b"");
        w.bytes(
            4,
            &message(&|w| {
                // Count 4, schema 1, zero threshold, a span of two, deltas of two.
                let native = [8, 4, 0x28, 2, 0x30, 0, 0x38, 1, 0x62, 4, 8, 0, 0x10, 2, 0x6a, 2, 4, 0];
                w.bytes(7, &native);
            }),
        );
    });
    let one = |family: &[u8]| [&[family.len() as u8], family].concat();
    vec![one(&counter), one(&histogram), [one(&counter), one(&histogram)].concat()]
}

#[test]
fn fuzz_protobuf() {
    Fuzz::new("protobuf", families()).cases(6_000).run(|body| check(Format::Protobuf, body));
}
