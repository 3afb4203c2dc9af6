//! The loop that feeds the dispatcher and does what it says.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::clock::Mark;
use spans::{Kind, Span, Tracer};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::{Change, Command, Shared};
use crate::dispatch::record::Record;
use crate::dispatch::{Action, Company, Event, Failure, LEASE_MS, Outcome};
use crate::journal::Journal;
use crate::notification::Notification;
use crate::receivers::Delivery;
use crate::receivers::answer::outcome_of_error;
use crate::replicas::{Claim, Entry, MembersStatus, SharedReplicas, Token};
use crate::template::Data;
use crate::trail;
use crate::transport::{Overheard, Transport, TransportError};

/// A difference between wall and measured time from which on it is a jump of the clock.
const CLOCK_JUMP_MIN_MS: i64 = 2_000;
/// The longest sleep, so that a jump of the clock is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// How long to wait before a log that is not whole is written anew.
const REWRITE_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Driver {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    journal: Option<Journal>,
    rewrite_tried: Option<Mark>,
    /// The size of the log when that of the state was last measured.
    measured_at_bytes: u64,
    transport: Arc<dyn Transport>,
    external_url: Arc<str>,
    /// Wall and measured time when they were last compared.
    anchor: (i64, Mark),
    company: Company,
    replicas: SharedReplicas,
    /// What other replicas share, if there are any.
    learned: Option<mpsc::Receiver<Vec<Entry>>>,
    tasks: JoinSet<Done>,
    /// The attempts among the tasks.
    tickets: HashMap<tokio::task::Id, u64>,
}

/// What a task came to.
enum Done {
    Attempted(Outcome),
    Claimed(u64, Claim),
    Settled,
    Shared,
}

type Joined = Result<(tokio::task::Id, Done), tokio::task::JoinError>;

