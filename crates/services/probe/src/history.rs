//! What the last probes found, for a person. Failures are kept beyond the time of the others.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

/// A probe of the past.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its number, counted from 0.
    pub(crate) id: u64,
    /// The module.
    pub(crate) module: String,
    /// The target.
    pub(crate) target: String,
    /// Log, metrics and module.
    pub(crate) description: String,
    /// Whether it succeeded.
    pub(crate) success: bool,
}

/// The last probes, and as many failures that came before them.
pub(crate) struct History {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    failures: VecDeque<Arc<Entry>>,
    recent: VecDeque<Arc<Entry>>,
}

impl History {
    /// Keeps so many probes, and so many failures more.
    pub(crate) fn new(limit: usize) -> History {
        History { limit, state: Mutex::default() }
    }

    /// Adds a probe.
    pub(crate) fn add(&self, module: &str, target: &str, description: String, success: bool) {
        let mut state = self.state.lock();
        let id = state.next;
        state.next += 1;
        let (module, target) = (module.to_string(), target.to_string());
        state.recent.push_back(Arc::new(Entry { id, module, target, description, success }));
        if state.recent.len() <= self.limit {
            return;
        }
        if let Some(oldest) = state.recent.pop_front().filter(|entry| !entry.success) {
            state.failures.push_back(oldest);
            if state.failures.len() > self.limit {
                state.failures.pop_front();
            }
        }
    }

    /// All that are kept, oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<Entry>> {
        let state = self.state.lock();
        state.failures.iter().chain(&state.recent).cloned().collect()
    }

    /// The first that fits, failures before the others.
    pub(crate) fn find(&self, fits: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        self.list().into_iter().find(|entry| fits(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_outlive_what_succeeded() {
        let history = History::new(2);
        for (at, success) in [false, true, true, true, false, true, true].into_iter().enumerate() {
            history.add("m", &at.to_string(), String::new(), success);
        }
        let ids: Vec<u64> = history.list().iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [0, 4, 5, 6]);
        assert_eq!(history.find(|entry| entry.target == "4").map(|entry| entry.success), Some(false));
    }
}
