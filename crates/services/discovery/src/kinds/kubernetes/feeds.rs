//! Watches that sections share: those of the same cluster that look at the same objects in the same namespace through
//! the same selectors are told by one list and one watch, and hold the same objects.

use std::any::Any;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use ::config::HttpClientConfig;
use kube::{Client, Event, Object, Scope, Watcher};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Which cluster, and who asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClusterKey {
    pub(super) api_server: String,
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) http: HttpClientConfig,
}

type Key = (ClusterKey, Scope);

/// All watches of a discovery. Each lasts while somebody holds its [`Feed`].
#[derive(Default)]
pub(crate) struct Feeds(Mutex<Vec<(Key, Weak<dyn Any + Send + Sync>)>>);

/// A watch that is shared; it ends when the last holder drops it.
pub(super) struct Feed<T> {
    state: Arc<State<T>>,
    task: AbortHandle,
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where a listener is told.
type Tell<T> = Box<dyn Fn(Event<Arc<T>>) -> Telling + Send + Sync>;
/// Whether the listener is still there.
type Telling = std::pin::Pin<Box<dyn Future<Output = bool> + Send>>;

/// Locked while an event is told, so that who comes in between gets all of it once.
struct State<T>(tokio::sync::Mutex<Inner<T>>);

struct Inner<T> {
    /// What there is, once it was listed.
    known: Option<HashMap<String, Arc<T>>>,
    /// Why nothing new is known now.
    failure: Option<kube::Error>,
    listeners: Vec<Tell<T>>,
}

impl Feeds {
    /// The watch of a scope: one that is there already, or a new one.
    pub(super) fn feed<T>(&self, cluster: &ClusterKey, client: &Client, scope: Scope) -> Arc<Feed<T>>
    where
        T: DeserializeOwned + Object + Send + Sync + 'static,
    {
        let mut feeds = self.0.lock();
        feeds.retain(|(_, feed)| feed.strong_count() > 0);
        let key = (cluster.clone(), scope);
        let known = feeds.iter().filter(|(other, _)| *other == key).find_map(|(_, feed)| feed.upgrade());
        if let Some(feed) = known.and_then(|feed| feed.downcast::<Feed<T>>().ok()) {
            return feed;
        }
        let inner = Inner { known: None, failure: None, listeners: Vec::new() };
        let state = Arc::new(State(tokio::sync::Mutex::new(inner)));
        let watcher = Watcher::new(client.clone(), key.1.clone());
        let task = tokio::spawn(run(watcher, state.clone())).abort_handle();
        let feed = Arc::new(Feed { state, task });
        let weak: Weak<Feed<T>> = Arc::downgrade(&feed);
        feeds.push((key, weak));
        feed
    }
}

impl<T: Send + Sync + 'static> Feed<T> {
    /// Tells everything that there is and everything that happens from then on, until the receiver is gone.
    pub(super) async fn listen<O: Send + 'static>(
        &self,
        sender: mpsc::Sender<O>,
        told: impl Fn(Event<Arc<T>>) -> O + Send + Sync + 'static,
    ) {
        let tell: Tell<T> = Box::new(move |event| {
            let (sender, told) = (sender.clone(), told(event));
            Box::pin(async move { sender.send(told).await.is_ok() })
        });
        let mut inner = self.state.0.lock().await;
        let listed = inner.known.as_ref().map(|known| known.values().cloned().collect());
        let listed = listed.map(Event::Listed);
        let failed = inner.failure.clone().map(Event::Failed);
        let mut is_there = true;
        for event in listed.into_iter().chain(failed) {
            is_there = is_there && tell(event).await;
        }
        if is_there {
            inner.listeners.push(tell);
        }
    }
}

async fn run<T: DeserializeOwned + Object + Send + Sync + 'static>(
    mut watcher: Watcher<T>,
    state: Arc<State<T>>,
) {
    loop {
        let event = watcher.next().await;
        let mut inner = state.0.lock().await;
        let event = inner.take_in(event);
        let mut at = 0;
        while let Some(tell) = inner.listeners.get(at) {
            let telling = tell(again(&event));
            if telling.await {
                at += 1;
            } else {
                drop(inner.listeners.swap_remove(at));
            }
        }
    }
}

impl<T: Object> Inner<T> {
    fn take_in(&mut self, event: Event<T>) -> Event<Arc<T>> {
        self.failure = None;
        match event {
            Event::Listed(objects) => {
                let objects: Vec<Arc<T>> = objects.into_iter().map(Arc::new).collect();
                let known = objects.iter().map(|object| (object.metadata().key(), object.clone()));
                self.known = Some(known.collect());
                Event::Listed(objects)
            }
            Event::Applied(object) => {
                let object = Arc::new(object);
                self.known.get_or_insert_default().insert(object.metadata().key(), object.clone());
                Event::Applied(object)
            }
            Event::Deleted(object) => {
                self.known.get_or_insert_default().remove(&object.metadata().key());
                Event::Deleted(Arc::new(object))
            }
            Event::Failed(error) => {
                self.failure = Some(error.clone());
                Event::Failed(error)
            }
        }
    }
}

/// The same event for another listener.
fn again<T>(event: &Event<Arc<T>>) -> Event<Arc<T>> {
    match event {
        Event::Listed(objects) => Event::Listed(objects.clone()),
        Event::Applied(object) => Event::Applied(object.clone()),
        Event::Deleted(object) => Event::Deleted(object.clone()),
        Event::Failed(error) => Event::Failed(error.clone()),
    }
}
