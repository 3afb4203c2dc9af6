//! Exemplars: the newest ones of all series, in memory, at most so many. The oldest makes room for
//! the newest, whatever its series.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use model::storage::TimeRange;
use model::{Exemplar, Labels, Matcher};
use parking_lot::RwLock;

use crate::options::EXEMPLARS_MAX_DEFAULT;

/// All exemplars.
pub(crate) struct Exemplars(RwLock<State>);

struct State {
    max: usize,
    /// An exemplar may be less than this behind the last one of its series; 0 for not at all.
    window_ms: i64,
    /// Place in `series` of each exemplar, as they came.
    ring: VecDeque<u32>,
    series: Vec<Option<OfSeries>>,
    free: Vec<u32>,
    by_labels: HashMap<Labels, u32, RandomState>,
    /// By the numbers that the series have in the head now.
    by_id: HashMap<u32, u32, RandomState>,
}

/// A series outlives its samples here: its labels are kept.
struct OfSeries {
    labels: Labels,
    id: u32,
    /// In order of time.
    exemplars: VecDeque<Exemplar>,
}

/// What became of an exemplar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    Taken,
    /// It is there already, or none are kept.
    Passed,
    /// Too far behind the last one of its series, or its labels are too long.
    Refused,
}

impl Default for Exemplars {
    fn default() -> Self {
        Exemplars(RwLock::new(State {
            max: EXEMPLARS_MAX_DEFAULT,
            window_ms: 0,
            ring: VecDeque::new(),
            series: Vec::new(),
            free: Vec::new(),
            by_labels: HashMap::default(),
            by_id: HashMap::default(),
        }))
    }
}

impl Exemplars {
    /// Keeps so many from now on; 0 for none.
    pub(crate) fn set_max(&self, max: usize) {
        let mut state = self.0.write();
        state.max = max;
        state.make_room(0);
    }

    /// An exemplar may be less than this behind the last one of its series from now on; 0 for not at all.
    pub(crate) fn set_window_ms(&self, window_ms: i64) {
        self.0.write().window_ms = window_ms.max(0);
    }

    /// How many there are, and of how many series.
    pub(crate) fn count(&self) -> (usize, usize) {
        let state = self.0.read();
        (state.ring.len(), state.by_labels.len())
    }

    /// Adds one to the series with this number; `labels` are asked for if it has none yet.
    pub(crate) fn add(
        &self,
        id: u32,
        exemplar: &Exemplar,
        labels: impl FnOnce() -> Option<Labels>,
    ) -> Judged {
        if exemplar.is_too_long() {
            return Judged::Refused;
        }
        let mut state = self.0.write();
        if state.max == 0 {
            return Judged::Passed;
        }
        let place = match state.by_id.get(&id) {
            Some(&place) => place,
            None => {
                // Its series is gone, and the writer is told so about the sample.
                let Some(labels) = labels() else { return Judged::Passed };
                let place = state.place(labels);
                state.know(place, id);
                place
            }
        };
        state.add(place, exemplar)
    }

    /// Adds one to the series with these labels, which may be gone from the head.
    pub(crate) fn add_to(&self, labels: &Labels, exemplar: &Exemplar) {
        let mut state = self.0.write();
        if state.max > 0 && !exemplar.is_too_long() {
            let place = match state.by_labels.get(labels) {
                Some(&place) => place,
                None => state.place(labels.clone()),
            };
            state.add(place, exemplar);
        }
    }

