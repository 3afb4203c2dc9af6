//! The objects that are known, and which targets a change of one concerns.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kube::{Event, Object};

use super::groups::Attach;
use super::objects::{Bare, EndpointSlice, Endpoints, Ingress, Node, Pod, Reference, Service};

/// Objects of one kind by `namespace/name`.
pub(super) struct Store<T>(HashMap<String, Arc<T>>);

impl<T> Default for Store<T> {
    fn default() -> Self {
        Store(HashMap::new())
    }
}

/// Which objects a change concerned, and how many of each kind of change there were.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) keys: Vec<String>,
    pub(super) added: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
}

impl<T: Object + PartialEq> Store<T> {
    pub(super) fn get(&self, key: &str) -> Option<&T> {
        self.0.get(key).map(|object| &**object)
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.0.iter().map(|(key, object)| (key, &**object))
    }

    /// Takes over what happened in a namespace, or in all; an object whose fields are the same as
    /// before did not change.
    pub(super) fn apply(&mut self, namespace: Option<&str>, event: Event<Arc<T>>) -> Changes {
        let mut changes = Changes::default();
        match event {
            Event::Listed(objects) => {
                let keys: BTreeSet<String> = objects.iter().map(|object| object.metadata().key()).collect();
                let is_ours = |key: &str| {
                    namespace.is_none_or(|namespace| {
                        key.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('/'))
                    })
                };
                let gone: Vec<String> =
                    self.0.keys().filter(|key| is_ours(key) && !keys.contains(*key)).cloned().collect();
                for key in gone {
                    self.0.remove(&key);
                    changes.deleted += 1;
                    changes.keys.push(key);
                }
                for object in objects {
                    self.put(object, &mut changes);
                }
            }
            Event::Applied(object) => self.put(object, &mut changes),
            Event::Deleted(object) => {
                let key = object.metadata().key();
                if self.0.remove(&key).is_some() {
                    changes.deleted += 1;
                    changes.keys.push(key);
                }
            }
            Event::Failed(_) => {}
        }
        changes
    }

    fn put(&mut self, object: Arc<T>, changes: &mut Changes) {
        let key = object.metadata().key();
        match self.0.get_mut(&key) {
            Some(known) => {
                changes.updated += 1;
                if *known == object {
                    return;
                }
                *known = object;
            }
            None => {
                changes.added += 1;
                self.0.insert(key.clone(), object);
            }
        }
        changes.keys.push(key);
    }
}

/// Everything that targets are made of.
#[derive(Default)]
pub(super) struct World {
    pub(super) attach: Attach,
    pub(super) pods: Store<Pod>,
    pub(super) nodes: Store<Node>,
    pub(super) services: Store<Service>,
    pub(super) endpoints: Store<Endpoints>,
    pub(super) slices: Store<EndpointSlice>,
    pub(super) ingresses: Store<Ingress>,
    pub(super) namespaces: Store<Bare>,
    pub(super) replica_sets: Store<Bare>,
    pub(super) jobs: Store<Bare>,
}

/// What an object behind a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    Pod,
    Node,
    Service,
    Namespace,
    ReplicaSet,
    Job,
}

fn is_in(key: &str, namespace: &str) -> bool {
    key.split_once('/').is_some_and(|(found, _)| found == namespace)
}

impl World {
    /// The pods that a change of another object concerns.
    pub(super) fn pods_behind(&self, what: Behind, key: &str) -> Vec<String> {
        let concerns = |pod_key: &str, pod: &Pod| match what {
            Behind::Node => pod.spec.node_name == key,
            Behind::Namespace => is_in(pod_key, key),
            Behind::ReplicaSet | Behind::Job => {
                let kind = if what == Behind::Job { "Job" } else { "ReplicaSet" };
                let owner = pod.metadata.controller().filter(|owner| owner.kind == kind);
                owner.is_some_and(|owner| key.split_once('/') == Some((&pod.metadata.namespace, &owner.name)))
            }
            Behind::Pod | Behind::Service => false,
        };
        let found = self.pods.iter().filter(|(pod_key, pod)| concerns(pod_key, pod));
        found.map(|(pod_key, _)| pod_key.clone()).collect()
    }

    /// The endpoints that a change of another object concerns.
    pub(super) fn endpoints_behind(&self, what: Behind, key: &str) -> Vec<String> {
        let concerns = |own_key: &str, endpoints: &Endpoints| match what {
            Behind::Service => own_key == key,
            Behind::Namespace => is_in(own_key, key),
            // Who owns a pod does not change; its owner was known before it, or is known now.
            Behind::ReplicaSet | Behind::Job => {
                key.split_once('/').is_some_and(|(namespace, _)| is_in(own_key, namespace))
            }
            Behind::Pod | Behind::Node => endpoints.subsets.iter().any(|subset| {
                let mut all = subset.addresses.iter().chain(&subset.not_ready_addresses);
                all.any(|address| {
                    refers(what, key, address.target_ref.as_ref(), address.node_name.as_deref())
                })
            }),
        };
        let found = self.endpoints.iter().filter(|(own_key, endpoints)| concerns(own_key, endpoints));
        found.map(|(own_key, _)| own_key.clone()).collect()
    }

    /// The slices that a change of another object concerns.
    pub(super) fn slices_behind(&self, what: Behind, key: &str) -> Vec<String> {
        let concerns = |own_key: &str, slice: &EndpointSlice| match what {
            Behind::Service => {
                let service = slice.metadata.labels.get(super::SERVICE_NAME_LABEL);
                service.is_some_and(|name| key.split_once('/') == Some((&slice.metadata.namespace, name)))
            }
            Behind::Namespace => is_in(own_key, key),
            Behind::ReplicaSet | Behind::Job => {
                key.split_once('/').is_some_and(|(namespace, _)| is_in(own_key, namespace))
            }
            Behind::Pod | Behind::Node => slice.endpoints.iter().any(|endpoint| {
                refers(what, key, endpoint.target_ref.as_ref(), endpoint.node_name.as_deref())
            }),
        };
        let found = self.slices.iter().filter(|(own_key, slice)| concerns(own_key, slice));
        found.map(|(own_key, _)| own_key.clone()).collect()
    }

    /// What of a namespace is concerned by a change of it, among the keys of a store.
    pub(super) fn keys_in<T: Object + PartialEq>(store: &Store<T>, namespace: &str) -> Vec<String> {
        store.iter().filter(|(key, _)| is_in(key, namespace)).map(|(key, _)| key.clone()).collect()
    }
}

/// Whether an endpoint refers to a pod or stands on a node.
fn refers(what: Behind, key: &str, reference: Option<&Reference>, node_name: Option<&str>) -> bool {
    match what {
        Behind::Pod => reference.is_some_and(|reference| {
            reference.kind == "Pod" && key.split_once('/') == Some((&reference.namespace, &reference.name))
        }),
        _ => {
            node_name == Some(key)
                || reference.is_some_and(|reference| reference.kind == "Node" && reference.name == key)
        }
    }
}
