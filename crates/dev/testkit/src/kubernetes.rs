//! A Kubernetes API in the test's own process, over true HTTP: objects of any kind by group, version
//! and resource; lists in pages; watches with resource versions, bookmarks and 410 Gone; label and
//! field selectors; create, replace, patch and delete with their conflicts; a bearer token; failures
//! and dropped connections on request.
//!
//! It knows no kind's schema: an object is what was put. Server-side apply merges like a merge patch
//! and keeps no field owners.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, watch};

use crate::http::{Reply, Request, Server};

/// A collection: `v1/pods`, `apps/v1/deployments`.
type Collection = String;
/// Namespace, or nothing, and name.
type Name = (String, String);

/// The API. Cheap to clone; the server stops with the last clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Grows whenever a watch has something to look at.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    version: u64,
    objects: BTreeMap<(Collection, Name), Value>,
    history: VecDeque<Change>,
    /// Watches and pages from before this version are gone.
    oldest: u64,
    token: Option<String>,
    page_size_max: Option<usize>,
    failures: VecDeque<(u16, Option<u64>)>,
    bookmarks: u64,
}

struct Change {
    version: u64,
    collection: Collection,
    name: Name,
    before: Option<Value>,
    after: Option<Value>,
    /// The object's last state, with the version of its end.
    last: Value,
}

impl Api {
    /// Starts an API without objects, inside a tokio runtime.
    pub async fn start() -> Api {
        let state = State { version: 100, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changes: watch::Sender::new(0) });
        let answering = shared.clone();
        let server = Server::start(move |request| answering.clone().answer(request)).await;
        Api(Arc::new(Inner { server, shared }))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.0.server.url()
    }

    /// Method, path and query of every request so far.
    pub fn requests(&self) -> Vec<String> {
        let line = |request: &Request| format!("{} {}", request.method, request.target());
        self.0.server.requests().iter().map(line).collect()
    }

    /// Every request so far, whole.
    pub fn whole_requests(&self) -> Vec<Request> {
        self.0.server.requests()
    }

    /// Creates or replaces an object of a collection such as `v1/pods` or `apps/v1/deployments`;
    /// says its resource version.
    pub fn put(&self, collection: &str, object: Value) -> u64 {
        let mut state = self.0.shared.state();
        let name = name_of(&object);
        let version = state.store(collection, name, object);
        drop(state);
        self.0.shared.wake();
        version
    }

    /// Merges into an object (a merge patch: null removes). Panics if there is none.
    pub fn patch(&self, collection: &str, namespace: &str, name: &str, patch: Value) -> u64 {
        let mut state = self.0.shared.state();
        let key = (collection.to_string(), (namespace.to_string(), name.to_string()));
        let Some(mut object) = state.objects.get(&key).cloned() else { panic!("there is no {key:?}") };
        merge(&mut object, &patch);
        let version = state.store(collection, key.1, object);
        drop(state);
        self.0.shared.wake();
        version
    }

    /// Removes an object. Panics if there is none.
    pub fn delete(&self, collection: &str, namespace: &str, name: &str) {
        let removed = self.0.shared.state().remove(collection, (namespace.to_string(), name.to_string()));
        assert!(removed.is_some(), "there is no {collection} {namespace}/{name}");
        self.0.shared.wake();
    }

    /// An object as it is now.
    pub fn get(&self, collection: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = (collection.to_string(), (namespace.to_string(), name.to_string()));
        self.0.shared.state().objects.get(&key).cloned()
    }

    /// Forgets the past: watches and pages that start before now are answered with 410 Gone.
    pub fn compact(&self) {
        let mut state = self.0.shared.state();
        state.oldest = state.version;
        state.history.clear();
        drop(state);
        self.0.shared.wake();
    }

    /// Tells every watch that asked for bookmarks where it is; says the version it is told.
    pub fn bookmark(&self) -> u64 {
        let mut state = self.0.shared.state();
        state.version += 1;
        state.bookmarks += 1;
        let version = state.version;
        drop(state);
        self.0.shared.wake();
        version
    }

    /// Breaks all connections that are open now.
    pub fn drop_connections(&self) {
        self.0.server.drop_connections();
    }

    /// Answers the next `count` requests with this status and, if given, `Retry-After` in seconds.
    pub fn fail_next(&self, count: usize, status: u16, retry_after_s: Option<u64>) {
        self.0.shared.state().failures.extend(std::iter::repeat_n((status, retry_after_s), count));
    }

    /// From now on only requests with this bearer token are answered.
    pub fn require_token(&self, token: &str) {
        self.0.shared.state().token = Some(token.to_string());
    }

    /// Lists come in pages of at most this many objects, whatever is asked for.
    pub fn limit_pages(&self, size: usize) {
        self.0.shared.state().page_size_max = Some(size);
    }
}

