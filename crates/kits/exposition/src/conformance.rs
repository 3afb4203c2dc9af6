//! Runs the cases of Prometheus's parser tests: inputs that must be refused with a given text, and
//! pages that must be read whole.

use std::path::Path;

use testkit::SuiteResult;

use crate::format::Format;
use crate::labels::LabelBuffer;
use crate::parser::{Entry, Options, Parser};

#[derive(serde::Deserialize)]
struct ErrorCase {
    input: String,
    err: String,
}

/// Runs the cases in `DIR/derived` and reads the pages in `DIR/testdata`.
pub fn textparse(dir: &Path) -> SuiteResult {
    let mut result = SuiteResult::default();
    if let Err(error) = run(dir, &mut result) {
        result.failures.push(format!("{}: {error}", dir.display()));
    }
    result
}

fn run(dir: &Path, result: &mut SuiteResult) -> std::io::Result<()> {
    for (file, format) in
        [("promparse_errors.json", Format::Text), ("openmetricsparse_errors.json", Format::OpenMetrics)]
    {
        let cases: Vec<ErrorCase> = serde_json::from_slice(&std::fs::read(dir.join("derived").join(file))?)?;
        for case in cases {
            result.check(format_args!("{file} {:?}", case.input), refuses(format, &case));
        }
    }
    for folder in ["derived", "testdata"] {
        let mut files: Vec<_> = std::fs::read_dir(dir.join(folder))?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        files.sort();
        for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "txt")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_text = name.starts_with("promparse") || name.ends_with(".prom.txt");
            let format = if is_text { Format::Text } else { Format::OpenMetrics };
            let mut body = std::fs::read(path)?;
            if folder == "derived" {
                complete(format, &mut body);
            }
            result.check(&name, reads(format, &body));
        }
    }
    Ok(())
}

/// Upstream's tests add to these inputs what a file on disk cannot well hold.
fn complete(format: Format, body: &mut Vec<u8>) {
    if body.last() != Some(&b'\n') {
        body.push(b'\n');
    }
    let needs_end = format == Format::OpenMetrics && !body.trim_ascii_end().ends_with(b"# EOF");
    if needs_end {
        body.extend_from_slice(b"# HELP metric foo\x00bar\nnull_byte_metric{a=\"abc\x00\"} 1\n# EOF\n");
    } else if format == Format::Text {
        body.extend_from_slice(b"# HELP metric foo\x00bar\nnull_byte_metric{a=\"abc\x00\"} 1\n");
    }
}

fn refuses(format: Format, case: &ErrorCase) -> Result<(), String> {
    let mut input = case.input.clone().into_bytes();
    if case.err.contains("\\xff") && !case.input.contains("\\xff") {
        // JSON cannot hold the byte: a replacement stands for it.
        let replaced = case.input.replace('\u{fffd}', "?").into_bytes();
        input = replaced.iter().map(|b| if *b == b'?' { 0xff } else { *b }).collect();
    }
    let mut parser = Parser::new(format, &input, Options::default());
    let outcome = loop {
        match parser.next_entry() {
            Ok(Some(_)) => {}
            Ok(None) => break if case.err.is_empty() { String::new() } else { "EOF".to_string() },
            Err(error) => break error.to_string(),
        }
    };
    if outcome == case.err { Ok(()) } else { Err(format!("got {outcome:?}, wanted {:?}", case.err)) }
}

/// Every line that is not blank must become an entry, and read again with guesses the same entries.
fn reads(format: Format, body: &[u8]) -> Result<(), String> {
    let lines = body
        .split(|b| *b == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && (format == Format::Text || *line != b"# EOF"))
        .count();
    let mut first = Vec::new();
    let mut raws: Vec<Vec<u8>> = Vec::new();
    let mut labels = LabelBuffer::default();
    for pass in 0..2 {
        let mut parser = Parser::new(format, body, Options::default());
        for at in 0.. {
            let known = raws.get(at).filter(|_| pass == 1).map_or(&[][..], |raw| raw);
            let Some(entry) = parser.next_guessing(known).map_err(|error| error.to_string())? else { break };
            let shown = match &entry {
                Entry::Series(series) => {
                    series.labels(&mut labels);
                    if labels.get(model::METRIC_NAME).is_empty() {
                        return Err(format!("{series:?} has no name"));
                    }
                    format!("{} {series:?}", labels.build())
                }
                entry => format!("{entry:?}"),
            };
            let raw = if let Entry::Series(series) = entry { series.raw.to_vec() } else { Vec::new() };
            if pass == 0 {
                first.push(shown);
                raws.push(raw);
            } else if first.get(at) != Some(&shown) {
                return Err(format!("read with a guess: {shown}, before: {:?}", first.get(at)));
            }
        }
    }
    if first.len() == lines { Ok(()) } else { Err(format!("{} entries in {lines} lines", first.len())) }
}
