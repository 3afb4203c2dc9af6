//! Measures how long a page of 1,000 series takes to read: `cargo run --release --example parse_speed`.

#![allow(clippy::print_stdout)]

use base::Clock;
use exposition::{Entry, Format, LabelBuffer, Options, Parser};

fn main() {
    let mut page = String::new();
    for family in 0..50 {
        page += &format!("# HELP app_requests_{family}_total Requests served by the application so far.\n");
        page += &format!("# TYPE app_requests_{family}_total counter\n");
        for pod in 0..20 {
            page += &format!(
                "app_requests_{family}_total{{namespace=\"team-{}\",pod=\"backend-7d9c5b{pod:04}-x{family}\",\
                 container=\"server\",node=\"ip-10-0-{pod}-{family}.eu-central-1.compute.internal\",\
                 method=\"GET\",code=\"200\",handler=\"/api/v1/items\"}} {}\n",
                family % 7,
                pod * 1_234 + family
            );
        }
    }
    let body = page.as_bytes();
    let rounds = 2_000;
    let mut labels = LabelBuffer::default();
    let mut raws: Vec<Vec<u8>> = Vec::new();
    let mut parser = Parser::new(Format::Text, body, Options::default());
    while let Ok(Some(entry)) = parser.next_entry() {
        raws.push(if let Entry::Series(series) = entry { series.raw.to_vec() } else { Vec::new() });
    }
    for (name, known, with_labels) in
        [("known series", true, false), ("unknown series", false, false), ("with labels", false, true)]
    {
        let mark = Clock::system().mark();
        let (mut sum, mut count) = (0.0, 0u64);
        for _ in 0..rounds {
            let mut parser = Parser::new(Format::Text, body, Options::default());
            for raw in &raws {
                let known: &[u8] = if known { raw } else { &[] };
                let Ok(Some(entry)) = parser.next_guessing(known) else { break };
                if let Entry::Series(series) = entry {
                    sum += series.value;
                    count += 1;
                    if with_labels {
                        series.labels(&mut labels);
                    }
                }
            }
        }
        let ns = mark.elapsed_seconds() * 1e9 / count as f64;
        let bytes = body.len() as f64 / (count / rounds) as f64;
        println!("{name}: {ns:.1} ns/sample, {bytes:.0} B/sample, {:.2} GB/s (sum {sum})", bytes / ns);
    }
}