    /// The exemplars in a range of the series that match any of the selectors, in order of the
    /// labels, each series' in order of time.
    pub(crate) fn select(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Vec<(Labels, Vec<Exemplar>)> {
        let state = self.0.read();
        let mut selected: Vec<(Labels, Vec<Exemplar>)> = Vec::new();
        for series in state.series.iter().flatten() {
            let chosen = |matchers: &Vec<Matcher>| matchers.iter().all(|m| m.matches_labels(&series.labels));
            if !selectors.iter().any(chosen) {
                continue;
            }
            let inside = |e: &&Exemplar| range.start_ms <= e.timestamp_ms && e.timestamp_ms <= range.end_ms;
            let found: Vec<_> = series.exemplars.iter().filter(inside).cloned().collect();
            if !found.is_empty() {
                selected.push((series.labels.clone(), found));
            }
        }
        selected.sort_by(|a, b| a.0.cmp(&b.0));
        selected
    }

    /// Calls with all of them, the oldest first, in parts of at most `part` exemplars.
    pub(crate) fn visit(&self, part: usize, mut with: impl FnMut(&[(Labels, Exemplar)])) {
        let state = self.0.read();
        let mut next: Vec<usize> = vec![0; state.series.len()];
        let mut batch = Vec::new();
        for &place in &state.ring {
            let Some(Some(series)) = state.series.get(place as usize) else { continue };
            let at = &mut next[place as usize];
            if let Some(exemplar) = series.exemplars.get(*at) {
                batch.push((series.labels.clone(), exemplar.clone()));
            }
            *at += 1;
            if batch.len() >= part {
                with(&batch);
                batch.clear();
            }
        }
        if !batch.is_empty() {
            with(&batch);
        }
    }
}

impl State {
    fn place(&mut self, labels: Labels) -> u32 {
        if let Some(&place) = self.by_labels.get(&labels) {
            return place;
        }
        let series = OfSeries { labels: labels.clone(), id: 0, exemplars: VecDeque::new() };
        let place = match self.free.pop() {
            Some(place) => {
                self.series[place as usize] = Some(series);
                place
            }
            None => {
                self.series.push(Some(series));
                (self.series.len() - 1) as u32
            }
        };
        self.by_labels.insert(labels, place);
        place
    }

    fn know(&mut self, place: u32, id: u32) {
        if let Some(Some(series)) = self.series.get_mut(place as usize) {
            self.by_id.remove(&series.id);
            series.id = id;
            self.by_id.insert(id, place);
        }
    }

    fn add(&mut self, place: u32, exemplar: &Exemplar) -> Judged {
        let Some(Some(series)) = self.series.get(place as usize) else { return Judged::Refused };
        if let Some(newest) = series.exemplars.back() {
            if newest.is_same(exemplar) {
                return Judged::Passed;
            }
            let key = |e: &Exemplar| (e.timestamp_ms, e.value);
            let (before, now) = (key(newest), key(exemplar));
            // The buckets of a native histogram may have one each at the same time, by value, then labels. The
            // rule is Prometheus's.
            let older = (now.0 < before.0 && before.0.saturating_sub(now.0) >= self.window_ms)
                || (now.0 == before.0 && now.1 < before.1)
                || (now == before && exemplar.labels.fingerprint() < newest.labels.fingerprint());
            if older {
                return Judged::Refused;
            }
            let is_late = now.0 < before.0;
            if is_late && series.exemplars.iter().any(|known| known.is_same(exemplar)) {
                return Judged::Passed;
            }
        }
        self.make_room(1);
        // Making room may have taken the series away, if it was its own last one.
        if let Some(Some(series)) = self.series.get_mut(place as usize) {
            let at = series.exemplars.partition_point(|e| e.timestamp_ms <= exemplar.timestamp_ms);
            series.exemplars.insert(at, exemplar.clone());
            self.ring.push_back(place);
        }
        Judged::Taken
    }

    /// Drops the oldest until `more` fit; a series that is about to get one is kept.
    fn make_room(&mut self, more: usize) {
        while !self.ring.is_empty() && self.ring.len() + more > self.max {
            let Some(place) = self.ring.pop_front() else { return };
            let Some(slot) = self.series.get_mut(place as usize) else { continue };
            let Some(series) = slot else { continue };
            series.exemplars.pop_front();
        }
        if more == 0 || self.by_labels.len() > self.ring.len() + 1024 {
            self.forget_empty();
        }
    }

