//! What waits for one Alertmanager: a bounded queue that holds each alert once, in its newest form.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use model::{Alert, Labels};

/// How long it is worth telling that an alert has ended. An Alertmanager that knew it has let it
/// end by itself by then, and rules say it again for as long.
const RESOLVED_VALID_MS: i64 = 15 * 60_000;

/// An alert in line.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) alert: Arc<Alert>,
    /// Telling it later than that would tell nothing true.
    valid_until_ms: i64,
}

impl Entry {
    fn new(alert: Arc<Alert>, now_ms: i64) -> Self {
        let valid_until_ms = match alert.ends_at_ms {
            0 => i64::MAX,
            _ if alert.is_resolved_at(now_ms) => now_ms.saturating_add(RESOLVED_VALID_MS),
            ends_at_ms => ends_at_ms,
        };
        Entry { alert, valid_until_ms }
    }
}

/// Alerts in the order in which they came. Of the same alert only the newest form is kept, at the
/// place of the first, so that an outage does not fill the queue with repetitions.
#[derive(Debug)]
pub(super) struct Queue {
    alerts_max: usize,
    /// Each key of `entries` once.
    order: VecDeque<Labels>,
    entries: HashMap<Labels, Entry>,
}

impl Queue {
    pub(super) fn new(alerts_max: usize) -> Self {
        Queue { alerts_max: alerts_max.max(1), order: VecDeque::new(), entries: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts alerts in line. Returns how many old ones had to go for them.
    pub(super) fn push(&mut self, alerts: &[Arc<Alert>], now_ms: i64) -> usize {
        let mut dropped = 0;
        for alert in alerts {
            let entry = Entry::new(alert.clone(), now_ms);
            if self.entries.insert(alert.labels.clone(), entry).is_some() {
                continue;
            }
            self.order.push_back(alert.labels.clone());
            if self.order.len() > self.alerts_max
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
                dropped += 1;
            }
        }
        dropped
    }

    /// Takes up to `alerts_max` of the oldest alerts that are still valid, and counts those before
    /// them that are not.
    pub(super) fn take(&mut self, alerts_max: usize, now_ms: i64) -> (Vec<Entry>, usize) {
        let (mut batch, mut expired) = (Vec::new(), 0);
        while batch.len() < alerts_max
            && let Some(labels) = self.order.pop_front()
        {
            match self.entries.remove(&labels) {
                Some(entry) if entry.valid_until_ms > now_ms => batch.push(entry),
                _ => expired += 1,
            }
        }
        (batch, expired)
    }

    /// Puts a batch that could not be sent back to the front. An alert that came anew meanwhile is
    /// kept in its newer form. Returns how many of the oldest found no room.
    pub(super) fn put_back(&mut self, batch: Vec<Entry>) -> usize {
        let mut dropped = 0;
        for entry in batch.into_iter().rev() {
            let labels = &entry.alert.labels;
            if self.entries.contains_key(labels) {
                continue;
            }
            if self.order.len() >= self.alerts_max {
                dropped += 1;
                continue;
            }
            self.order.push_front(labels.clone());
            self.entries.insert(labels.clone(), entry);
        }
        dropped
    }

    /// Forgets everything. Returns how much it was.
    pub(super) fn clear(&mut self) -> usize {
        self.order.clear();
        std::mem::take(&mut self.entries).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str, ends_at_ms: i64) -> Arc<Alert> {
        Arc::new(Alert {
            labels: Labels::from_pairs([("alertname", name)]),
            annotations: Labels::empty(),
            starts_at_ms: 1,
            ends_at_ms,
            generator_url: String::new(),
        })
    }

    fn names(batch: &[Entry]) -> Vec<&str> {
        batch.iter().map(|entry| entry.alert.labels.value("alertname")).collect()
    }

    #[test]
    fn a_full_queue_loses_its_oldest_alerts_and_counts_them() {
        let mut queue = Queue::new(2);
        assert_eq!(queue.push(&[alert("a", 0), alert("b", 0), alert("c", 0)], 10), 1);
        let (batch, _) = queue.take(10, 10);
        assert_eq!(names(&batch), ["b", "c"]);
        queue.push(&[alert("d", 0)], 10);
        assert_eq!(queue.put_back(batch), 1);
        assert_eq!(names(&queue.take(10, 10).0), ["c", "d"]);
    }

    #[test]
    fn an_alert_waits_once_in_its_newest_form() {
        let mut queue = Queue::new(2);
        for ends_at_ms in [100, 200, 300] {
            assert_eq!(queue.push(&[alert("a", ends_at_ms), alert("b", ends_at_ms)], 10), 0);
        }
        let (batch, _) = queue.take(1, 10);
        assert_eq!((names(&batch), batch[0].alert.ends_at_ms), (vec!["a"], 300));
        queue.push(&[alert("a", 400)], 10);
        assert_eq!(queue.put_back(batch), 0);
        let (batch, _) = queue.take(10, 10);
        let ends: Vec<i64> = batch.iter().map(|entry| entry.alert.ends_at_ms).collect();
        assert_eq!((names(&batch), ends), (vec!["b", "a"], vec![300, 400]));
    }

    #[test]
    fn what_is_no_longer_true_is_not_told() {
        let mut queue = Queue::new(10);
        queue.push(&[alert("fires", 100), alert("ended", 40), alert("endless", 0)], 50);
        let (batch, expired) = queue.take(10, 99);
        assert_eq!((names(&batch), expired), (vec!["fires", "ended", "endless"], 0));
        queue.put_back(batch);
        let (batch, expired) = queue.take(10, 100);
        assert_eq!((names(&batch), expired), (vec!["ended", "endless"], 1));
        queue.put_back(batch);
        let (batch, expired) = queue.take(10, 50 + RESOLVED_VALID_MS);
        assert_eq!((names(&batch), expired), (vec!["endless"], 1));
    }
}