/// What a path means.
struct Target {
    collection: Collection,
    resource: String,
    namespace: Option<String>,
    name: Option<String>,
    subresource: Option<String>,
}

impl Target {
    fn parse(path: &str) -> Option<Target> {
        let mut parts = path.trim_matches('/').split('/');
        let group_version = match parts.next()? {
            "api" => parts.next()?.to_string(),
            "apis" => format!("{}/{}", parts.next()?, parts.next()?),
            _ => return None,
        };
        let mut rest: Vec<&str> = parts.collect();
        let namespace = if rest.len() >= 3 && rest[0] == "namespaces" {
            let namespace = rest[1].to_string();
            rest.drain(..2);
            Some(namespace)
        } else {
            None
        };
        let mut rest = rest.into_iter();
        let resource = rest.next()?.to_string();
        Some(Target {
            collection: format!("{group_version}/{resource}"),
            resource,
            namespace,
            name: rest.next().map(str::to_string),
            subresource: rest.next().map(str::to_string),
        })
    }

    fn key(&self) -> Name {
        (self.namespace.clone().unwrap_or_default(), self.name.clone().unwrap_or_default())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn answer(self: Arc<Self>, request: &Request) -> Reply {
        let mut state = self.state();
        if let Some((code, retry_after_s)) = state.failures.pop_front() {
            let reply = status(code, "InternalError", "told to fail");
            return match retry_after_s {
                Some(seconds) => reply.header("retry-after", &seconds.to_string()),
                None => reply,
            };
        }
        if let Some(token) = &state.token
            && request.header("authorization") != format!("Bearer {token}")
        {
            return status(401, "Unauthorized", "Unauthorized");
        }
        let Some(target) = Target::parse(&request.path) else {
            return status(404, "NotFound", "the server could not find the requested resource");
        };
        match request.method.as_str() {
            "GET" if target.name.is_some() => {
                match state.objects.get(&(target.collection.clone(), target.key())) {
                    Some(object) => Reply::json(object),
                    None => not_found(&target),
                }
            }
            "GET" if matches!(request.parameter("watch").as_deref(), Some("true" | "1")) => {
                drop(state);
                self.watch(&target, request)
            }
            "GET" => state.list(&target, request),
            _ => {
                let reply = state.write(&target, request);
                drop(state);
                self.wake();
                reply
            }
        }
    }

    fn watch(self: Arc<Self>, target: &Target, request: &Request) -> Reply {
        let from = request.parameter("resourceVersion").and_then(|version| version.parse::<u64>().ok());
        let mut seen = from.unwrap_or_else(|| self.state().version);
        let bookmarks = request.parameter("allowWatchBookmarks").as_deref() == Some("true");
        let selector = Selector::of(target, request);
        let collection = target.collection.clone();
        let (sender, pieces) = mpsc::channel::<Bytes>(64);
        let mut changes = self.changes.subscribe();
        let shared = Arc::downgrade(&self);
        let mut bookmarked = self.state().bookmarks;
        drop(self);
        tokio::spawn(async move {
            loop {
                changes.mark_unchanged();
                let mut lines = Vec::new();
                let mut gone = false;
                {
                    let Some(shared) = shared.upgrade() else { return };
                    let state = shared.state();
                    if seen < state.oldest {
                        gone = true;
                        lines.push(json!({"type": "ERROR", "object": {
                            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired",
                            "code": 410,
                            "message": format!("too old resource version: {seen} ({})", state.oldest),
                        }}));
                    } else {
                        for change in state.history.iter().filter(|change| change.version > seen) {
                            lines.extend(change.event(&collection, &selector));
                        }
                        if bookmarks && state.bookmarks != bookmarked {
                            bookmarked = state.bookmarks;
                            lines.push(json!({"type": "BOOKMARK", "object": {
                                "metadata": {"resourceVersion": state.version.to_string()}
                            }}));
                        }
                        seen = state.version;
                    }
                }
                for line in lines {
                    // In two pieces, as a network may deliver it.
                    let mut text = line.to_string().into_bytes();
                    text.push(b'\n');
                    let rest = text.split_off(text.len() / 2);
                    for piece in [text, rest] {
                        if sender.send(Bytes::from(piece)).await.is_err() {
                            return;
                        }
                    }
                }
                if gone {
                    return;
                }
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Reply::pieces(pieces).header("content-type", "application/json")
    }
}

impl Change {
    /// What a watch with this selector sees of the change.
    fn event(&self, collection: &str, selector: &Selector) -> Option<Value> {
        if self.collection != collection || !selector.is_in_namespace(&self.name.0) {
            return None;
        }
        let was = self.before.as_ref().is_some_and(|object| selector.matches(object));
        let is = self.after.as_ref().is_some_and(|object| selector.matches(object));
        let kind = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        Some(json!({"type": kind, "object": self.last}))
    }
}

impl State {
    fn store(&mut self, collection: &str, name: Name, mut object: Value) -> u64 {
        self.version += 1;
        let version = self.version;
        let before = self.objects.get(&(collection.to_string(), name.clone())).cloned();
        if let Some(metadata) = fields(&mut object, "metadata") {
            metadata.insert("resourceVersion".into(), json!(version.to_string()));
            let uid = before.as_ref().map(|before| before["metadata"]["uid"].clone());
            metadata.entry("uid").or_insert_with(|| uid.unwrap_or_else(|| json!(format!("uid-{version}"))));
        }
        self.objects.insert((collection.to_string(), name.clone()), object.clone());
        let collection = collection.to_string();
        self.remember(Change {
            version,
            collection,
            name,
            before,
            after: Some(object.clone()),
            last: object,
        });
        version
    }

    fn remove(&mut self, collection: &str, name: Name) -> Option<Value> {
        let before = self.objects.remove(&(collection.to_string(), name.clone()))?;
        self.version += 1;
        let version = self.version;
        let mut last = before.clone();
        if let Some(metadata) = fields(&mut last, "metadata") {
            metadata.insert("resourceVersion".into(), json!(version.to_string()));
        }
        let collection = collection.to_string();
        self.remember(Change {
            version,
            collection,
            name,
            before: Some(before),
            after: None,
            last: last.clone(),
        });
        Some(last)
    }

    fn remember(&mut self, change: Change) {
        self.history.push_back(change);
        while self.history.len() > 100_000 {
            self.oldest = self.history.pop_front().map_or(self.oldest, |change| change.version);
        }
    }

    fn list(&self, target: &Target, request: &Request) -> Reply {
        let selector = Selector::of(target, request);
        let limit =
            request.parameter("limit").and_then(|limit| limit.parse::<usize>().ok()).filter(|l| *l > 0);
        let limit = [limit, self.page_size_max].into_iter().flatten().min();
        let mut after = None;
        let mut version = self.version;
        if let Some(token) = request.parameter("continue").filter(|token| !token.is_empty()) {
            // A token is the list's version and the last object before the page.
            let parts: Vec<&str> = token.splitn(3, '|').collect();
            let [at, namespace, name] = parts[..] else {
                return status(400, "BadRequest", "bad continue token");
            };
            version = at.parse().unwrap_or(0);
            if version < self.oldest {
                return status(410, "Expired", "The provided continue parameter is too old");
            }
            after = Some((namespace.to_string(), name.to_string()));
        }
        let matching = self.objects.iter().filter(|((collection, (namespace, _)), object)| {
            *collection == target.collection
                && selector.is_in_namespace(namespace)
                && selector.matches(object)
        });
        let mut rest =
            matching.filter(|((_, name), _)| after.as_ref().is_none_or(|after| name > after)).peekable();
        let mut items = Vec::new();
        let mut last = None;
        while items.len() < limit.unwrap_or(usize::MAX)
            && let Some(((_, name), object)) = rest.next()
        {
            items.push(object.clone());
            last = Some(name);
        }
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".into(), json!(version.to_string()));
        if let (Some(_), Some((namespace, name))) = (rest.peek(), last) {
            metadata.insert("continue".into(), json!(format!("{version}|{namespace}|{name}")));
        }
        Reply::json(&json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}))
    }

    fn write(&mut self, target: &Target, request: &Request) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let mut name = target.key();
        let key = |name: &Name| (target.collection.clone(), name.clone());
        match request.method.as_str() {
            "POST" => {
                name.1 = name_of(&body).1;
                if self.objects.contains_key(&key(&name)) {
                    let message = format!("{} {:?} already exists", target.resource, name.1);
                    return status(409, "AlreadyExists", &message);
                }
                let mut object = body;
                if let (Some(namespace), Some(metadata)) =
                    (&target.namespace, fields(&mut object, "metadata"))
                {
                    metadata.entry("namespace").or_insert_with(|| json!(namespace));
                }
                self.store(&target.collection, name.clone(), object);
                Reply::new(201, self.objects[&key(&name)].to_string())
                    .header("content-type", "application/json")
            }
            "PUT" => {
                let Some(before) = self.objects.get(&key(&name)).cloned() else { return not_found(target) };
                let wanted = &body["metadata"]["resourceVersion"];
                if !wanted.is_null() && *wanted != before["metadata"]["resourceVersion"] {
                    return status(
                        409,
                        "Conflict",
                        "the object has been modified; please apply your changes again",
                    );
                }
                let object = match target.subresource.as_deref() {
                    Some("status") => {
                        let mut object = before;
                        object["status"] = body["status"].clone();
                        object
                    }
                    _ => body,
                };
                self.store(&target.collection, name.clone(), object);
                Reply::json(&self.objects[&key(&name)])
            }
            "PATCH" => {
                let is_apply = request.header("content-type").starts_with("application/apply-patch");
                let before = self.objects.get(&key(&name)).cloned();
                if before.is_none() && !is_apply {
                    return not_found(target);
                }
                let mut object = before.unwrap_or_else(|| json!({}));
                merge(&mut object, &body);
                self.store(&target.collection, name.clone(), object);
                Reply::json(&self.objects[&key(&name)])
            }
            "DELETE" => match self.remove(&target.collection, name) {
                Some(object) => Reply::json(&object),
                None => not_found(target),
            },
            _ => status(405, "MethodNotAllowed", "the server does not allow this method"),
        }
    }
}

/// Which objects of a collection a list or watch wants.
struct Selector {
    namespace: Option<String>,
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

struct Requirement {
    name: String,
    /// The values it may have, or must not have. None: it must exist, or not.
    values: Option<Vec<String>>,
    negated: bool,
}

impl Selector {
    fn of(target: &Target, request: &Request) -> Selector {
        let parameter = |name: &str| request.parameter(name).unwrap_or_default();
        Selector {
            namespace: target.namespace.clone(),
            labels: requirements(&parameter("labelSelector")),
            fields: requirements(&parameter("fieldSelector")),
        }
    }

