//! Kubernetes: nodes, pods, services, endpoints, slices of endpoints and ingresses, followed by watches.

mod feeds;
mod groups;
mod objects;
mod store;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ::config::{Node, Result};
use base::{Classify, ErrorClass};
use kube::{Client, Cluster, Event, Object, Resource, Scope};
use model::TargetGroup;
use model::target::BoxFuture;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(crate) use self::feeds::Feeds;
use self::feeds::{ClusterKey, Feed};
use self::groups::Attach;
use self::objects::{Bare, EndpointSlice, Endpoints, Ingress, Pod, Service};
use self::store::{Behind, Changes, World};
use super::{Entry, Field, Kind, OneOf, Outcome, Settings, Text, ensure};
use crate::core::{Publisher, Reader};
use crate::meta::Json;

/// The label of a slice that names its service.
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
/// How long changes are collected before targets are made of them.
const COLLECT: Duration = Duration::from_millis(200);
/// The pause before a cluster that cannot be reached at all is tried again.
const CONNECT_AGAIN: Duration = Duration::from_secs(10);
/// Events that wait; the watches are read no faster than they are handled.
const EVENTS_WAITING_MAX: usize = 256;
/// More changes at once make all targets anew instead of looking for each what it concerns.
const CHANGES_FOLLOWED_MAX: usize = 200;

const ROLES: &[&str] = &["node", "pod", "service", "endpoints", "endpointslice", "ingress"];
const UNKNOWN_ROLE: &str = "unknown Kubernetes SD role \"{}\"";

pub(super) const KIND: Kind = Kind {
    name: "kubernetes_sd_configs",
    type_name: "kubernetes.plain",
    http: true,
    fields: &[
        ("api_server", Text),
        ("role", OneOf(ROLES, UNKNOWN_ROLE)),
        ("kubeconfig_file", Text),
        ("namespaces", Field::Section(namespaces)),
        ("selectors", Field::Section(selectors)),
        ("attach_metadata", Field::Section(attach_metadata)),
    ],
    rules,
    reader,
};

fn namespaces(node: &Node) -> Result<()> {
    let mut fields = node.fields("kubernetes.plain")?;
    fields.optional("own_namespace", Node::boolean)?;
    fields.optional("names", Node::strings)?;
    fields.finish()
}

fn attach_metadata(node: &Node) -> Result<()> {
    let mut fields = node.fields("kubernetes.AttachMetadataConfig")?;
    for name in ["node", "namespace", "deployment", "job", "cronjob"] {
        fields.optional(name, Node::boolean)?;
    }
    fields.finish()
}

fn selectors(node: &Node) -> Result<()> {
    node.list(|node| {
        let mut fields = node.fields("kubernetes.SelectorConfig")?;
        fields.optional("role", |node| {
            let role = node.string()?;
            let known = ROLES.contains(&role.as_str());
            if known { Ok(()) } else { Err(node.error(UNKNOWN_ROLE.replace("{}", &role))) }
        })?;
        fields.optional("label", |node| label_selector(&node.string()?).map_err(|why| node.error(why)))?;
        fields.optional("field", |node| field_selector(&node.string()?).map_err(|why| node.error(why)))?;
        fields.finish()
    })
    .map(drop)
}

fn rules(entry: &Entry<'_>) -> Outcome {
    entry.require("role", "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)")?;
    let (server, file) = (entry.has("api_server"), entry.has("kubeconfig_file"));
    if server {
        entry.url("api_server")?;
    }
    let own_namespace = entry
        .node
        .get("namespaces")
        .and_then(|node| node.get("own_namespace"))
        .is_some_and(|node| node.boolean().is_ok_and(|own| own));
    ensure(
        !(server && file),
        "kubeconfig_file",
        "cannot use 'kubeconfig_file' and 'api_server' simultaneously",
    )?;
    ensure(
        !(file && entry.has_http),
        "kubeconfig_file",
        "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
    )?;
    ensure(
        server || !entry.has_http,
        "",
        "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
    )?;
    for (set, name) in [(server, "api_server"), (file, "kubeconfig_file")] {
        ensure(
            !(set && own_namespace),
            "namespaces",
            format!("cannot use '{name}' and 'namespaces.own_namespace' simultaneously"),
        )?;
    }
    selector_roles(entry)
}

