//! Silences: somebody's word that certain alerts need not be told for a while.
//!
//! The store holds them as Alertmanager does: each has sets of matchers, one of which must hold as
//! a whole; it is pending, active or expired by the clock; one that is changed in what it silenced
//! already ends and is replaced, so that history stays true. Expired ones are kept for a while.
//!
//! Which silences match an alert is looked up, not searched: see [`crate::matcher_index`]. What was found is kept
//! with the alert ([`Found`]), so that each silence is held against each alert once.

mod silence;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use model::{Labels, Matcher};

use crate::MatcherMode;
use crate::matcher_index::MatcherIndex;
pub use silence::{Draft, MatcherText, RECURS, Recurrence, Silence, SilenceError, SilenceState};

/// How many silences there may be and how long they are kept.
#[derive(Clone, Debug)]
pub struct SilenceLimits {
    /// Which names labels may have.
    pub mode: MatcherMode,
    /// Silences kept, expired ones included; 0 for any number.
    pub silences_max: usize,
    /// The size of one, as Alertmanager would store it; 0 for any.
    pub size_max_bytes: usize,
    /// How long an expired one is kept.
    pub retention_ms: i64,
}

impl Default for SilenceLimits {
    fn default() -> Self {
        SilenceLimits {
            mode: MatcherMode::default(),
            silences_max: 0,
            size_max_bytes: 0,
            retention_ms: 120 * 3_600_000,
        }
    }
}

/// Which silences to list. What is empty does not restrict.
#[derive(Clone, Debug, Default)]
pub struct SilenceFilter {
    /// Those in one of these states.
    pub states: Vec<SilenceState>,
    /// Those with a set that has each of these matchers, word for word.
    pub matchers: Vec<Matcher>,
    /// Those that match these labels.
    pub matches: Option<Labels>,
}

/// A silence, and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceView {
    /// The silence.
    pub silence: Silence,
    /// How it stands.
    pub state: SilenceState,
    /// Whether it silences at this moment: it is active and, if it recurs, its time has come.
    pub is_in_force: bool,
}

/// The silences that match an alert, as far as they were looked at. A fresh one knows nothing.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The last serial number that was looked at.
    seen: u32,
    serials: Box<[u32]>,
}

/// What became of a draft.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The silence's id.
    pub id: String,
    /// The silences that changed by it, as they stand now.
    pub silences: Vec<Silence>,
}

/// All silences. See the module.
#[derive(Debug, Default)]
pub struct Silences {
    limits: SilenceLimits,
    /// By serial number. One whose matchers change gets a new number, and no number comes twice.
    by_serial: BTreeMap<u32, Silence>,
    serials: HashMap<String, u32>,
    last_serial: u32,
    index: MatcherIndex,
}

impl Silences {
    /// No silences.
    pub fn new(limits: SilenceLimits) -> Self {
        Silences { limits, ..Silences::default() }
    }

    /// What they may be.
    pub fn limits(&self) -> &SilenceLimits {
        &self.limits
    }

    /// How many there are, expired ones included.
    pub fn len(&self) -> usize {
        self.by_serial.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_serial.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.by_serial.values()
    }

    /// One by its id.
    pub fn get(&self, id: &str) -> Option<&Silence> {
        self.by_serial.get(self.serials.get(id)?)
    }

    /// How many are pending, active and expired.
    pub fn count(&self, now_ms: i64) -> BTreeMap<SilenceState, usize> {
        let mut count = BTreeMap::new();
        for silence in self.by_serial.values() {
            *count.entry(silence.state_at(now_ms)).or_default() += 1;
        }
        count
    }

    // ---- changes ----

