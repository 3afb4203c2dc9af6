//! Sends what is in line to one Alertmanager, until it has taken it or it is no longer true.

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use bytes::Bytes;
use exposition::registry::{Counter, Gauge, Histogram};
use gocompat::layout::format_rfc3339_ms;
use model::Alert;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::queue::{Entry, Queue};
use super::{Group, Limits};
use crate::json::{push_map, push_string};
use crate::transport::{Request, Transport};

/// How far a sender shall go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Send what is in line without waiting between attempts, then end.
    Draining,
    /// End after the request under way.
    Ending,
}

/// What is counted for one Alertmanager.
#[derive(Clone)]
pub(super) struct Counts {
    pub(super) sent: Counter,
    pub(super) errors: Counter,
    pub(super) dropped: Counter,
    pub(super) queue_length: Gauge,
    pub(super) latency: Histogram,
}

/// One Alertmanager and its queue.
pub(super) struct Sender {
    pub(super) url: String,
    pub(super) counts: Counts,
    pub(super) limits: Limits,
    group: Mutex<Arc<Group>>,
    queue: Mutex<Queue>,
    wake: Notify,
    phase: watch::Sender<Phase>,
    last_error: Mutex<Option<String>>,
}

/// What came of an attempt.
enum Outcome {
    Taken,
    TryAgain(String),
    /// A smaller batch may be taken.
    TooLarge(String),
    /// It will never be taken.
    Refused(String),
}

impl Sender {
    pub(super) fn new(url: String, group: Arc<Group>, limits: Limits, counts: Counts) -> Self {
        counts.queue_length.set(0.0);
        Sender {
            url,
            counts,
            group: Mutex::new(group),
            queue: Mutex::new(Queue::new(limits.queue_alerts_max)),
            limits,
            wake: Notify::new(),
            phase: watch::Sender::new(Phase::Running),
            last_error: Mutex::new(None),
        }
    }

    /// Puts alerts in line.
    pub(super) fn push(&self, alerts: &[Arc<Alert>], now_ms: i64) {
        let dropped = self.with_queue(|queue| queue.push(alerts, now_ms));
        if dropped > 0 {
            tracing::warn!(
                alertmanager = self.url,
                dropped,
                "the queue is full; its oldest alerts were dropped"
            );
        }
        self.drop_alerts(dropped);
        self.wake.notify_one();
    }

    /// Takes other settings into use, from the next request on.
    pub(super) fn configure(&self, group: &Arc<Group>) {
        *self.group.lock() = group.clone();
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Alerts in line. Those of a request under way are not counted.
    pub(super) fn queue_alerts(&self) -> usize {
        self.queue.lock().len()
    }

    /// Why the last request failed; `None` if it did not.
    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.lock().clone()
    }