fn selector_roles(entry: &Entry<'_>) -> Outcome {
    let role = entry.text("role");
    let allowed: &[&str] = match role.as_str() {
        "pod" => &["pod", "node"],
        "service" => &["service"],
        "endpointslice" => &["pod", "service", "endpointslice"],
        "endpoints" => &["pod", "service", "endpoints"],
        "node" => &["node"],
        _ => &["ingress"],
    };
    let selectors = entry
        .node
        .get("selectors")
        .and_then(|list| list.list(|node| node.get("role").map_or(Ok(String::new()), Node::string)).ok());
    let selectors = selectors.unwrap_or_default();
    for (at, selector) in selectors.iter().enumerate() {
        let twice = selectors[..at].contains(selector);
        ensure(!twice, "selectors", format!("duplicated selector role: {selector}"))?;
        ensure(
            allowed.contains(&selector.as_str()),
            "selectors",
            format!("{role} role supports only {} selectors", allowed.join(", ")),
        )?;
    }
    Ok(())
}

/// `a=b,c!=d`; the values are free, `\` takes the next character as it is.
fn field_selector(text: &str) -> std::result::Result<(), String> {
    let terms = text.split(',').filter(|term| !term.is_empty());
    for term in terms {
        if !term.contains('=') {
            return Err(format!("invalid selector: '{text}'; can't understand '{term}'"));
        }
    }
    Ok(())
}

/// `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a>1`, `a<1`, joined by commas.
fn label_selector(text: &str) -> std::result::Result<(), String> {
    let fail = |term: &str| Err(format!("unable to parse requirement: {text:?}: can't understand {term:?}"));
    let mut rest = text.trim();
    while !rest.is_empty() {
        // A comma inside parentheses belongs to the term.
        let mut depth = 0_i32;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        });
        let term = rest[..end.unwrap_or(rest.len())].trim();
        rest = end.map_or("", |at| rest[at + 1..].trim_start());
        let is_name = |name: &str| {
            let name = name.trim();
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        };
        let is_value = |value: &str| value.trim().is_empty() || is_name(value);
        let set = term.strip_suffix(')').and_then(|term| term.split_once('('));
        let good = if let Some((left, values)) = set {
            let name = left.trim().strip_suffix(" in").or_else(|| left.trim().strip_suffix(" notin"));
            name.is_some_and(is_name) && values.split(',').all(is_value)
        } else if let Some((name, value)) = term.split_once("!=") {
            is_name(name) && is_value(value)
        } else if let Some((name, value)) = term.split_once('=') {
            is_name(name) && is_value(value.strip_prefix('=').unwrap_or(value))
        } else if let Some((name, value)) = term.split_once(['<', '>']) {
            is_name(name) && value.trim().parse::<i64>().is_ok()
        } else {
            is_name(term.strip_prefix('!').unwrap_or(term))
        };
        if !good {
            return fail(term);
        }
    }
    Ok(())
}

fn reader(settings: &Settings) -> Box<dyn Reader> {
    Box::new(KubernetesReader(settings.clone()))
}

struct KubernetesReader(Settings);

impl Reader for KubernetesReader {
    fn run(self: Box<Self>, publisher: Publisher) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                match connect(&self.0) {
                    Ok((client, namespaces)) => return follow(&self.0, client, &namespaces, publisher).await,
                    Err(error) => {
                        let message = format!("kubernetes: {error}");
                        tracing::warn!(
                            job = publisher.job(),
                            problem = message,
                            "service discovery does not start"
                        );
                        publisher.count(|stats| stats.count_failure("kubernetes"));
                        if !publisher.report(vec![message]) {
                            return;
                        }
                    }
                }
                tokio::time::sleep(CONNECT_AGAIN).await;
            }
        })
    }
}

