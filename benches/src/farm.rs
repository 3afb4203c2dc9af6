//! Scrape targets on one loopback port: `/t/N/metrics` is target N in Prometheus's text format, with
//! series of the model that move on at each scrape; `/explosion/metrics` is a target that makes new
//! label values at each.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::model::{self, Series, Walk};

/// What was served so far.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) scrapes: AtomicU64,
    pub(crate) samples: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Label values that the exploding target has made.
    pub(crate) exploded: AtomicU64,
}

pub(crate) struct Farm {
    /// HOST:PORT.
    pub(crate) address: String,
    pub(crate) served: Arc<Served>,
    targets: usize,
}

impl Farm {
    /// Listens with so many targets of so many series; serves until the process ends. The exploding
    /// target makes `explosion` new values at each scrape.
    pub(crate) fn start(port: u16, targets: usize, series: usize, explosion: u64) -> Result<Farm, String> {
        let address = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind(&address).map_err(|error| format!("{address}: {error}"))?;
        let mut unit = 0;
        let pages: Arc<Vec<Mutex<Page>>> = Arc::new(
            (0..targets)
                .map(|_| {
                    let mut all: Vec<Series> = Vec::new();
                    while all.len() < series {
                        all.extend(model::unit(unit, 0));
                        unit += 1;
                    }
                    all.truncate(series);
                    Mutex::new(Page::new(all))
                })
                .collect(),
        );
        let served = Arc::new(Served::default());
        let shared = served.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, served) = (pages.clone(), shared.clone());
                // One thread a connection: a scraper keeps one open for each target.
                thread::spawn(move || {
                    // A scraper that goes away is no error.
                    let _ = serve(stream, &pages, &served, explosion);
                });
            }
        });
        Ok(Farm { address, served, targets })
    }

    /// A scrape configuration for all targets and, if asked, the exploding one.
    pub(crate) fn scrape_config(&self, interval: &str, explosion: bool) -> String {
        let mut text =
            format!("global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\nscrape_configs:\n");
        let mut job = |name: &str, targets: &mut dyn Iterator<Item = (String, String)>| {
            text.push_str(&format!("  - job_name: {name}\n    honor_labels: false\n    static_configs:\n"));
            for (path, instance) in targets {
                text.push_str(&format!(
                    "      - {{targets: [\"{}\"], labels: {{__metrics_path__: \"{path}\", instance: \"{instance}\"}}}}\n",
                    self.address
                ));
            }
        };
        let of = |number: usize| (format!("/t/{number}/metrics"), format!("target-{number}:8080"));
        job("farm", &mut (0..self.targets).map(of));
        if explosion {
            let one = ("/explosion/metrics".to_string(), "explosion:8080".to_string());
            job("explosion", &mut std::iter::once(one));
        }
        text
    }
}

/// One target's page: label text is rendered once, values at each scrape.
struct Page {
    text: Vec<u8>,
    /// The part of `text` before a value, and the values.
    lines: Vec<(usize, usize, Walk)>,
}

impl Page {
    fn new(mut series: Vec<Series>) -> Page {
        series.sort_by(|a, b| family(a.name()).0.cmp(family(b.name()).0));
        let (mut text, mut lines) = (Vec::new(), Vec::with_capacity(series.len()));
        let mut last = String::new();
        for one in series {
            let from = text.len();
            let name = one.name();
            let (family, kind) = family(name);
            if family != last {
                let head = format!("# HELP {family} What {family} counts, in a line of usual length.\n");
                text.extend_from_slice(head.as_bytes());
                text.extend_from_slice(format!("# TYPE {family} {kind}\n").as_bytes());
                last = family.to_string();
            }
            text.extend_from_slice(name.as_bytes());
            // The scraper adds what says where a sample is from.
            let own = one.labels.iter().filter(|(name, value)| {
                !matches!(*name, "__name__" | "job" | "instance") && !value.is_empty()
            });
            for (index, (name, value)) in own.enumerate() {
                let open = if index == 0 { '{' } else { ',' };
                text.extend_from_slice(format!("{open}{name}=\"{value}\"").as_bytes());
            }
            text.extend_from_slice(b"} ");
            lines.push((from, text.len(), one.walk));
        }
        Page { text, lines }
    }

    fn render(&mut self, out: &mut Vec<u8>) {
        out.clear();
        let (mut whole, mut broken) = (itoa::Buffer::new(), zmij::Buffer::new());
        for (from, to, walk) in &mut self.lines {
            out.extend_from_slice(&self.text[*from..*to]);
            let value = walk.step();
            if value.fract() == 0.0 && value.abs() < 1e15 {
                out.extend_from_slice(whole.format(value as i64).as_bytes());
            } else {
                out.extend_from_slice(broken.format(value).as_bytes());
            }
            out.push(b'\n');
        }
    }
}

/// The family of a sample's name and its type.
fn family(name: &str) -> (&str, &str) {
    let histogram = "http_request_duration_seconds";
    if name.starts_with(histogram) {
        (histogram, "histogram")
    } else if name == "go_gc_duration_seconds" {
        (name, "summary")
    } else if name.ends_with("_total") {
        (name, "counter")
    } else {
        (name, "gauge")
    }
}

fn serve(stream: TcpStream, pages: &[Mutex<Page>], served: &Served, explosion: u64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    let (mut body, mut line) = (Vec::new(), String::new());
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_string();
        while input.read_line(&mut line)? > 2 {
            line.clear();
        }
        let number = path.strip_prefix("/t/").and_then(|rest| rest.strip_suffix("/metrics"));
        let page =
            number.and_then(|number| number.parse::<usize>().ok()).and_then(|number| pages.get(number));
        let samples = match page {
            Some(page) => {
                let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
                page.render(&mut body);
                page.lines.len() as u64
            }
            None if path == "/explosion/metrics" => {
                body.clear();
                let from = served.exploded.fetch_add(explosion, Relaxed);
                for value in from..from + explosion {
                    writeln!(body, "explosion_things{{thing=\"thing-{value:09}\",shape=\"round\"}} 1")?;
                }
                explosion
            }
            None => {
                input.get_mut().write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
        };
        served.scrapes.fetch_add(1, Relaxed);
        served.samples.fetch_add(samples, Relaxed);
        served.bytes.fetch_add(body.len() as u64, Relaxed);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = input.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_line_for_each_series_and_one_head_for_each_family() {
        let mut page = Page::new(model::unit(0, 0));
        let mut body = Vec::new();
        page.render(&mut body);
        let text = String::from_utf8(body).unwrap();
        let (heads, lines): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
        assert_eq!(lines.len(), 100);
        let types: Vec<&str> = heads.into_iter().filter(|line| line.starts_with("# TYPE")).collect();
        let mut once = types.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(types.len(), once.len());
        assert!(types.contains(&"# TYPE http_request_duration_seconds histogram"));
        assert!(lines.iter().all(|line| line.contains('{') && !line.contains("instance=")));
        assert!(lines.iter().all(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().is_ok()));
    }
}