    /// Makes a silence, or changes the one the draft names. If the change would alter what was
    /// silenced in the past, that one ends now and a new one, with `fresh_id`, takes its place.
    pub fn set(&mut self, draft: Draft, fresh_id: String, now_ms: i64) -> Result<Changed, SilenceError> {
        let mut silence = self.check(draft, now_ms)?;
        let previous = match silence.id.as_str() {
            "" => None,
            id => Some(self.get(id).ok_or(SilenceError::NotFound)?.clone()),
        };
        if let Some(previous) = previous.as_ref().filter(|previous| previous.can_become(&silence, now_ms)) {
            silence.updated_at_ms = now_ms.max(previous.updated_at_ms.saturating_add(1));
            self.check_size(&silence)?;
            self.put(silence.clone());
            return Ok(Changed { id: silence.id.clone(), silences: vec![silence] });
        }
        let (count, max) = (self.len(), self.limits.silences_max);
        if max > 0 && count >= max {
            return Err(SilenceError::TooMany { count, max });
        }
        silence.id = fresh_id;
        silence.starts_at_ms = silence.starts_at_ms.max(now_ms);
        silence.updated_at_ms = now_ms;
        self.check_size(&silence)?;
        let mut silences = Vec::new();
        if let Some(previous) = previous {
            silences.extend(self.expire(&previous.id, now_ms)?);
        }
        self.put(silence.clone());
        let id = silence.id.clone();
        silences.push(silence);
        Ok(Changed { id, silences })
    }

    /// The silence a draft would become, checked but not stored.
    pub fn check(&self, draft: Draft, now_ms: i64) -> Result<Silence, SilenceError> {
        draft.into_silence(self.limits.mode, now_ms)
    }

    fn check_size(&self, silence: &Silence) -> Result<(), SilenceError> {
        let max_bytes = self.limits.size_max_bytes;
        if max_bytes == 0 {
            return Ok(());
        }
        match silence.stored_size_bytes(self.limits.retention_ms) {
            size_bytes if size_bytes > max_bytes => Err(SilenceError::TooLarge { size_bytes, max_bytes }),
            _ => Ok(()),
        }
    }

    /// Ends a silence now. Returns it as it stands now if that changed it.
    pub fn expire(&mut self, id: &str, now_ms: i64) -> Result<Option<Silence>, SilenceError> {
        let serial = self.serials.get(id).ok_or(SilenceError::NotFound)?;
        let silence = self.by_serial.get_mut(serial).ok_or(SilenceError::NotFound)?;
        match silence.state_at(now_ms) {
            SilenceState::Expired => return Ok(None),
            SilenceState::Active => {}
            SilenceState::Pending => silence.starts_at_ms = now_ms,
        }
        silence.ends_at_ms = now_ms;
        silence.updated_at_ms = now_ms.max(silence.updated_at_ms.saturating_add(1));
        Ok(Some(silence.clone()))
    }

    /// Takes over a silence from a log or another replica. Of two with one id the one that was
    /// changed last holds. Returns whether this one is news.
    pub fn learn(&mut self, silence: Silence, now_ms: i64) -> bool {
        if silence.ends_at_ms.saturating_add(self.limits.retention_ms) <= now_ms {
            return false;
        }
        let is_news = self.get(&silence.id).is_none_or(|known| known.updated_at_ms < silence.updated_at_ms);
        if is_news {
            self.put(silence);
        }
        is_news
    }

    fn put(&mut self, silence: Silence) {
        if let Some(serial) = self.serials.get(&silence.id) {
            if let Some(known) = self.by_serial.get_mut(serial)
                && known.matcher_sets == silence.matcher_sets
            {
                *known = silence;
                return;
            }
            self.remove(&silence.id.clone());
        }
        self.last_serial += 1;
        self.index.insert(self.last_serial, &silence.matcher_sets);
        self.serials.insert(silence.id.clone(), self.last_serial);
        self.by_serial.insert(self.last_serial, silence);
    }

    /// Forgets a silence.
    pub fn remove(&mut self, id: &str) {
        let Some(serial) = self.serials.remove(id) else { return };
        if let Some(silence) = self.by_serial.remove(&serial) {
            self.index.remove(serial, &silence.matcher_sets);
        }
    }

    /// Forgets those that expired too long ago, and returns their ids.
    pub fn forget_old(&mut self, now_ms: i64) -> Vec<String> {
        let keep_ms = self.limits.retention_ms;
        let is_old = |silence: &&Silence| silence.ends_at_ms.saturating_add(keep_ms) <= now_ms;
        let old: Vec<String> = self.iter().filter(is_old).map(|silence| silence.id.clone()).collect();
        for id in &old {
            self.remove(id);
        }
        old
    }

