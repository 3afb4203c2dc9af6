//! Whether an `Accept-Encoding` admits the compression that a probe expects.

/// True if the compression is among what the header accepts with a quality above 0, or if either is empty. The
/// encoding need not be the preferred one; of several entries that fit, the one with the highest quality counts.
pub(super) fn accepts_encoding(compression: &str, accept_encoding: &str) -> bool {
    if compression.is_empty() || accept_encoding.is_empty() {
        return true;
    }
    let mut entries: Vec<(&str, f64)> = accept_encoding
        .split(',')
        .map(|entry| match entry.rsplit_once(';') {
            None => (entry.trim(), 1.0),
            Some((name, quality)) => {
                let quality = quality.trim();
                let quality = quality.strip_prefix("q=").unwrap_or(quality).parse().unwrap_or(0.0);
                (name.trim(), (quality * 1000.0_f64).round() / 1000.0)
            }
        })
        .collect();
    entries.sort_by(|a, b| b.1.total_cmp(&a.1));
    entries
        .iter()
        .find(|(name, _)| *name == compression || *name == "*")
        .is_some_and(|(_, quality)| *quality > 0.0)
}
