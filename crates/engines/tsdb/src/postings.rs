//! Lists of series and the rules by which matchers choose from them, for the head and for blocks alike.

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
    fn visit_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a str, ListRef)) -> Result<(), Error>;

    /// How many series a list has.
    fn count(&self, list: ListRef) -> Result<usize, Error>;

    /// Adds the series of a list.
    fn read(&self, list: ListRef, into: &mut Vec<u32>) -> Result<(), Error>;
}

/// The series that match all matchers, ascending. An absent label counts as empty: a matcher that
/// accepts the empty value only takes away, any other only lets through what has the label.
pub(crate) fn select(index: &dyn PostingIndex, matchers: &[Matcher]) -> Result<Vec<u32>, Error> {
    let (removing, requiring): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| m.matches_empty());
    // What is looked up first, the shortest before the others: it makes the set small for the rest.
    let mut looked_up: Vec<(usize, Vec<ListRef>)> = Vec::new();
    let mut searched: Vec<&Matcher> = Vec::new();
    for matcher in requiring {
        match lists_by_name(index, matcher, true)? {
            Some(lists) if lists.is_empty() => return Ok(Vec::new()),
            Some(lists) => {
                let series: Result<Vec<usize>, Error> = lists.iter().map(|list| index.count(*list)).collect();
                looked_up.push((series?.into_iter().sum(), lists));
            }
            None => searched.push(matcher),
        }
    }
    looked_up.sort_by_key(|(series, _)| *series);
    let mut selected: Option<Vec<u32>> = None;
    let mut narrow = |lists: &[ListRef]| -> Result<bool, Error> {
        match &mut selected {
            None => selected = Some(union(index, lists)?),
            Some(selected) => keep_listed(index, selected, lists, true)?,
        }
        Ok(selected.as_ref().is_some_and(|selected| !selected.is_empty()))
    };
    for (_, lists) in &looked_up {
        if !narrow(lists)? {
            return Ok(Vec::new());
        }
    }
    for matcher in searched {
        if !narrow(&lists_by_search(index, matcher, true)?)? {
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
        let lists = match lists_by_name(index, matcher, false)? {
            Some(lists) => lists,
            None => lists_by_search(index, matcher, false)?,
        };
        keep_listed(index, &mut selected, &lists, false)?;
    }
    Ok(selected)
}