    /// Sends until the phase says otherwise.
    pub(super) async fn run(self: Arc<Self>, transport: Arc<dyn Transport>, clock: Clock) {
        let mut phases = self.phase.subscribe();
        let mut batch_alerts_max = self.limits.batch_alerts_max.max(1);
        let mut failures = 0;
        loop {
            let phase = *phases.borrow_and_update();
            if phase == Phase::Ending {
                break;
            }
            let (batch, expired) = self.with_queue(|queue| queue.take(batch_alerts_max, clock.now_ms()));
            self.drop_alerts(expired);
            if batch.is_empty() {
                if phase == Phase::Draining {
                    break;
                }
                tokio::select! {
                    () = self.wake.notified() => {}
                    _ = phases.changed() => {}
                }
                continue;
            }
            let count = batch.len();
            let outcome = self.attempt(&batch, &*transport, &clock).await;
            match &outcome {
                Outcome::Taken => self.counts.sent.add(count as u64),
                _ => self.counts.errors.add(count as u64),
            }
            match outcome {
                Outcome::Taken => {
                    if failures > 0 {
                        tracing::info!(alertmanager = self.url, "takes alerts again");
                    }
                    failures = 0;
                    *self.last_error.lock() = None;
                }
                Outcome::Refused(error) => {
                    tracing::warn!(alertmanager = self.url, alerts = count, error, "alerts were refused");
                    *self.last_error.lock() = Some(error);
                    self.drop_alerts(count);
                }
                Outcome::TooLarge(error) => {
                    batch_alerts_max = count / 2;
                    *self.last_error.lock() = Some(error);
                    self.put_back(batch);
                }
                Outcome::TryAgain(error) => {
                    if failures == 0 {
                        tracing::warn!(
                            alertmanager = self.url,
                            alerts = count,
                            error,
                            "alerts wait to be sent again"
                        );
                    }
                    *self.last_error.lock() = Some(error);
                    self.put_back(batch);
                    if phase == Phase::Draining {
                        break;
                    }
                    let pause = self.limits.pause(failures);
                    failures += 1;
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = phases.changed() => {}
                    }
                }
            }
        }
        let left = self.with_queue(Queue::clear);
        if left > 0 {
            tracing::warn!(alertmanager = self.url, dropped = left, "alerts were not sent before the end");
        }
        self.drop_alerts(left);
    }

    async fn attempt(&self, batch: &[Entry], transport: &dyn Transport, clock: &Clock) -> Outcome {
        let group = self.group.lock().clone();
        let request = Request {
            http: group.http.clone(),
            method: http::Method::POST,
            url: self.url.clone(),
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("user-agent".into(), crate::receivers::USER_AGENT.into()),
            ],
            body: body(batch.iter().map(|entry| &*entry.alert)),
            timeout: Duration::from_millis(group.timeout_ms.max(1).unsigned_abs()),
        };
        let begun = clock.mark();
        let answer = match transport.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::TryAgain(error.to_string()),
        };
        let error = || format!("bad response status {}", answer.status);
        match answer.status {
            200..=299 => {
                self.counts.latency.observe(begun.elapsed_seconds());
                Outcome::Taken
            }
            413 if batch.len() > 1 => Outcome::TooLarge(error()),
            // An Alertmanager takes the good ones of a batch and answers so for the bad ones.
            400 | 413 | 422 => Outcome::Refused(error()),
            _ => Outcome::TryAgain(error()),
        }
    }

    fn put_back(&self, batch: Vec<Entry>) {
        let dropped = self.with_queue(|queue| queue.put_back(batch));
        self.drop_alerts(dropped);
    }

    fn drop_alerts(&self, count: usize) {
        self.counts.dropped.add(count as u64);
    }

    fn with_queue<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.lock();
        let result = change(&mut queue);
        self.counts.queue_length.set(queue.len() as f64);
        result
    }
}

impl Limits {
    /// How long to wait after one more failure than these.
    fn pause(&self, failures_before: u32) -> Duration {
        self.pause_min.saturating_mul(2_u32.saturating_pow(failures_before)).min(self.pause_max)
    }
}

/// The document: a list of alerts as Alertmanager's API v2 takes it. An end that is not known is
/// left out.
fn body<'a>(alerts: impl Iterator<Item = &'a Alert>) -> Bytes {
    let mut out = String::from("[");
    for (at, alert) in alerts.enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str("{\"labels\":");
        push_map(&mut out, alert.labels.iter());
        out.push_str(",\"annotations\":");
        push_map(&mut out, alert.annotations.iter());
        out.push_str(",\"startsAt\":");
        push_string(&mut out, &format_rfc3339_ms(alert.starts_at_ms));
        if alert.ends_at_ms != 0 {
            out.push_str(",\"endsAt\":");
            push_string(&mut out, &format_rfc3339_ms(alert.ends_at_ms));
        }
        out.push_str(",\"generatorURL\":");
        push_string(&mut out, &alert.generator_url);
        out.push('}');
    }
    out.push(']');
    out.into()
}

#[cfg(test)]
mod tests {
    use model::Labels;

    use super::*;

    #[test]
    fn the_document_is_the_one_of_api_v2() {
        let alert = Alert {
            labels: Labels::from_pairs([("alertname", "Up"), ("job", "a\"b")]),
            annotations: Labels::from_pairs([("summary", "down")]),
            starts_at_ms: 1_577_836_800_125,
            ends_at_ms: 1_577_836_860_000,
            generator_url: "http://p/graph?x=1".into(),
        };
        let endless = Alert { ends_at_ms: 0, annotations: Labels::empty(), ..alert.clone() };
        assert_eq!(
            body([&alert, &endless].into_iter()),
            concat!(
                r#"[{"labels":{"alertname":"Up","job":"a\"b"},"annotations":{"summary":"down"},"startsAt":"2020-01-01T00:00:00.125Z","#,
                r#""endsAt":"2020-01-01T00:01:00Z","generatorURL":"http://p/graph?x=1"},{"labels":{"alertname":"Up","job":"a\"b"},"#,
                r#""annotations":{},"startsAt":"2020-01-01T00:00:00.125Z","generatorURL":"http://p/graph?x=1"}]"#
            )
        );
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let limits = Limits::default();
        let pauses = [0, 1, 2, 40].map(|failures| limits.pause(failures).as_secs());
        assert_eq!(pauses, [1, 2, 4, 30]);
    }
}