    fn is_in_namespace(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
    }

    fn matches(&self, object: &Value) -> bool {
        let label =
            |name: &str| object["metadata"]["labels"].get(name).and_then(Value::as_str).map(str::to_string);
        let field = |path: &str| {
            let value = path.split('.').try_fold(object, |value, part| value.get(part));
            Some(value.and_then(Value::as_str).unwrap_or("").to_string())
        };
        self.labels.iter().all(|wanted| wanted.holds(label(&wanted.name)))
            && self.fields.iter().all(|wanted| wanted.holds(field(&wanted.name)))
    }
}

impl Requirement {
    fn holds(&self, value: Option<String>) -> bool {
        let positive = match (&self.values, value) {
            (None, value) => value.is_some(),
            (Some(values), Some(value)) => values.contains(&value),
            (Some(_), None) => false,
        };
        positive != self.negated
    }
}

/// `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, joined by commas.
fn requirements(text: &str) -> Vec<Requirement> {
    let mut terms = Vec::new();
    let (mut depth, mut term) = (0, String::new());
    for c in text.chars().chain([',']) {
        match c {
            ',' if depth == 0 => {
                terms.extend(Some(std::mem::take(&mut term)).filter(|term| !term.trim().is_empty()))
            }
            _ => {
                depth += i32::from(c == '(') - i32::from(c == ')');
                term.push(c);
            }
        }
    }
    let texts =
        |values: &str| values.trim_matches(['(', ')']).split(',').map(|v| v.trim().to_string()).collect();
    let requirement = |term: &str| {
        let term = term.trim();
        let (name, values, negated) = if let Some((name, values)) = term.split_once(" notin ") {
            (name, Some(texts(values)), true)
        } else if let Some((name, values)) = term.split_once(" in ") {
            (name, Some(texts(values)), false)
        } else if let Some((name, value)) = term.split_once("!=") {
            (name, Some(texts(value)), true)
        } else if let Some((name, value)) = term.split_once('=') {
            (name, Some(texts(value.trim_start_matches('='))), false)
        } else if let Some(name) = term.strip_prefix('!') {
            (name, None, true)
        } else {
            (term, None, false)
        };
        Requirement { name: name.trim().to_string(), values, negated }
    };
    terms.iter().map(|term| requirement(term)).collect()
}

fn name_of(object: &Value) -> Name {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or("").to_string();
    assert!(!text("name").is_empty(), "an object needs metadata.name: {object}");
    (text("namespace"), text("name"))
}

fn fields<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    let object = object.as_object_mut()?;
    object.entry(name).or_insert_with(|| json!({})).as_object_mut()
}

/// JSON merge patch (RFC 7396).
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    let Some(fields) = object.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

fn status(code: u16, reason: &str, message: &str) -> Reply {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    Reply::new(code, body.to_string()).header("content-type", "application/json")
}

fn not_found(target: &Target) -> Reply {
    let name = target.name.as_deref().unwrap_or("");
    status(404, "NotFound", &format!("{} {name:?} not found", target.resource))
}
