//! Decides which blocks are merged and which are deleted. Pure: looks at nothing but what it is told.

/// What is to be known of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockInfo {
    pub(crate) min_ms: i64,
    /// Exclusive.
    pub(crate) max_ms: i64,
    pub(crate) size_bytes: u64,
    pub(crate) series: u64,
    pub(crate) tombstones: u64,
    /// Merging it failed before.
    pub(crate) failed: bool,
}

/// The blocks to be merged into one, as positions, or nothing. `blocks` are sorted by `min_ms`;
/// `ranges_ms` are the ranges of blocks, ascending.
pub(crate) fn to_merge(blocks: &[BlockInfo], ranges_ms: &[i64]) -> Option<Vec<usize>> {
    if let Some(overlapping) = overlapping(blocks) {
        return Some(overlapping);
    }
    // The newest block is left alone: what follows it may still be cut.
    let (newest, older) = blocks.split_last()?;
    for &range_ms in ranges_ms.iter().skip(1) {
        let mut at = 0;
        while at < older.len() {
            let start_ms = older[at].min_ms.saturating_sub(older[at].min_ms.rem_euclid(range_ms));
            let end_ms = start_ms.saturating_add(range_ms);
            let count = older[at..].iter().take_while(|b| b.max_ms <= end_ms && b.min_ms >= start_ms).count();
            if count == 0 {
                at += 1;
                continue;
            }
            let group = &older[at..at + count];
            let last_ms = group.iter().map(|b| b.max_ms).max().unwrap_or(start_ms);
            // Either the range is full or nothing can come into it any more.
            let whole = (group[0].min_ms == start_ms && last_ms == end_ms) || newest.min_ms >= end_ms;
            if count > 1 && whole && !group.iter().any(|b| b.failed) {
                return Some((at..at + count).collect());
            }
            at += count;
        }
    }
    // Large blocks with many deleted spans are rewritten.
    let large_ms = ranges_ms.get(ranges_ms.len() / 2).copied().unwrap_or(0);
    older
        .iter()
        .position(|b| {
            b.tombstones * 20 > b.series + 1 && b.max_ms.saturating_sub(b.min_ms) >= large_ms && !b.failed
        })
        .map(|at| vec![at])
}

fn overlapping(blocks: &[BlockInfo]) -> Option<Vec<usize>> {
    let mut at = 0;
    while at < blocks.len() {
        let mut end_ms = blocks[at].max_ms;
        let mut end = at + 1;
        while end < blocks.len() && blocks[end].min_ms < end_ms {
            end_ms = end_ms.max(blocks[end].max_ms);
            end += 1;
        }
        if end > at + 1 && !blocks[at..end].iter().any(|b| b.failed) {
            return Some((at..end).collect());
        }
        at = end;
    }
    None
}

/// Blocks that lie wholly before this time are beyond retention. It counts back from the newest
/// data, but never from a time in the future.
pub(crate) fn beyond_time(blocks: &[BlockInfo], before_ms: i64) -> Vec<usize> {
    (0..blocks.len()).filter(|&at| blocks[at].max_ms <= before_ms).collect()
}

/// The oldest blocks, as many as must go until all fit; `other_bytes` is what else counts.
pub(crate) fn beyond_size(blocks: &[BlockInfo], other_bytes: u64, limit_bytes: u64) -> Vec<usize> {
    let mut total = other_bytes + blocks.iter().map(|b| b.size_bytes).sum::<u64>();
    let mut by_age: Vec<usize> = (0..blocks.len()).collect();
    by_age.sort_by_key(|&at| blocks[at].max_ms);
    by_age
        .into_iter()
        .take_while(|&at| {
            let over = total > limit_bytes;
            if over {
                total -= blocks[at].size_bytes;
            }
            over
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(ranges: &[(i64, i64)]) -> Vec<BlockInfo> {
        ranges
            .iter()
            .map(|&(min_ms, max_ms)| BlockInfo {
                min_ms,
                max_ms,
                size_bytes: 10,
                series: 100,
                tombstones: 0,
                failed: false,
            })
            .collect()
    }

    const RANGES: [i64; 3] = [20, 60, 180];

    #[test]
    fn full_ranges_are_merged_and_the_newest_block_is_left() {
        assert_eq!(to_merge(&blocks(&[(0, 20), (20, 40), (40, 60)]), &RANGES), None);
        let merged = to_merge(&blocks(&[(0, 20), (20, 40), (40, 60), (60, 80)]), &RANGES);
        assert_eq!(merged, Some(vec![0, 1, 2]));
        let merged = to_merge(&blocks(&[(0, 60), (60, 120), (120, 180), (180, 200)]), &RANGES);
        assert_eq!(merged, Some(vec![0, 1, 2]));
    }

    #[test]
    fn a_range_with_gaps_is_merged_once_it_is_over() {
        assert_eq!(to_merge(&blocks(&[(0, 20), (40, 60), (60, 80)]), &RANGES), Some(vec![0, 1]));
        assert_eq!(to_merge(&blocks(&[(0, 20), (20, 40), (200, 220)]), &RANGES), Some(vec![0, 1]));
        assert_eq!(to_merge(&blocks(&[(0, 20)]), &RANGES), None);
    }

    #[test]
    fn overlapping_blocks_come_first() {
        let merged = to_merge(&blocks(&[(0, 20), (20, 40), (30, 50), (45, 60), (60, 80)]), &RANGES);
        assert_eq!(merged, Some(vec![1, 2, 3]));
    }

    #[test]
    fn blocks_with_many_tombstones_are_rewritten() {
        let mut all = blocks(&[(0, 60), (60, 120)]);
        all[0].tombstones = 10;
        assert_eq!(to_merge(&all, &[20, 60]), Some(vec![0]));
        all[0].tombstones = 2;
        assert_eq!(to_merge(&all, &[20, 60]), None);
    }

    #[test]
    fn retention_takes_the_oldest() {
        let all = blocks(&[(0, 20), (20, 40), (40, 60)]);
        assert_eq!(beyond_time(&all, 40), [0, 1]);
        assert_eq!(beyond_time(&all, 39), [0]);
        assert_eq!(beyond_size(&all, 5, 35), [] as [usize; 0]);
        assert_eq!(beyond_size(&all, 5, 34), [0]);
        assert_eq!(beyond_size(&all, 5, 10), [0, 1, 2]);
    }
}