/// Who else there is.
pub(super) fn company(replicas: &SharedReplicas) -> Company {
    let is_alone = replicas.members().status == MembersStatus::Disabled;
    Company { is_alone, turn_ms: if is_alone { 0 } else { replicas.turn_ms() }, must_settle: !is_alone }
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        journal: Option<Journal>,
        replicas: SharedReplicas,
        company: Company,
        now_ms: i64,
    ) -> Driver {
        Driver {
            anchor: (now_ms, shared.clock.mark()),
            transport: shared.transport.clone(),
            external_url: shared.external_url.clone(),
            shared,
            commands,
            learned: (!company.is_alone).then(|| replicas.subscribe()),
            company,
            replicas,
            journal,
            rewrite_tried: None,
            measured_at_bytes: 0,
            tasks: JoinSet::new(),
            tickets: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self) {
        if !self.company.is_alone {
            let replicas = self.replicas.clone();
            self.tasks.spawn(async move {
                replicas.settled().await;
                Done::Settled
            });
            let now_ms = self.shared.clock.now_ms();
            let entries = self.shared.dispatcher.lock().entries(now_ms);
            self.share(entries);
        }
        loop {
            let now_ms = self.shared.clock.now_ms();
            let due_ms = self.shared.dispatcher.lock().next_due_ms();
            let pause = due_ms.map_or(SLEEP_MAX, |due_ms| {
                Duration::from_millis(due_ms.saturating_sub(now_ms).max(0) as u64).min(SLEEP_MAX)
            });
            let shared = self.shared.clone();
            let mut events = Vec::new();
            let mut changes = Vec::new();
            let mut answer: Option<(oneshot::Sender<()>, Option<Duration>)> = None;
            tokio::select! {
                biased;
                Some(joined) = self.tasks.join_next_with_id() => events.extend(self.outcome(joined)),
                Some(entries) = learned(&mut self.learned) => events.push(Event::Learned(entries)),
                command = self.commands.recv() => match command {
                    Some(Command::Apply(config, done)) => {
                        events.push(Event::Apply(config));
                        answer = Some((done, None));
                    }
                    Some(Command::Change(change)) => changes.push(change),
                    Some(Command::Stop { within, done }) => answer = Some((done, Some(within))),
                    None => return,
                },
                () = shared.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            while let Some(joined) = self.tasks.try_join_next_with_id() {
                events.extend(self.outcome(joined));
            }
            if events.iter().any(|event| matches!(event, Event::Settled)) {
                // What came before that is taken in first.
                let mut known = Vec::new();
                while let Some(Ok(entries)) = self.learned.as_mut().map(mpsc::Receiver::try_recv) {
                    known.push(Event::Learned(entries));
                }
                known.append(&mut events);
                events = known;
            }
            self.advance(events, changes, true).await;
            if let Some((done, stop_within)) = answer {
                if let Some(within) = stop_within {
                    self.finish(within).await;
                    let _ = done.send(());
                    return;
                }
                let _ = done.send(());
            }
        }
    }

    fn outcome(&mut self, joined: Joined) -> Option<Event> {
        let (id, done) = joined.unwrap_or_else(|error| {
            let message = "the attempt ended without an outcome".to_string();
            (error.id(), Done::Attempted(Outcome::TryAgain(Failure::new("other", message))))
        });
        match done {
            Done::Attempted(outcome) => {
                let ticket = self.tickets.remove(&id)?;
                Some(Event::Attempted { ticket, outcome })
            }
            Done::Claimed(ticket, claim) => Some(Event::Claimed { ticket, claim }),
            Done::Settled => Some(Event::Settled),
            Done::Shared => None,
        }
    }

    /// Takes in everything there is, writes it down, and sends if `sends`.
    async fn advance(&mut self, mut events: Vec<Event>, changes: Vec<Change>, sends: bool) {
        let now_ms = self.shared.clock.now_ms();
        let measured_ms = self.anchor.1.elapsed().as_millis() as i64;
        let by_ms = now_ms.saturating_sub(self.anchor.0.saturating_add(measured_ms));
        if by_ms.abs() >= CLOCK_JUMP_MIN_MS {
            tracing::warn!(by_ms, "the clock was set; timers of alert groups move along");
            events.insert(0, Event::ClockJumped { by_ms });
        }
        self.anchor = (now_ms, self.shared.clock.mark());
        let (batches, put) = {
            let mut inbox = self.shared.inbox.lock();
            inbox.alerts = 0;
            (std::mem::take(&mut inbox.batches), inbox.put)
        };
        events.extend(batches.into_iter().map(|(source, alerts)| match source {
            Some(source) => Event::Received { source, alerts },
            None => Event::Alerts(alerts),
        }));
        events.push(Event::Tick);
        let (mut actions, mut answers) = (Vec::new(), Vec::new());
        {
            let mut dispatcher = self.shared.dispatcher.lock();
            if !self.company.is_alone {
                self.company.turn_ms = self.replicas.turn_ms();
                dispatcher.set_company(self.company);
            }
            dispatcher.set_publishes(self.shared.recorder.is_on());
            answers.extend(changes.into_iter().map(|change| change(&mut dispatcher, now_ms)));
            for event in events {
                actions.extend(dispatcher.step(event, now_ms));
            }
        }
        let (mut records, mut notes, mut happenings) = (Vec::new(), Vec::new(), Vec::new());
        let mut to_do = Vec::new();
        for action in actions {
            match action {
                Action::Remember(record) => records.push(record),
                Action::Note(event) => notes.push(event),
                Action::Publish(happening) => happenings.push(happening),
                other => to_do.push(other),
            }
        }
        self.shared.trail.note(notes);
        self.shared.recorder.record(happenings);
        self.write(records).await;
        self.shared.taken.send_replace(put);
        for answer in answers {
            answer();
        }
        for action in to_do {
            match action {
                Action::Send { ticket, notification, timeout_ms, attempt, claim } if sends => {
                    self.send(ticket, notification, timeout_ms, attempt, claim);
                }
                Action::Claim { ticket, key, lease_ms } if sends => {
                    let replicas = self.replicas.clone();
                    self.tasks
                        .spawn(async move { Done::Claimed(ticket, replicas.claim(&key, lease_ms).await) });
                }
                Action::Release { key, token, told } => {
                    let replicas = self.replicas.clone();
                    self.tasks.spawn(async move {
                        replicas.release(&key, token, told).await;
                        Done::Shared
                    });
                }
                Action::Share(entries) => self.share(entries),
                _ => {}
            }
        }
    }

    fn share(&mut self, entries: Vec<Entry>) {
        let replicas = self.replicas.clone();
        self.tasks.spawn(async move {
            if let Err(error) = replicas.share(entries).await {
                tracing::warn!(%error, "not shared with other replicas yet");
            }
            Done::Shared
        });
    }

    /// Brings records to disk. While the disk does not take them delivery goes on, and from time to
    /// time the whole state is written anew.
    async fn write(&mut self, records: Vec<Record>) {
        let Some(mut journal) = self.journal.take() else { return };
        let is_time = self.rewrite_tried.as_ref().is_none_or(|mark| mark.elapsed() >= REWRITE_PAUSE);
        // The state is only measured once the log has grown enough for it to matter.
        let mut wants_rewrite = |journal: &Journal| {
            let size_bytes = journal.size_bytes();
            if !journal.wants_rewrite(0) || size_bytes.abs_diff(self.measured_at_bytes) < size_bytes / 8 {
                return false;
            }
            self.measured_at_bytes = size_bytes;
            journal.wants_rewrite(self.shared.dispatcher.lock().state_size_bytes())
        };
        let rewrites = is_time && (!journal.is_whole() || wants_rewrite(&journal));
        if !rewrites && (records.is_empty() || !journal.is_whole()) {
            self.journal = Some(journal);
            return;
        }
        // What is in `records` is in the state already, so a rewrite covers it. The state does not
        // change meanwhile: whoever changes it waits here.
        let state = rewrites.then(|| self.shared.clone());
        let written = tokio::task::spawn_blocking(move || {
            let part = |shared: &Shared, part: usize| {
                let dispatcher = shared.dispatcher.lock();
                (part < dispatcher.record_parts()).then(|| dispatcher.records_of(part).collect())
            };
            let result = match &state {
                Some(shared) => match journal.rewrite(|number| part(shared, number)) {
                    // No room for a second log; the first may still have some.
                    Err(_) if journal.is_whole() => journal.append(&records),
                    other => other,
                },
                None => journal.append(&records),
            };
            (journal, result)
        });
        match written.await {
            Ok((journal, result)) => {
                if rewrites {
                    self.rewrite_tried = Some(self.shared.clock.mark());
                }
                if let Err(error) = result {
                    self.shared.log.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "the alerting log could not be written; notifications go on");
                }
                self.shared.log.note(Some(&journal));
                self.journal = Some(journal);
            }
            Err(error) => {
                self.shared.log.failures.fetch_add(1, Ordering::Relaxed);
                self.shared.log.is_whole.store(false, Ordering::Relaxed);
                tracing::error!(%error, "the alerting log was lost; the state is no longer written down");
            }
        }
    }

    fn send(
        &mut self,
        ticket: u64,
        notification: Arc<Notification>,
        timeout_ms: i64,
        attempt: u32,
        claim: Option<(String, Token)>,
    ) {
        let transport = self.transport.clone();
        let replicas = self.replicas.clone();
        let external_url = self.external_url.clone();
        let timeout = Duration::from_millis(timeout_ms.max(1) as u64);
        let now_ms = self.shared.clock.now_ms();
        let shared = self.shared.clone();
        let task = self.tasks.spawn(async move {
            let integration = &notification.integration;
            let mut span = span_of(&shared.tracer, &notification, attempt);
            let data = Data::of(&notification, &external_url).at(now_ms);
            let overheard = Overheard::new(&*transport, &span);
            let delivery = Delivery {
                notification: &notification,
                data: &data,
                templates: &integration.templates,
                transport: &overheard,
                now_ms,
                timeout,
            };
            let begun = shared.clock.mark();
            let answer = tokio::time::timeout(timeout, integration.notifier.notify(&delivery));
            let answer = tokio::select! {
                answer = answer => answer,
                never = keep_claim(&replicas, claim) => match never {},
            };
            let outcome = answer.unwrap_or_else(|_| outcome_of_error(&TransportError::Timeout));
            let status = overheard.status();
            let (kind, took) = (integration.notifier.kind(), begun.elapsed());
            if let Outcome::TryAgain(failure) | Outcome::Refused(failure) = &outcome {
                span.fail(&failure.message);
            }
            drop(span);
            shared.attempts.note(&integration.name, kind, took, shared.clock.now_ms(), &outcome);
            let (name, alerts) = (&notification.integration.name, notification.alerts.len());
            match &outcome {
                Outcome::Taken(_) => {
                    tracing::info!(integration = name, alerts, group = notification.group_key, "notified");
                }
                Outcome::TryAgain(failure) | Outcome::Refused(failure) => {
                    let error = &failure.message;
                    tracing::warn!(
                        integration = name,
                        alerts,
                        group = notification.group_key,
                        error,
                        "not notified"
                    );
                }
            }
            if shared.trail.is_on() {
                let latency_ms = took.as_millis() as u64;
                let event = attempted(&notification, attempt, &outcome, status, now_ms, latency_ms);
                shared.trail.note([event]);
            }
            Done::Attempted(outcome)
        });
        self.tickets.insert(task.id(), ticket);
    }

    async fn finish(&mut self, within: Duration) {
        let begun = self.shared.clock.mark();
        while !self.tasks.is_empty() {
            let left = within.saturating_sub(begun.elapsed());
            match tokio::time::timeout(left, self.tasks.join_next_with_id()).await {
                Ok(Some(joined)) => {
                    let events = self.outcome(joined).into_iter().collect();
                    self.advance(events, Vec::new(), false).await;
                }
                _ => break,
            }
        }
        self.tasks.abort_all();
    }
}

