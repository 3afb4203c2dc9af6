//! What waits for one output.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Events that wait for one output, unless it says otherwise.
pub(super) const QUEUE_EVENTS_MAX: usize = 1_024;
/// Their size. One event alone may be larger: a notification names all alerts of its group.
const QUEUE_SIZE_MAX_BYTES: usize = 16 << 20;

/// An event, encoded.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// What happened.
    pub(super) kind: &'static str,
    /// The event as JSON, without an end of line, or in binary.
    pub(super) body: Bytes,
}

/// A bounded queue with any number of readers.
#[derive(Debug)]
pub(super) struct Queue {
    events_max: usize,
    waiting: Mutex<Waiting>,
    news: Notify,
    /// Held by the reader that gathers a batch.
    gathering: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    size_bytes: usize,
    is_closed: bool,
}

impl Queue {
    /// A queue for so many events.
    pub(super) fn new(events_max: usize) -> Queue {
        Queue {
            events_max,
            waiting: Mutex::default(),
            news: Notify::new(),
            gathering: tokio::sync::Mutex::default(),
        }
    }

    /// Puts an event in; `false` if there is no room.
    pub(super) fn push(&self, item: Item) -> bool {
        {
            let mut waiting = self.waiting.lock();
            let size_bytes = waiting.size_bytes.saturating_add(item.body.len());
            let has_room = waiting.items.is_empty()
                || (waiting.items.len() < self.events_max && size_bytes <= QUEUE_SIZE_MAX_BYTES);
            if waiting.is_closed || !has_room {
                return false;
            }
            waiting.size_bytes = size_bytes;
            waiting.items.push_back(item);
        }
        self.news.notify_one();
        true
    }

    /// Nothing more comes. Readers end once it is empty.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.news.notify_waiters();
        self.news.notify_one();
    }

    /// The next events: at least one, then more that wait as far as they fit. `None` at the end.
    /// With `gather`, waits so long for more.
    pub(super) async fn take(
        &self,
        events_max: usize,
        size_max_bytes: usize,
        gather: Option<Duration>,
    ) -> Option<Vec<Item>> {
        let _alone = match gather {
            Some(_) => Some(self.gathering.lock().await),
            None => None,
        };
        let mut pause = gather;
        loop {
            let news = self.news.notified();
            let (count, size_bytes) = {
                let waiting = self.waiting.lock();
                if waiting.items.is_empty() && waiting.is_closed {
                    drop(waiting);
                    self.news.notify_one(); // For the next reader.
                    return None;
                }
                if waiting.is_closed {
                    pause = None;
                }
                (waiting.items.len(), waiting.size_bytes)
            };
            if count == 0 {
                news.await;
                continue;
            }
            if let Some(wait) = pause.take()
                && count < events_max
                && size_bytes < size_max_bytes
            {
                self.fill(events_max, size_max_bytes, wait).await;
            }
            let items = self.waiting.lock().take(events_max, size_max_bytes);
            if !items.is_empty() {
                return Some(items);
            }
        }
    }

    /// Waits until there is a batch, but not longer than this.
    async fn fill(&self, events_max: usize, size_max_bytes: usize, wait: Duration) {
        let is_full = async {
            loop {
                let news = self.news.notified();
                {
                    let waiting = self.waiting.lock();
                    let is_batch = waiting.items.len() >= events_max || waiting.size_bytes >= size_max_bytes;
                    if is_batch || waiting.is_closed {
                        return;
                    }
                }
                news.await;
            }
        };
        let _ = tokio::time::timeout(wait, is_full).await;
    }
}

impl Waiting {
    fn take(&mut self, events_max: usize, size_max_bytes: usize) -> Vec<Item> {
        let mut items = Vec::new();
        let mut size_bytes = 0;
        while let Some(item) = self.items.front() {
            let larger = size_bytes + item.body.len() + 1;
            if !items.is_empty() && (items.len() >= events_max || larger > size_max_bytes) {
                break;
            }
            size_bytes = larger;
            self.size_bytes -= item.body.len();
            items.extend(self.items.pop_front());
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(size: usize) -> Item {
        Item { kind: "k", body: vec![b'x'; size].into() }
    }

    #[tokio::test]
    async fn what_does_not_fit_is_refused_but_a_large_one_alone_is_not() {
        let queue = Queue::new(QUEUE_EVENTS_MAX);
        assert!(queue.push(item(QUEUE_SIZE_MAX_BYTES + 1)));
        assert!(!queue.push(item(1)));
        assert_eq!(queue.take(10, 10, None).await.map(|items| items.len()), Some(1));
        for _ in 0..QUEUE_EVENTS_MAX {
            assert!(queue.push(item(1)));
        }
        assert!(!queue.push(item(1)));
    }

    #[tokio::test]
    async fn a_batch_is_as_large_as_it_may_be_and_what_is_left_comes_at_the_end() {
        let queue = Queue::new(QUEUE_EVENTS_MAX);
        for size in [4, 4, 100, 1] {
            queue.push(item(size));
        }
        let long = Some(Duration::from_secs(3_600));
        let mut sizes = Vec::new();
        for _ in 0..2 {
            let items = queue.take(100, 10, long).await.unwrap();
            sizes.push(items.iter().map(|item| item.body.len()).collect::<Vec<_>>());
        }
        queue.close();
        sizes.push(queue.take(100, 10, long).await.unwrap().iter().map(|item| item.body.len()).collect());
        assert_eq!(sizes, [vec![4, 4], vec![100], vec![1]]);
        assert!(queue.take(100, 10, long).await.is_none());
        assert!(!queue.push(item(1)));
    }
}
