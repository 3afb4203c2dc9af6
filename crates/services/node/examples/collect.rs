//! Writes this machine's page, and how much processor time a collection takes:
//! `cargo run --release --example collect -- [PAGE-FILE]`.

#![allow(clippy::print_stderr)]

use base::Clock;
use exposition::TextWriter;
use node::{Node, NodeConfig};

fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::new(NodeConfig::default(), Clock::system())?;
    let mut page = Vec::new();
    node.collect(&mut TextWriter::new(&mut page));
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(path, &page)?;
    }
    let rounds = 300;
    let before = cpu_seconds();
    for _ in 0..rounds {
        page.clear();
        node.collect(&mut TextWriter::new(&mut page));
    }
    let ms = (cpu_seconds() - before) * 1000.0 / f64::from(rounds);
    let samples = page.split(|b| *b == b'\n').filter(|line| !line.is_empty() && line[0] != b'#').count();
    eprintln!("{samples} samples, {} bytes, {ms:.3} ms of processor time a collection", page.len());
    Ok(())
}