/// The next batch that others shared; never if there are no others.
async fn learned(receiver: &mut Option<mpsc::Receiver<Vec<Entry>>>) -> Option<Vec<Entry>> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

/// Renews a claim for as long as this is waited for. One that is lost, because the database was away
/// too long, is no reason to end an attempt that may have reached the receiver already.
async fn keep_claim(replicas: &SharedReplicas, claim: Option<(String, Token)>) -> Infallible {
    if let Some((key, token)) = claim {
        let pause = Duration::from_millis(LEASE_MS.unsigned_abs() / 3);
        loop {
            tokio::time::sleep(pause).await;
            if !replicas.renew(&key, token, LEASE_MS).await {
                tracing::warn!(key, "a claim was lost while its receiver was told");
                break;
            }
        }
    }
    std::future::pending().await
}

/// An attempt, for those who follow traces.
fn span_of(tracer: &Tracer, notification: &Notification, attempt: u32) -> Span {
    let mut span = tracer.begin("notify", Kind::Internal);
    if span.is_followed() {
        let integration = &notification.integration;
        span.set("alerting.notify.integration.name", integration.notifier.kind());
        span.set("alerting.notify.receiver.name", integration.receiver.as_str());
        span.set("alerting.group.key", notification.group_key.as_str());
        span.set("alerting.alerts.count", notification.alerts.len() as i64);
        span.set("alerting.notify.reason", notification.reason.as_str());
        span.set("alerting.notify.attempt", i64::from(attempt));
    }
    span
}

/// An attempt, for the trail.
fn attempted(
    notification: &Notification,
    attempt: u32,
    outcome: &Outcome,
    status: u16,
    at_ms: i64,
    latency_ms: u64,
) -> trail::Event {
    let (answer, error) = match outcome {
        Outcome::Taken(_) => (trail::Answer::Taken, ""),
        Outcome::TryAgain(failure) => (trail::Answer::TryAgain, failure.message.as_str()),
        Outcome::Refused(failure) => (trail::Answer::Refused, failure.message.as_str()),
    };
    let alerts = notification.alerts.iter().map(|told| told.alert.labels.clone()).collect();
    let step = trail::Attempted {
        group: notification.group_key.as_str().into(),
        integration: notification.integration.name.as_str().into(),
        reason: notification.reason.as_str().into(),
        attempt,
        answer,
        status,
        latency_ms,
        error: error.into(),
    };
    trail::Event {
        at_ms,
        subject: trail::Subject::Alerts(alerts),
        step: trail::Step::Attempted(Arc::new(step)),
    }
}
