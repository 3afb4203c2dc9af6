//! Lists of series and the rules by which matchers choose from them, for the head and for blocks alike.

use std::collections::BTreeSet;

use model::{MatchOp, Matcher};

use crate::error::Error;

/// Where an index keeps the list of one (name, value) pair.
pub(crate) type ListRef = u64;

/// What can be asked for the series of a label. Series are numbers, lists ascend.
pub(crate) trait PostingIndex {
    /// All series.
    fn all(&self) -> Result<Vec<u32>, Error>;

    /// The list of one pair.
    fn find(&self, name: &str, value: &str) -> Result<Option<ListRef>, Error>;

    /// Calls with every value of a label and its list; the order is the index's own.
    fn visit_values(&self, name: &str, visit: &mut dyn FnMut(&str, ListRef)) -> Result<(), Error>;

    /// Adds the series of a list.
    fn read(&self, list: ListRef, into: &mut Vec<u32>) -> Result<(), Error>;
}

/// The series that match all matchers, ascending. An absent label counts as empty: a matcher that
/// accepts the empty value only takes away, any other only lets through what has the label.
pub(crate) fn select(index: &dyn PostingIndex, matchers: &[Matcher]) -> Result<Vec<u32>, Error> {
    let mut selected: Option<Vec<u32>> = None;
    // The plainest matchers first: they make the set small for the others.
    let (removing, mut requiring): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| m.matches_empty());
    requiring.sort_by_key(|m| m.op != MatchOp::Equal);
    for matcher in requiring {
        let lists = lists_of_values(index, matcher, true)?;
        let series = union(index, &lists)?;
        selected = Some(match selected {
            None => series,
            Some(before) => intersect(&before, &series),
        });
        if selected.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
    }
    let mut selected = match selected {
        Some(selected) => selected,
        None => index.all()?,
    };
    for matcher in removing {
        if selected.is_empty() {
            break;
        }
        let lists = lists_of_values(index, matcher, false)?;
        if !lists.is_empty() {
            subtract(&mut selected, &union(index, &lists)?);
        }
    }
    Ok(selected)
}

/// The lists of the values that match (`wanted`) or do not (`!wanted`). Here is where an expression
/// that names its values outright can be answered without looking at all of them.
fn lists_of_values(index: &dyn PostingIndex, matcher: &Matcher, wanted: bool) -> Result<Vec<ListRef>, Error> {
    let only = match (matcher.op, wanted) {
        (MatchOp::Equal, true) | (MatchOp::NotEqual, false) => Some(&matcher.value),
        _ => None,
    };
    if let Some(value) = only {
        return Ok(index.find(&matcher.name, value)?.into_iter().collect());
    }
    let mut lists = Vec::new();
    index.visit_values(&matcher.name, &mut |value, list| {
        if matcher.matches(value) == wanted {
            lists.push(list);
        }
    })?;
    Ok(lists)
}

/// The series of any of these lists, which are lists of one label and so have nothing in common.
fn union(index: &dyn PostingIndex, lists: &[ListRef]) -> Result<Vec<u32>, Error> {
    let mut series = Vec::new();
    for &list in lists {
        index.read(list, &mut series)?;
    }
    if lists.len() > 1 {
        // Stable: this sort makes use of the ascending runs.
        series.sort();
    }
    Ok(series)
}

/// Adds the values of a label among the series that match.
pub(crate) fn label_values(
    index: &dyn PostingIndex,
    name: &str,
    matchers: &[Matcher],
    into: &mut BTreeSet<String>,
) -> Result<(), Error> {
    let mut values: Vec<(String, ListRef)> = Vec::new();
    // A condition on the label itself is put to its values directly.
    let (own, others): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| m.name == name);
    index.visit_values(name, &mut |value, list| {
        if own.iter().all(|matcher| matcher.matches(value)) && !into.contains(value) {
            values.push((value.to_string(), list));
        }
    })?;
    if others.is_empty() {
        into.extend(values.into_iter().map(|(value, _)| value));
        return Ok(());
    }
    let others: Vec<Matcher> = others.into_iter().cloned().collect();
    let selected = select(index, &others)?;
    let mut series = Vec::new();
    for (value, list) in values {
        series.clear();
        index.read(list, &mut series)?;
        if has_common(&selected, &series) {
            into.insert(value);
        }
    }
    Ok(())
}

