//! ConfigMaps with dashboards, followed in a cluster.

use std::collections::BTreeMap;

use kube::{Client, Event, Metadata, Resource, Scope, Watcher};
use serde::Deserialize;

use super::{Given, Problem, config_map};
use crate::service::Dashboards;

const CONFIG_MAPS: Resource = Resource::new("", "v1", "configmaps");

/// A ConfigMap, but for what nobody asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigMap {
    metadata: Metadata,
    #[serde(deserialize_with = "kube::or_default")]
    data: BTreeMap<String, String>,
}

type Maps = BTreeMap<String, (Vec<Given>, Vec<Problem>)>;

fn take(maps: &mut Maps, map: &ConfigMap, now_ms: i64) {
    let Metadata { name, namespace, annotations, .. } = &map.metadata;
    maps.insert(map.metadata.key(), config_map::read(namespace, name, annotations, &map.data, now_ms));
}

impl Dashboards {
    /// Follows the labelled ConfigMaps of one namespace, or of all, for as long as the future is polled. What is
    /// known stays while the API is away.
    pub async fn follow_config_maps(&self, client: Client, namespace: Option<String>) {
        let source = match &namespace {
            Some(namespace) => format!("config maps of {namespace}"),
            None => "config maps".to_string(),
        };
        let (label, value) = config_map::LABEL;
        let scope =
            Scope { namespace, label_selector: format!("{label}={value}"), ..Scope::all(CONFIG_MAPS) };
        let mut watcher: Watcher<ConfigMap> = Watcher::new(client, scope);
        let mut maps = Maps::new();
        let mut failure = None;
        loop {
            let event = watcher.next().await;
            let now_ms = self.now_ms();
            let failed = match event {
                Event::Listed(all) => {
                    maps.clear();
                    all.iter().for_each(|map| take(&mut maps, map, now_ms));
                    None
                }
                Event::Applied(map) => {
                    take(&mut maps, &map, now_ms);
                    None
                }
                Event::Deleted(map) => {
                    maps.remove(&map.metadata.key());
                    None
                }
                Event::Failed(error) => Some(error.to_string()),
            };
            if failed.is_some() && failed == failure {
                continue;
            }
            failure = failed;
            let given = maps.values().flat_map(|(given, _)| given.iter().cloned()).collect();
            let told = maps.values().flat_map(|(_, problems)| problems.iter().cloned());
            let away = failure.iter().map(|error| Problem::new("the Kubernetes API", error.clone()));
            self.provide(&source, given, away.chain(told).collect());
        }
    }
}
