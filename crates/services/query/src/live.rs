//! `notifications/live`: what an operator should know, told as it changes (server-sent events).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

use crate::Api;
use crate::sources::NotificationView;

/// How often it is looked for changes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Changes that wait for a client; one that does not read them is dropped.
const EVENTS_MAX: usize = 64;

/// What to tell somebody who knew `before`: what is new, and what is over.
fn changes(before: &[NotificationView], now: &[NotificationView]) -> Vec<NotificationView> {
    let is_in = |list: &[NotificationView], one: &NotificationView| {
        list.iter().any(|other| other.text == one.text && other.date == one.date)
    };
    let over = before.iter().filter(|one| !is_in(now, one));
    let over = over.map(|one| NotificationView { active: false, ..one.clone() });
    over.chain(now.iter().filter(|one| !is_in(before, one)).cloned()).collect()
}

fn event(notification: &NotificationView) -> Bytes {
    let json = serde_json::to_string(notification).unwrap_or_default();
    Bytes::from(format!("data: {json}\n\n"))
}

/// Events as they come; it ends when the sender does.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

pub(crate) async fn notifications(State(api): State<Arc<Api>>) -> Response {
    let Ok(place) = api.subscribers.clone().try_acquire_owned() else {
        // As Prometheus says that there are enough listeners: the page asks from time to time instead.
        return StatusCode::NO_CONTENT.into_response();
    };
    let (sender, receiver) = mpsc::channel(EVENTS_MAX);
    tokio::spawn(async move {
        let _place = place;
        let mut known: Vec<NotificationView> = Vec::new();
        loop {
            let now = api.deps.sources.status.notifications();
            for change in changes(&known, &now) {
                if sender.try_send(event(&change)).is_err() {
                    return;
                }
            }
            known = now;
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = sender.closed() => return,
            }
        }
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::new(Events(receiver))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_told_and_what_is_over() {
        let one = |text: &str| NotificationView { text: text.into(), date: 5, active: true };
        let told = changes(&[one("old"), one("same")], &[one("same"), one("new")]);
        assert_eq!(told, [NotificationView { active: false, ..one("old") }, one("new")]);
        assert!(changes(&told, &told).is_empty());
    }
}