/// What both ascending lists have.
pub(crate) fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut rest = long;
    let mut common = Vec::with_capacity(short.len());
    for &series in short {
        rest = &rest[gallop(rest, series)..];
        match rest.first() {
            Some(&next) if next == series => common.push(series),
            Some(_) => {}
            None => break,
        }
    }
    common
}

fn has_common(a: &[u32], b: &[u32]) -> bool {
    let (short, mut rest) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    for &series in short {
        rest = &rest[gallop(rest, series)..];
        match rest.first() {
            Some(&next) if next == series => return true,
            Some(_) => {}
            None => return false,
        }
    }
    false
}

fn subtract(from: &mut Vec<u32>, what: &[u32]) {
    let mut rest = what;
    from.retain(|&series| {
        rest = &rest[gallop(rest, series)..];
        rest.first() != Some(&series)
    });
}

/// The first position whose series is not below; looks near the front first.
fn gallop(list: &[u32], series: u32) -> usize {
    let mut end = 1;
    while end < list.len() && list[end] < series {
        end *= 2;
    }
    let start = end / 2;
    let end = end.min(list.len());
    match list.get(start) {
        Some(_) => start + list[start..end].partition_point(|&s| s < series),
        None => start,
    }
}

/// An ascending list that is only added to, kept as runs: gap to the run before and length, both as
/// varints. Series of one target have numbers in a row, so that an entry takes about half a byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postings {
    closed: Vec<u8>,
    /// Where the last closed run ends.
    closed_end: u32,
    run_start: u32,
    run_length: u32,
    count: u32,
}

impl Postings {
    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a series; it must be above all others.
    pub(crate) fn push(&mut self, series: u32) {
        self.count += 1;
        if self.run_length > 0 && series == self.run_start + self.run_length {
            self.run_length += 1;
            return;
        }
        if self.run_length > 0 {
            push_varint(&mut self.closed, self.run_start - self.closed_end);
            push_varint(&mut self.closed, self.run_length);
            self.closed_end = self.run_start + self.run_length;
        }
        (self.run_start, self.run_length) = (series, 1);
    }

    pub(crate) fn read(&self, into: &mut Vec<u32>) {
        into.reserve(self.len());
        let mut end = 0;
        let mut rest = self.closed.as_slice();
        while !rest.is_empty() {
            let start = end + take_varint(&mut rest);
            end = start + take_varint(&mut rest);
            into.extend(start..end);
        }
        into.extend(self.run_start..self.run_start + self.run_length);
    }

    /// Keeps only what `keep` accepts.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) {
        let mut all = Vec::new();
        self.read(&mut all);
        *self = Postings::default();
        for series in all {
            if keep(series) {
                self.push(series);
            }
        }
        self.closed.shrink_to_fit();
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> u32 {
    let (mut value, mut shift) = (0, 0);
    while let Some((&byte, rest)) = bytes.split_first() {
        *bytes = rest;
        value |= u32::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn ascending(random: &mut Random, count: u64) -> Vec<u32> {
        let mut at = 0;
        (0..random.below(count))
            .map(|_| {
                at += 1 + if random.below(4) == 0 { random.below(1000) as u32 } else { 0 };
                at
            })
            .collect()
    }

    #[test]
    fn lists_read_back_what_was_pushed_and_kept() {
        for seed in 1..100 {
            let random = &mut Random::new(seed);
            let expected = ascending(random, 300);
            let mut list = Postings::default();
            expected.iter().for_each(|&s| list.push(s));
            let mut read = Vec::new();
            list.read(&mut read);
            assert_eq!((&read, list.len()), (&expected, expected.len()));
            list.retain(|s| s % 3 != 0);
            read.clear();
            list.read(&mut read);
            assert!(read.iter().all(|s| s % 3 != 0) && read.len() == list.len());
        }
    }

    #[test]
    fn set_operations_equal_those_of_sets() {
        for seed in 1..200 {
            let random = &mut Random::new(seed);
            let (a, b) = (ascending(random, 200), ascending(random, 2000));
            let set = |list: &[u32]| list.iter().copied().collect::<BTreeSet<_>>();
            let (sa, sb) = (set(&a), set(&b));
            assert_eq!(intersect(&a, &b), sa.intersection(&sb).copied().collect::<Vec<_>>());
            let mut left = b.clone();
            subtract(&mut left, &a);
            assert_eq!(left, sb.difference(&sa).copied().collect::<Vec<_>>());
        }
    }
}