/// A client of the section's cluster, and the namespaces to look in; `None` is all of them.
fn connect(settings: &Settings) -> std::result::Result<(Client, Vec<Option<String>>), kube::Error> {
    let cluster = if !settings.text("kubeconfig_file").is_empty() {
        Cluster::of_kubeconfig(&settings.path("kubeconfig_file"))?
    } else if settings.text("api_server").is_empty() {
        Cluster::in_cluster()?
    } else {
        Cluster { url: settings.text("api_server").to_string(), http: settings.http.clone() }
    };
    let wanted = settings.section("namespaces");
    let mut namespaces: Vec<Option<String>> = wanted.texts("names").into_iter().map(Some).collect();
    if wanted.text("own_namespace") == "true" {
        namespaces.push(Some(kube::own_namespace()?));
    }
    if namespaces.is_empty() {
        namespaces.push(None);
    }
    Ok((Client::new(&cluster)?, namespaces))
}

/// Something a watch told.
enum Told {
    Pods(Event<Arc<Pod>>),
    Nodes(Event<Arc<objects::Node>>),
    Services(Event<Arc<Service>>),
    Endpoints(Event<Arc<Endpoints>>),
    Slices(Event<Arc<EndpointSlice>>),
    Ingresses(Event<Arc<Ingress>>),
    Namespaces(Event<Arc<Bare>>),
    ReplicaSets(Event<Arc<Bare>>),
    Jobs(Event<Arc<Bare>>),
}

impl Told {
    fn failure(&self) -> Option<&kube::Error> {
        match self {
            Told::Pods(Event::Failed(error))
            | Told::Nodes(Event::Failed(error))
            | Told::Services(Event::Failed(error))
            | Told::Endpoints(Event::Failed(error))
            | Told::Slices(Event::Failed(error))
            | Told::Ingresses(Event::Failed(error))
            | Told::Namespaces(Event::Failed(error))
            | Told::ReplicaSets(Event::Failed(error))
            | Told::Jobs(Event::Failed(error)) => Some(error),
            _ => None,
        }
    }
}

