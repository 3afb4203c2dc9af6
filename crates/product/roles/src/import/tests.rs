//! Imports from directories and from servers that answer as others do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::*;
use crate::directory;

const HOUR: i64 = 3_600_000;
const START: i64 = 1_700_006_400_000;

fn output<T>(
    with: impl FnOnce(&mut Output<'_>) -> Result<T, String>,
) -> Result<(String, Vec<String>), String> {
    let (mut out, mut lines) = (Vec::new(), Vec::new());
    with(&mut Output { out: &mut out, progress: &mut |text| lines.push(text.to_string()) })?;
    Ok((String::from_utf8(out).unwrap(), lines))
}

fn import(from: From, to: &std::path::Path) -> Import {
    Import {
        from,
        to: To::Directory(to.to_path_buf()),
        selectors: Vec::new(),
        start_ms: None,
        end_ms: None,
        slice_ms: 2 * HOUR,
        state_file: None,
        http: HttpClientConfig::default(),
    }
}

fn dump(dir: &std::path::Path) -> String {
    let what = directory::Dump {
        range: TimeRange::ALL,
        selectors: Vec::new(),
        format: directory::DumpFormat::Lines,
        sandbox_root: None,
    };
    output(|output| directory::dump(dir, &what, output)).unwrap().0
}

/// A directory with a sample an hour of two series, for five hours.
fn source(dir: &std::path::Path) {
    let mut backfill = tsdb::Backfill::new(dir, tsdb::BLOCK_RANGE_MS, Clock::manual(START)).unwrap();
    for name in ["a", "b"] {
        let labels = model::Labels::from_pairs([(model::METRIC_NAME, name)]);
        for hour in 0..5 {
            backfill.push(&labels, START + hour * HOUR, hour as f64).unwrap();
        }
    }
    backfill.finish().unwrap();
}

#[test]
fn a_directory_is_imported_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    source(&from);
    let before = names(&from);
    let import = Import { selectors: vec!["a".into()], ..import(From::Directory(from.clone()), &to) };
    let (said, progress) = output(|output| run(&import, output)).unwrap();
    assert!(said.starts_with("imported 5 samples"), "{said}");
    assert!(progress.iter().any(|line| line.contains(" %, ") && line.contains("samples/s")), "{progress:?}");
    assert_eq!(names(&from), before);
    assert!(!names(&to).iter().any(|name| name.contains("import")), "{:?}", names(&to));
    let lines = dump(&to);
    assert_eq!(lines.lines().count(), 5);
    assert!(lines.contains(&format!("{{__name__=\"a\"}} 4 {}", START + 4 * HOUR)), "{lines}");
}

fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn an_import_that_was_stopped_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    source(&from);
    let import = import(From::Directory(from), &to);
    std::fs::create_dir_all(&to).unwrap();
    let state = State {
        identity: import.identity(),
        start_ms: START,
        end_ms: START + 4 * HOUR,
        next_ms: START + 3 * HOUR,
        samples: 6,
    };
    state.write(&to.join("import.json")).unwrap();
    let (said, _) = output(|output| run(&import, output)).unwrap();
    assert!(said.starts_with("going on after 6 samples\nimported 10 samples"), "{said}");
    assert_eq!(dump(&to).lines().count(), 4);
    State { identity: "another".into(), ..state }.write(&to.join("import.json")).unwrap();
    let error = output(|output| run(&import, output)).unwrap_err();
    assert!(error.contains("the state of another import (another)"), "{error}");
}

/// A server that answers each request with what `answer` makes of its line and body.
fn serve(
    answer: impl Fn(&str, &[u8]) -> (u16, Vec<u8>) + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let (mut line, mut length) = (String::new(), 0);
            reader.read_line(&mut line).unwrap();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                if let Some(size) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = size.trim().parse().unwrap();
                }
                if header.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let (status, content) = answer(&line, &body);
            seen.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                content.len()
            );
            let mut stream = reader.into_inner();
            let _ = stream.write_all(&[head.into_bytes(), content].concat());
        }
    });
    (url, asked)
}

#[test]
fn a_slice_that_is_too_large_is_read_in_halves() {
    let (url, asked) = serve(|_, body| {
        let form = String::from_utf8_lossy(body).into_owned();
        let time = |name: &str| -> f64 {
            form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name).unwrap().1.parse().unwrap()
        };
        let (start, end) = (time("start"), time("end"));
        if end - start > 3600.0 {
            return (422, b"cannot select more than -search.maxSamplesPerQuery".to_vec());
        }
        let at_ms = (start * 1000.0) as i64 + 1;
        let line = format!("{{\"metric\":{{\"__name__\":\"a\"}},\"values\":[1],\"timestamps\":[{at_ms}]}}\n");
        (200, line.into_bytes())
    });
    let dir = tempfile::tempdir().unwrap();
    let import = Import {
        start_ms: Some(START),
        end_ms: Some(START + 2 * HOUR - 1),
        ..import(From::VictoriaMetrics(url), dir.path())
    };
    let (said, _) = output(|output| run(&import, output)).unwrap();
    assert!(said.starts_with("imported 2 samples"), "{said}");
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert_eq!(dump(dir.path()).lines().count(), 2);
}

#[test]
fn remote_read_gives_floats_and_histograms() {
    let (url, asked) = serve(|_, _| {
        let mut result = Vec::new();
        wire::read::result_series(&mut result, [("__name__", "a")], |series| series.sample(START + 1, 7.0));
        let histogram = model::FloatHistogram { count: 3.0, sum: 1.5, zero_count: 3.0, ..Default::default() };
        wire::read::result_series(&mut result, [("__name__", "h")], |series| {
            series.histogram(START + 2, &histogram);
        });
        (200, snap::raw::Encoder::new().compress_vec(&wire::read::read_response(vec![result])).unwrap())
    });
    let dir = tempfile::tempdir().unwrap();
    let import = Import {
        start_ms: Some(START),
        end_ms: Some(START + HOUR),
        ..import(From::RemoteRead(format!("{url}/api/v1/read")), dir.path())
    };
    output(|output| run(&import, output)).unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);
    let lines = dump(dir.path());
    assert!(lines.contains(&format!("{{__name__=\"a\"}} 7 {}", START + 1)), "{lines}");
    assert!(lines.contains("{__name__=\"h\"} {count:3, sum:1.5"), "{lines}");
}

#[test]
fn a_running_server_takes_samples_by_remote_write() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    source(&from);
    let (url, asked) = serve(|line, _| (if line.contains("/write ") { 204 } else { 404 }, Vec::new()));
    let import = Import {
        to: To::RemoteWrite(format!("{url}/api/v1/write")),
        state_file: Some(dir.path().join("state.json")),
        ..import(From::Directory(from), dir.path())
    };
    let (said, _) = output(|output| run(&import, output)).unwrap();
    assert!(said.starts_with("imported 10 samples"), "{said}");
    // One for each slice that has samples.
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert!(!dir.path().join("state.json").exists());
}