    // ---- questions ----

    /// Brings what is known about an alert up to date.
    pub fn look(&self, labels: &Labels, found: &mut Found) {
        if found.seen == self.last_serial {
            return;
        }
        let mut serials: Vec<u32> =
            found.serials.iter().filter(|serial| self.by_serial.contains_key(serial)).copied().collect();
        self.find(labels, found.seen, &mut serials);
        *found = Found { seen: self.last_serial, serials: serials.into_boxed_slice() };
    }

    /// Appends the serials after `seen` of all silences that match.
    fn find(&self, labels: &Labels, seen: u32, serials: &mut Vec<u32>) {
        let from = serials.len();
        let mut consider = |serial: u32, silence: &Silence| {
            if silence.matches(labels) {
                serials.push(serial);
            }
        };
        let unseen = self.last_serial.saturating_sub(seen) as usize;
        if unseen <= 8 {
            for (serial, silence) in self.by_serial.range(seen.saturating_add(1)..) {
                consider(*serial, silence);
            }
            return;
        }
        for serial in self.index.candidates(labels).filter(|serial| *serial > seen) {
            if let Some(silence) = self.by_serial.get(&serial) {
                consider(serial, silence);
            }
        }
        if let Some(new) = serials.get_mut(from..) {
            new.sort_unstable();
        }
        serials.dedup();
    }

    fn in_force<'a>(&'a self, serials: &'a [u32], now_ms: i64) -> impl Iterator<Item = &'a Silence> {
        let silences = serials.iter().filter_map(|serial| self.by_serial.get(serial));
        silences.filter(move |silence| silence.is_in_force_at(now_ms))
    }

    /// Whether a silence that was found is in force now; see [`Silences::look`].
    pub fn is_silenced(&self, found: &Found, now_ms: i64) -> bool {
        self.in_force(&found.serials, now_ms).next().is_some()
    }

    /// The ids of all silences that are in force for an alert now, sorted.
    pub fn silenced_by(&self, labels: &Labels, found: &Found, now_ms: i64) -> Vec<String> {
        if self.by_serial.is_empty() {
            return Vec::new();
        }
        let mut fresh;
        let serials = if found.seen == self.last_serial {
            &*found.serials
        } else {
            fresh = found.serials.to_vec();
            self.find(labels, found.seen, &mut fresh);
            &fresh
        };
        let mut ids: Vec<String> = self.in_force(serials, now_ms).map(|silence| silence.id.clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// One by its id, and how it stands.
    pub fn view(&self, id: &str, now_ms: i64) -> Option<SilenceView> {
        self.get(id).map(|silence| SilenceView::of(silence, now_ms))
    }

    /// Those a filter lets through: active ones first, by their end, then pending ones by their
    /// start, then expired ones, the latest first.
    pub fn list(&self, filter: &SilenceFilter, now_ms: i64) -> Vec<SilenceView> {
        let is_wanted = |silence: &&Silence| {
            (filter.states.is_empty() || filter.states.contains(&silence.state_at(now_ms)))
                && (filter.matchers.is_empty() || silence.has_matchers(&filter.matchers))
                && filter.matches.as_ref().is_none_or(|labels| silence.matches(labels))
        };
        let mut views: Vec<SilenceView> =
            self.iter().filter(is_wanted).map(|silence| SilenceView::of(silence, now_ms)).collect();
        views.sort_by(|a, b| {
            let time = |view: &SilenceView| match view.state {
                SilenceState::Active => view.silence.ends_at_ms,
                SilenceState::Pending => view.silence.starts_at_ms,
                SilenceState::Expired => view.silence.ends_at_ms.saturating_neg(),
            };
            (a.state, time(a), &a.silence.id).cmp(&(b.state, time(b), &b.silence.id))
        });
        views
    }
}

impl SilenceView {
    fn of(silence: &Silence, now_ms: i64) -> Self {
        SilenceView {
            silence: silence.clone(),
            state: silence.state_at(now_ms),
            is_in_force: silence.is_in_force_at(now_ms),
        }
    }
}