/// The watches of one section, which others may share. They end when the last that shares them is gone.
struct Watches {
    /// Who listens to a watch, and what keeps it going.
    tasks: JoinSet<()>,
    feeds: Vec<Arc<dyn Any + Send + Sync>>,
    sender: mpsc::Sender<(usize, Told)>,
    client: Client,
    cluster: ClusterKey,
    shared: Arc<Feeds>,
    /// What each watch follows, for messages, and in which namespace.
    follows: Vec<(&'static str, Option<String>)>,
}

impl Watches {
    fn start<T: DeserializeOwned + Object + Send + Sync + 'static>(
        &mut self,
        resource: (&'static str, &'static str, &'static str),
        namespace: Option<&str>,
        selector: (String, String),
        told: fn(Event<Arc<T>>) -> Told,
    ) {
        let id = self.follows.len();
        self.follows.push((resource.2, namespace.map(str::to_string)));
        let (label_selector, field_selector) = selector;
        let scope = Scope {
            resource: Resource::new(resource.0, resource.1, resource.2),
            namespace: namespace.map(str::to_string),
            label_selector,
            field_selector,
        };
        let feed: Arc<Feed<T>> = self.shared.feed(&self.cluster, &self.client, scope);
        self.feeds.push(feed.clone());
        let sender = self.sender.clone();
        self.tasks.spawn(async move { feed.listen(sender, move |event| (id, told(event))).await });
    }
}

/// The label and field selectors for a role.
fn selector(settings: &Settings, role: &str) -> (String, String) {
    let found = settings.section("selectors").items("").iter().find(|selector| selector.text("role") == role);
    found.map_or_else(Default::default, |selector| (selector.text("label"), selector.text("field")))
}

fn start_watches(
    settings: &Settings,
    role: &str,
    attach: Attach,
    namespaces: &[Option<String>],
    watches: &mut Watches,
) {
    let of = |role: &str| selector(settings, role);
    let none = || (String::new(), String::new());
    for namespace in namespaces.iter().map(Option::as_deref) {
        match role {
            "node" => {}
            "ingress" => {
                watches.start(
                    ("networking.k8s.io", "v1", "ingresses"),
                    namespace,
                    of("ingress"),
                    Told::Ingresses,
                );
            }
            "service" => watches.start(("", "v1", "services"), namespace, of("service"), Told::Services),
            "pod" => watches.start(("", "v1", "pods"), namespace, of("pod"), Told::Pods),
            _ => {
                if role == "endpoints" {
                    watches.start(("", "v1", "endpoints"), namespace, of("endpoints"), Told::Endpoints);
                } else {
                    let slices = ("discovery.k8s.io", "v1", "endpointslices");
                    watches.start(slices, namespace, of("endpointslice"), Told::Slices);
                }
                watches.start(("", "v1", "services"), namespace, of("service"), Told::Services);
                watches.start(("", "v1", "pods"), namespace, of("pod"), Told::Pods);
            }
        }
        if matches!(role, "pod" | "endpoints" | "endpointslice") {
            if attach.deployment {
                watches.start(("apps", "v1", "replicasets"), namespace, none(), Told::ReplicaSets);
            }
            if attach.job || attach.cronjob {
                watches.start(("batch", "v1", "jobs"), namespace, none(), Told::Jobs);
            }
        }
    }
    if role == "node" || (attach.node && matches!(role, "pod" | "endpoints" | "endpointslice")) {
        watches.start(("", "v1", "nodes"), None, of("node"), Told::Nodes);
    }
    if attach.namespace && role != "node" {
        watches.start(("", "v1", "namespaces"), None, none(), Told::Namespaces);
    }
}

async fn follow(settings: &Settings, client: Client, namespaces: &[Option<String>], publisher: Publisher) {
    let role = settings.text("role");
    let wanted = settings.section("attach_metadata");
    let attach = Attach {
        node: wanted.text("node") == "true",
        namespace: wanted.text("namespace") == "true",
        deployment: wanted.text("deployment") == "true",
        job: wanted.text("job") == "true",
        cronjob: wanted.text("cronjob") == "true",
    };
    let (sender, mut receiver) = mpsc::channel(EVENTS_WAITING_MAX);
    let Some(shared) = publisher.feeds() else { return };
    let cluster = ClusterKey {
        api_server: settings.text("api_server").to_string(),
        kubeconfig: (!settings.text("kubeconfig_file").is_empty()).then(|| settings.path("kubeconfig_file")),
        http: settings.http.clone(),
    };
    let mut watches = Watches {
        tasks: JoinSet::new(),
        feeds: Vec::new(),
        sender,
        client,
        cluster,
        shared,
        follows: Vec::new(),
    };
    start_watches(settings, role, attach, namespaces, &mut watches);

    let world = World { attach, ..World::default() };
    let mut targets = Targets { role, world, groups: BTreeMap::new(), dirty: Dirty::All };
    // Until everything was listed once, targets would lack what others say of them.
    let mut unlisted: BTreeSet<usize> = (0..watches.follows.len()).collect();
    // Watches that the API does not allow us.
    let mut forbidden: BTreeSet<usize> = BTreeSet::new();
    let mut problems: HashMap<usize, String> = HashMap::new();
    let mut collecting = Box::pin(tokio::time::sleep(Duration::ZERO));
    let mut is_collecting = false;
    loop {
        tokio::select! {
            told = receiver.recv() => {
                let Some((id, told)) = told else { return };
                let Some((what, namespace)) = watches.follows.get(id) else { continue };
                let is_news = if let Some(error) = told.failure() {
                    let message = format!("kubernetes: {what}: {error}");
                    publisher.count(|stats| stats.count_failure("kubernetes"));
                    if problems.get(&id) != Some(&message) {
                        tracing::warn!(job = publisher.job(), problem = message, "service discovery: the last targets stay");
                        problems.insert(id, message);
                        publisher.report(shown(&problems));
                    }
                    let is_forbidden = error.class() == ErrorClass::Forbidden;
                    is_forbidden && forbidden.insert(id) && unlisted.contains(&id)
                } else {
                    forbidden.remove(&id);
                    if problems.remove(&id).is_some() {
                        publisher.report(shown(&problems));
                    }
                    targets.take_in(told, namespace.as_deref(), &publisher);
                    unlisted.remove(&id)
                };
                let Some(left_out) = left_out(&watches.follows, &unlisted, &forbidden) else { continue };
                if is_news {
                    targets.dirty = Dirty::All;
                    targets.refresh();
                    if !publisher.publish(targets.all_but(&left_out), shown(&problems)) {
                        return;
                    }
                } else if !is_collecting && targets.is_dirty() {
                    collecting = Box::pin(tokio::time::sleep(COLLECT));
                    is_collecting = true;
                }
            }
            () = &mut collecting, if is_collecting => {
                is_collecting = false;
                let Some(left_out) = left_out(&watches.follows, &unlisted, &forbidden) else { continue };
                if targets.refresh() && !publisher.publish(targets.all_but(&left_out), shown(&problems)) {
                    return;
                }
            }
        }
    }
}

/// The namespaces whose targets are left out since we may not look into them; `None` while others were not
/// listed either, or if there is nothing but such.
fn left_out<'a>(
    follows: &'a [(&'static str, Option<String>)],
    unlisted: &BTreeSet<usize>,
    forbidden: &BTreeSet<usize>,
) -> Option<BTreeSet<&'a str>> {
    let of = |id: &usize| follows.get(*id).and_then(|(_, namespace)| namespace.as_deref());
    let refused: BTreeSet<&str> = forbidden.iter().filter_map(of).collect();
    let missing = unlisted.iter().map(|id| of(id).filter(|namespace| refused.contains(namespace)));
    let missing: BTreeSet<&str> = missing.collect::<Option<_>>()?;
    let mut all = follows.iter().filter_map(|(_, namespace)| namespace.as_deref());
    (missing.is_empty() || all.any(|namespace| !missing.contains(namespace))).then_some(missing)
}