    fn forget_empty(&mut self) {
        for (place, slot) in self.series.iter_mut().enumerate() {
            if let Some(series) = slot.take_if(|series| series.exemplars.is_empty()) {
                self.by_labels.remove(&series.labels);
                self.by_id.remove(&series.id);
                self.free.push(place as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(trace: &str, timestamp_ms: i64, value: f64) -> Exemplar {
        let labels = Labels::from_pairs([("trace_id", trace)]);
        Exemplar { labels, value, timestamp_ms, timestamp_given: true }
    }

    fn labels(id: u32) -> Labels {
        Labels::from_pairs([("__name__", "m".to_string()), ("id", id.to_string())])
    }

    fn add(exemplars: &Exemplars, id: u32, one: &Exemplar) -> Judged {
        exemplars.add(id, one, || Some(labels(id)))
    }

    fn all(exemplars: &Exemplars) -> Vec<(Labels, Vec<Exemplar>)> {
        exemplars.select(TimeRange::ALL, &[vec![]])
    }

    #[test]
    fn the_same_again_is_passed_over_and_an_older_one_refused() {
        let kept = Exemplars::default();
        assert_eq!(add(&kept, 1, &exemplar("a", 10, 1.0)), Judged::Taken);
        assert_eq!(add(&kept, 1, &exemplar("a", 10, 1.0)), Judged::Passed);
        assert_eq!(add(&kept, 1, &exemplar("b", 9, 1.0)), Judged::Refused);
        assert_eq!(add(&kept, 1, &exemplar("b", 10, 0.5)), Judged::Refused);
        assert_eq!(add(&kept, 1, &exemplar("b", 10, 2.0)), Judged::Taken, "another bucket");
        assert_eq!(add(&kept, 1, &exemplar(&"x".repeat(121), 11, 1.0)), Judged::Refused, "too long");
        assert_eq!(add(&kept, 1, &exemplar(&"é".repeat(120), 11, 1.0)), Judged::Taken, "characters count");
        let mut untimed = Exemplar { timestamp_given: false, ..exemplar("c", 20, 1.0) };
        assert_eq!(add(&kept, 1, &untimed), Judged::Taken);
        untimed.timestamp_ms = 35;
        assert_eq!(add(&kept, 1, &untimed), Judged::Passed, "the same in the next scrape");
    }

    #[test]
    fn in_the_window_a_late_one_is_put_in_its_place_once() {
        let kept = Exemplars::default();
        kept.set_window_ms(50);
        let judged = [100, 60, 60, 50, 101].map(|time_ms| add(&kept, 1, &exemplar("a", time_ms, 1.0)));
        assert_eq!(
            judged,
            [Judged::Taken, Judged::Taken, Judged::Passed, Judged::Refused, Judged::Taken],
            "as far behind as the window is long is too far"
        );
        let times: Vec<i64> = all(&kept)[0].1.iter().map(|e| e.timestamp_ms).collect();
        assert_eq!(times, [60, 100, 101]);
    }

    #[test]
    fn the_oldest_makes_room_and_series_without_any_are_forgotten() {
        let kept = Exemplars::default();
        kept.set_max(3);
        for time_ms in 0..10 {
            add(&kept, time_ms as u32 % 2, &exemplar("t", time_ms, 1.0));
        }
        let times: Vec<i64> = all(&kept).iter().flat_map(|(_, e)| e.iter().map(|e| e.timestamp_ms)).collect();
        assert_eq!(times, [8, 7, 9]);
        for id in 0..5_000 {
            add(&kept, id, &exemplar("t", 100, 1.0));
        }
        assert!(kept.0.read().by_labels.len() < 2_000, "{}", kept.0.read().by_labels.len());
        assert_eq!(all(&kept).len(), 3);
        kept.set_max(0);
        assert_eq!((kept.count(), add(&kept, 1, &exemplar("t", 200, 1.0))), ((0, 0), Judged::Passed));
    }

    #[test]
    fn selectors_and_the_range_choose() {
        let kept = Exemplars::default();
        for id in 0..4 {
            add(&kept, id, &exemplar("t", i64::from(id) * 10, 1.0));
        }
        let one = |id: &str| vec![Matcher::equal("id", id)];
        let range = TimeRange { start_ms: 0, end_ms: 20 };
        let found = kept.select(range, &[one("2"), one("1"), one("3")]);
        let ids: Vec<_> = found.iter().map(|(labels, _)| labels.value("id").to_string()).collect();
        assert_eq!(ids, ["1", "2"]);
    }

    #[test]
    fn a_walk_goes_from_the_oldest_to_the_newest() {
        let kept = Exemplars::default();
        for time_ms in 0..10 {
            add(&kept, time_ms as u32 % 3, &exemplar("t", time_ms, 1.0));
        }
        let mut seen = Vec::new();
        kept.visit(4, |part| seen.extend(part.iter().map(|(_, e)| e.timestamp_ms)));
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }
}
