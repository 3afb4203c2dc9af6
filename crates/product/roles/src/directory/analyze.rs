//! What a block consists of, and what that costs.

use std::path::Path;

use super::{Output, text};

/// What to analyse.
#[derive(Clone, Debug, Default)]
pub struct Analyze {
    /// The block; the newest if none is named.
    pub block: Option<String>,
    /// Entries in each list.
    pub limit: usize,
    /// Whether chunks are looked into too.
    pub extended: bool,
    /// Only series that match this selector.
    pub selector: Option<String>,
}

/// Tells what a block consists of.
pub fn analyze(dir: &Path, what: &Analyze, output: &mut Output<'_>) -> Result<(), String> {
    let matchers = match &what.selector {
        Some(selector) => promql::parse_selector(selector).map_err(|error| error.to_string())?,
        None => Vec::new(),
    };
    let found = tsdb::analyze_block(dir, what.block.as_deref(), &matchers, what.limit).map_err(text)?;
    let block = &found.block;
    let duration_ms = block.max_time_ms - block.min_time_ms;
    output.line(&format!("Block ID: {}", block.ulid))?;
    let duration = gocompat::duration::format_ns(duration_ms.saturating_mul(1_000_000));
    output.line(&format!("Duration: {duration}"))?;
    output.line(&format!("Total Series: {}", block.series))?;
    if let Some(selector) = &what.selector {
        output.line(&format!("Matcher: {selector}"))?;
    }
    output.line(&format!("Label names: {}", found.label_names))?;
    if what.selector.is_some() {
        output.line(&format!("Matched series: {}", found.series))?;
    }
    output.line(&format!("Postings (unique label pairs): {}", found.label_pairs))?;
    output.line(&format!("Postings entries (total label pairs): {}", found.postings))?;
    for (title, table) in [
        ("Label pairs most involved in churning", &found.pairs_by_churn),
        ("Label names most involved in churning", &found.names_by_churn),
        ("Most common label pairs", &found.pairs_by_series),
        ("Label names with highest cumulative label value length", &found.names_by_value_bytes),
        ("Highest cardinality labels", &found.names_by_values),
        ("Highest cardinality metric names", &found.metrics_by_series),
    ] {
        output.line(&format!("\n{title}:"))?;
        for (name, count) in table {
            output.line(&format!("{count} {name}"))?;
        }
    }
    if what.extended {
        chunks(&found.chunks, output)?;
    }
    Ok(())
}

fn chunks(chunks: &tsdb::ChunkAnalysis, output: &mut Output<'_>) -> Result<(), String> {
    output.line("\nCompaction analysis:\n")?;
    let total = chunks.float_samples.len() + chunks.histogram_samples.len();
    for (what, numbers) in [
        ("samples per float chunk", &chunks.float_samples),
        ("bytes per float chunk", &chunks.float_bytes),
        ("samples per histogram chunk", &chunks.histogram_samples),
        ("bytes per histogram chunk", &chunks.histogram_bytes),
        ("buckets per histogram chunk", &chunks.histogram_buckets),
    ] {
        spread(what, numbers.clone(), total, output)?;
    }
    Ok(())
}

/// How numbers are spread, as bars.
fn spread(what: &str, mut numbers: Vec<usize>, total: usize, output: &mut Output<'_>) -> Result<(), String> {
    numbers.sort_unstable();
    let (Some(&min), Some(&max)) = (numbers.first(), numbers.last()) else {
        return output.line(&format!("{what}: N/A\n"));
    };
    let mut step = 10;
    while step < (max - min) / 10 && step <= 10_000 {
        step *= 10;
    }
    let (start, end) = (min - min % step, max - max % step + step);
    let mut counts = vec![0usize; (end - start) / step + 1];
    for number in &numbers {
        if let Some(count) = counts.get_mut((number - start) / step) {
            *count += 1;
        }
    }
    let average = numbers.iter().sum::<usize>() / numbers.len();
    output.line(&format!("{what} (min/avg/max): {min}/{average}/{max}"))?;
    let width = |number: usize| number.to_string().len();
    let (left, right) = (width(end), width(end + step));
    let digits = width(counts.iter().copied().max().unwrap_or(0));
    for (at, count) in counts.iter().enumerate() {
        let (from, to) = (at * step + start + 1, (at + 1) * step + start);
        let bar = "#".repeat(100 * count / total.max(1));
        output.line(&format!("[{from:left$}, {to:right$}]: {count:digits$} {bar}"))?;
    }
    output.line("")
}