fn shown(problems: &HashMap<usize, String>) -> Vec<String> {
    let mut all: Vec<String> = problems.values().cloned().collect();
    all.sort();
    all.dedup();
    all
}

/// The targets of a role and what has to be made anew.
struct Targets<'a> {
    role: &'a str,
    world: World,
    groups: BTreeMap<String, Arc<TargetGroup>>,
    dirty: Dirty,
}

/// Keys of objects of the role whose targets have to be made anew.
enum Dirty {
    All,
    Some(BTreeSet<String>),
}

impl Targets<'_> {
    fn is_dirty(&self) -> bool {
        !matches!(&self.dirty, Dirty::Some(keys) if keys.is_empty())
    }

    /// The targets, without those in some namespaces.
    fn all_but(&self, namespaces: &BTreeSet<&str>) -> Vec<Arc<TargetGroup>> {
        let is_in = |key: &str| key.split_once('/').is_some_and(|(found, _)| namespaces.contains(found));
        self.groups.iter().filter(|(key, _)| !is_in(key)).map(|(_, group)| group.clone()).collect()
    }

    /// Remembers what happened and which targets that concerns.
    fn take_in(&mut self, told: Told, namespace: Option<&str>, publisher: &Publisher) {
        let world = &mut self.world;
        let (what, counted, changes) = match told {
            Told::Pods(event) => (Some(Behind::Pod), "pod", world.pods.apply(namespace, event)),
            Told::Nodes(event) => (Some(Behind::Node), "node", world.nodes.apply(None, event)),
            Told::Services(event) => {
                (Some(Behind::Service), "service", world.services.apply(namespace, event))
            }
            Told::Endpoints(event) => (None, "endpoints", world.endpoints.apply(namespace, event)),
            Told::Slices(event) => (None, "endpointslice", world.slices.apply(namespace, event)),
            Told::Ingresses(event) => (None, "ingress", world.ingresses.apply(namespace, event)),
            Told::Namespaces(event) => (Some(Behind::Namespace), "", world.namespaces.apply(None, event)),
            Told::ReplicaSets(event) => {
                (Some(Behind::ReplicaSet), "", world.replica_sets.apply(namespace, event))
            }
            Told::Jobs(event) => (Some(Behind::Job), "", world.jobs.apply(namespace, event)),
        };
        count(counted, &changes, publisher);
        let Dirty::Some(dirty) = &mut self.dirty else { return };
        if counted == self.role {
            dirty.extend(changes.keys);
            return;
        }
        let Some(what) = what else { return };
        if changes.keys.len() > CHANGES_FOLLOWED_MAX {
            self.dirty = Dirty::All;
            return;
        }
        for key in changes.keys {
            dirty.extend(match self.role {
                "pod" => world.pods_behind(what, &key),
                "endpoints" => world.endpoints_behind(what, &key),
                "endpointslice" => world.slices_behind(what, &key),
                "service" if what == Behind::Namespace => World::keys_in(&world.services, &key),
                "ingress" if what == Behind::Namespace => World::keys_in(&world.ingresses, &key),
                _ => Vec::new(),
            });
        }
    }

    /// Makes the targets anew that have to be; says whether any changed.
    fn refresh(&mut self) -> bool {
        let world = &self.world;
        let mut changed = false;
        let keys = match std::mem::replace(&mut self.dirty, Dirty::Some(BTreeSet::new())) {
            Dirty::Some(keys) => keys,
            Dirty::All => {
                let mut keys: BTreeSet<String> = self.groups.keys().cloned().collect();
                match self.role {
                    "pod" => keys.extend(world.pods.iter().map(|(key, _)| key.clone())),
                    "node" => keys.extend(world.nodes.iter().map(|(key, _)| key.clone())),
                    "service" => keys.extend(world.services.iter().map(|(key, _)| key.clone())),
                    "ingress" => keys.extend(world.ingresses.iter().map(|(key, _)| key.clone())),
                    "endpoints" => keys.extend(world.endpoints.iter().map(|(key, _)| key.clone())),
                    _ => keys.extend(world.slices.iter().map(|(key, _)| key.clone())),
                }
                keys
            }
        };
        for key in keys {
            let group = match self.role {
                "pod" => world.pods.get(&key).map(|pod| world.pod_group(pod)),
                "node" => world.nodes.get(&key).and_then(|node| world.node_group(node)),
                "service" => world.services.get(&key).map(|service| world.service_group(service)),
                "ingress" => world.ingresses.get(&key).map(|ingress| world.ingress_group(ingress)),
                "endpoints" => world.endpoints.get(&key).map(|endpoints| world.endpoints_group(endpoints)),
                _ => world.slices.get(&key).map(|slice| world.slice_group(slice)),
            };
            match group.filter(|group| !group.targets.is_empty()) {
                None => changed |= self.groups.remove(&key).is_some(),
                Some(group) if self.groups.get(&key).is_some_and(|known| **known == group) => {}
                Some(group) => {
                    changed = true;
                    self.groups.insert(key, Arc::new(group));
                }
            }
        }
        changed
    }
}

fn count(role: &str, changes: &Changes, publisher: &Publisher) {
    if role.is_empty() {
        return;
    }
    publisher.count(|stats| {
        for (event, count) in
            [("add", changes.added), ("update", changes.updated), ("delete", changes.deleted)]
        {
            if count > 0 {
                stats.kubernetes_events.with(&[role, event]).add(count);
            }
        }
    });
}