/// The lists of the values that match (`wanted`) or do not (`!wanted`), if the matcher names these
/// values outright, so that the others need not be looked at.
fn lists_by_name(
    index: &dyn PostingIndex,
    matcher: &Matcher,
    wanted: bool,
) -> Result<Option<Vec<ListRef>>, Error> {
    let mut lists = Vec::new();
    let mut find = |value: &str| -> Result<(), Error> {
        if !value.is_empty() {
            lists.extend(index.find(&matcher.name, value)?);
        }
        Ok(())
    };
    match (matcher.op, wanted) {
        (MatchOp::Equal, true) | (MatchOp::NotEqual, false) => find(&matcher.value)?,
        (MatchOp::Regex, true) | (MatchOp::NotRegex, false) => {
            let Some(values) = matcher.regex().and_then(|regex| regex.set_matches()) else {
                return Ok(None);
            };
            for value in values {
                find(value)?;
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(lists))
}

/// The same, for any matcher: all values of the label are put to it.
fn lists_by_search(index: &dyn PostingIndex, matcher: &Matcher, wanted: bool) -> Result<Vec<ListRef>, Error> {
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
    if lists.len() > 1 && !series.is_sorted() {
        match Bits::over(&series, series.len()) {
            Some(mut bits) => {
                series.iter().for_each(|series| bits.set(*series));
                series.clear();
                bits.read(&mut series);
            }
            // Stable: this sort makes use of the ascending runs.
            None => series.sort(),
        }
    }
    Ok(series)
}

/// Keeps of ascending series those that are in one of these lists (`listed`) or in none of them.
fn keep_listed(
    index: &dyn PostingIndex,
    selected: &mut Vec<u32>,
    lists: &[ListRef],
    listed: bool,
) -> Result<(), Error> {
    let mut other = Vec::new();
    if let [list] = lists {
        index.read(*list, &mut other)?;
    } else {
        match Bits::over(selected, selected.len()) {
            // Nothing is put in order that is only asked for.
            Some(mut bits) => {
                for &list in lists {
                    other.clear();
                    index.read(list, &mut other)?;
                    other.iter().for_each(|series| bits.set(*series));
                }
                selected.retain(|series| bits.has(*series) == listed);
                return Ok(());
            }
            None => other = union(index, lists)?,
        }
    }
    match listed {
        true => *selected = intersect(selected, &other),
        false => subtract(selected, &other),
    }
    Ok(())
}

/// A set of series within a span, a bit each.
struct Bits {
    first: u32,
    words: Vec<u64>,
}

impl Bits {
    /// For all numbers between the least and the greatest of these, if they are dense enough for
    /// `count` of them to pay.
    fn over(series: &[u32], count: usize) -> Option<Bits> {
        let (first, last) = (*series.iter().min()?, *series.iter().max()?);
        let words = (last - first) as usize / 64 + 1;
        (words <= 4 * count + 64).then(|| Bits { first, words: vec![0; words] })
    }

    fn set(&mut self, series: u32) {
        let at = series.wrapping_sub(self.first);
        if let Some(word) = self.words.get_mut((at / 64) as usize) {
            *word |= 1 << (at % 64);
        }
    }

    fn has(&self, series: u32) -> bool {
        let at = series.wrapping_sub(self.first);
        self.words.get((at / 64) as usize).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn read(&self, into: &mut Vec<u32>) {
        for (at, &word) in self.words.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                into.push(self.first + at as u32 * 64 + left.trailing_zeros());
                left &= left - 1;
            }
        }
    }
}

/// Adds the values of a label among the series that match to a sorted list of values, which stays sorted.
pub(crate) fn label_values(
    index: &dyn PostingIndex,
    name: &str,
    matchers: &[Matcher],
    into: &mut Vec<String>,
) -> Result<(), Error> {
    let mut values: Vec<(&str, ListRef)> = Vec::new();
    // A condition on the label itself is put to its values directly.
    let (own, others): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| m.name == name);
    index.visit_values(name, &mut |value, list| {
        if own.iter().all(|matcher| matcher.matches(value)) {
            values.push((value, list));
        }
    })?;
    if !values.is_sorted_by_key(|(value, _)| *value) {
        values.sort_unstable_by_key(|(value, _)| *value);
    }
    let mut known = into.iter().peekable();
    values.retain(|(value, _)| {
        while known.next_if(|known| known.as_str() < *value).is_some() {}
        known.peek().is_none_or(|known| known.as_str() != *value)
    });
    if !others.is_empty() && !values.is_empty() {
        let others: Vec<Matcher> = others.into_iter().cloned().collect();
        let selected = select(index, &others)?;
        let mut series = Vec::new();
        let mut failed = None;
        values.retain(|(_, list)| {
            series.clear();
            match index.read(*list, &mut series) {
                Ok(()) => has_common(&selected, &series),
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    if !values.is_empty() {
        let is_first = into.is_empty();
        into.extend(values.into_iter().map(|(value, _)| value.to_string()));
        if !is_first {
            // Stable: this sort makes use of the two ascending runs.
            into.sort();
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
    use std::collections::BTreeSet;

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

    /// Two labels by number of series, spread so far that bits do not pay if `sparse`.
    struct Numbers {
        lists: Vec<((&'static str, String), Vec<u32>)>,
        all: Vec<u32>,
    }

    impl PostingIndex for Numbers {
        fn all(&self) -> Result<Vec<u32>, Error> {
            Ok(self.all.clone())
        }

        fn find(&self, name: &str, value: &str) -> Result<Option<ListRef>, Error> {
            let at = self.lists.iter().position(|((n, v), _)| *n == name && v == value);
            Ok(at.map(|at| at as u64))
        }

        fn visit_values<'a>(
            &'a self,
            name: &str,
            visit: &mut dyn FnMut(&'a str, ListRef),
        ) -> Result<(), Error> {
            for (at, ((n, value), _)) in self.lists.iter().enumerate() {
                if *n == name {
                    visit(value, at as u64);
                }
            }
            Ok(())
        }

        fn count(&self, list: ListRef) -> Result<usize, Error> {
            Ok(self.lists[list as usize].1.len())
        }

        fn read(&self, list: ListRef, into: &mut Vec<u32>) -> Result<(), Error> {
            into.extend_from_slice(&self.lists[list as usize].1);
            Ok(())
        }
    }

    #[test]
    fn a_selection_is_what_the_matchers_say_of_each_series() {
        use MatchOp::*;
        let ops = [
            (Equal, "a1"),
            (NotEqual, "a1"),
            (Equal, ""),
            (NotEqual, ""),
            (Regex, "a1|b2|a0"),
            (NotRegex, "a1|b2"),
            (Regex, "a.*"),
            (NotRegex, "a.*"),
            (Regex, ".*2"),
            (Regex, "|a1"),
            (Regex, ".+"),
        ];
        for seed in 1..60 {
            let random = &mut Random::new(seed);
            let gap = if seed % 2 == 0 { 1 } else { 5_000 };
            let mut labels: Vec<(u32, String, String)> = Vec::new();
            for at in 0..1 + random.below(150) as u32 {
                let mut value = |letters: u64| match random.below(5) {
                    0 => String::new(),
                    number => format!("{}{number}", if random.below(letters) == 0 { 'a' } else { 'b' }),
                };
                let (x, y) = (value(2), value(3));
                labels.push((at * gap + 1, x, y));
            }
            let mut index = Numbers { lists: Vec::new(), all: labels.iter().map(|l| l.0).collect() };
            for (series, x, y) in &labels {
                for (name, value) in [("x", x), ("y", y)].into_iter().filter(|(_, value)| !value.is_empty()) {
                    match index.lists.iter_mut().find(|((n, v), _)| *n == name && v == value) {
                        Some((_, list)) => list.push(*series),
                        None => index.lists.push(((name, value.clone()), vec![*series])),
                    }
                }
            }
            for _ in 0..30 {
                let matchers: Vec<Matcher> = (0..1 + random.below(3))
                    .map(|_| {
                        let (op, value) = ops[random.below(ops.len() as u64) as usize];
                        Matcher::new(op, if random.below(2) == 0 { "x" } else { "y" }, value).unwrap()
                    })
                    .collect();
                let matches = |(_, x, y): &&(u32, String, String)| {
                    matchers.iter().all(|m| m.matches(if m.name == "x" { x } else { y }))
                };
                let expected: Vec<u32> = labels.iter().filter(matches).map(|l| l.0).collect();
                assert_eq!(select(&index, &matchers).unwrap(), expected, "seed {seed}: {matchers:?}");
            }
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
