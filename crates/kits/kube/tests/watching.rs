//! A collection followed on an API that pages, forgets, fails and hangs up.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use kube::{Client, Cluster, Error, Event, Metadata, Patch, Resource, Scope, Watcher};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::kubernetes::Api;

const PODS: Resource = Resource::new("", "v1", "pods");

#[derive(Debug, Deserialize)]
struct Thing {
    metadata: Metadata,
}

fn pod(name: &str, app: &str) -> Value {
    json!({"metadata": {"namespace": "n", "name": name, "labels": {"app": app}}, "spec": {"nodeName": "node-1"}})
}

fn client(api: &Api) -> Client {
    Client::new(&Cluster { url: api.url(), http: config::HttpClientConfig::default() }).unwrap()
}

async fn next(watcher: &mut Watcher<Thing>) -> String {
    let event = tokio::time::timeout(Duration::from_secs(20), watcher.next()).await.expect("an event");
    match event {
        Event::Listed(things) => {
            let names: Vec<&str> = things.iter().map(|thing| thing.metadata.name.as_str()).collect();
            format!("listed {}", names.join(","))
        }
        Event::Applied(thing) => format!("applied {}", thing.metadata.name),
        Event::Deleted(thing) => format!("deleted {}", thing.metadata.name),
        Event::Failed(error) => format!("failed {error}"),
    }
}

#[tokio::test]
async fn a_list_comes_in_pages_and_changes_follow() {
    let api = Api::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        api.put("v1/pods", pod(name, "x"));
    }
    api.limit_pages(2);
    let mut watcher = Watcher::new(client(&api), Scope::all(PODS));
    assert_eq!(next(&mut watcher).await, "listed a,b,c,d,e");
    assert_eq!(api.requests().len(), 3);
    api.put("v1/pods", pod("f", "x"));
    api.patch("v1/pods", "n", "a", json!({"metadata": {"labels": {"app": "y"}}}));
    api.delete("v1/pods", "n", "b");
    for expected in ["applied f", "applied a", "deleted b"] {
        assert_eq!(next(&mut watcher).await, expected);
    }
}

#[tokio::test]
async fn an_object_that_stops_matching_a_selector_is_gone() {
    let api = Api::start().await;
    api.put("v1/pods", pod("a", "x"));
    api.put("v1/pods", pod("b", "y"));
    let scope = Scope {
        resource: PODS,
        namespace: Some("n".into()),
        label_selector: "app in (x,z)".into(),
        field_selector: "spec.nodeName=node-1".into(),
    };
    let mut watcher = Watcher::new(client(&api), scope);
    assert_eq!(next(&mut watcher).await, "listed a");
    api.patch("v1/pods", "n", "a", json!({"metadata": {"labels": {"app": "y"}}}));
    assert_eq!(next(&mut watcher).await, "deleted a");
    api.patch("v1/pods", "n", "b", json!({"metadata": {"labels": {"app": "z"}}}));
    assert_eq!(next(&mut watcher).await, "applied b");
    assert!(
        api.requests()[0].starts_with("GET /api/v1/namespaces/n/pods?labelSelector=app%20in%20%28x%2Cz%29")
    );
}

#[tokio::test]
async fn a_dropped_connection_loses_nothing_and_lists_nothing_again() {
    let api = Api::start().await;
    api.put("v1/pods", pod("a", "x"));
    let mut watcher = Watcher::new(client(&api), Scope::all(PODS));
    next(&mut watcher).await;
    api.put("v1/pods", pod("b", "x"));
    assert_eq!(next(&mut watcher).await, "applied b");
    api.drop_connections();
    api.put("v1/pods", pod("c", "x"));
    assert_eq!(next(&mut watcher).await, "applied c");
    assert_eq!(api.requests().iter().filter(|request| !request.contains("watch=true")).count(), 1);
}

#[tokio::test]
async fn what_the_api_has_forgotten_is_listed_again() {
    let api = Api::start().await;
    api.put("v1/pods", pod("a", "x"));
    let mut watcher = Watcher::new(client(&api), Scope::all(PODS));
    next(&mut watcher).await;
    // The watch is not open yet: what happens now is forgotten before it starts.
    api.put("v1/pods", pod("b", "x"));
    api.delete("v1/pods", "n", "a");
    api.compact();
    assert_eq!(next(&mut watcher).await, "listed b");
}

#[tokio::test]
async fn a_bookmark_saves_a_new_list() {
    let api = Api::start().await;
    api.put("v1/pods", pod("a", "x"));
    let mut watcher = Watcher::new(client(&api), Scope::all(PODS));
    next(&mut watcher).await;
    let watching = tokio::spawn(async move { next(&mut watcher).await });
    // Nothing happens to our objects, yet the next watch starts where the bookmark was.
    let continued = async {
        loop {
            let (asked, version) = (api.requests().len(), api.bookmark());
            // Time to arrive; where it was too short, the next round tries again.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            api.drop_connections();
            while api.requests().len() == asked {
                tokio::task::yield_now().await;
            }
            if api.requests().last().is_some_and(|last| last.contains(&format!("resourceVersion={version}")))
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), continued).await.expect("the bookmark is used");
    api.compact();
    api.put("v1/pods", pod("b", "x"));
    assert_eq!(watching.await.unwrap(), "applied b");
}

#[tokio::test]
async fn failures_are_told_and_tried_again_when_the_api_says_so() {
    let api = Api::start().await;
    api.put("v1/pods", pod("a", "x"));
    api.fail_next(1, 429, Some(1));
    api.fail_next(1, 500, None);
    let mut watcher = Watcher::new(client(&api), Scope::all(PODS));
    assert_eq!(next(&mut watcher).await, "failed told to fail (HTTP 429, InternalError)");
    assert_eq!(next(&mut watcher).await, "failed told to fail (HTTP 500, InternalError)");
    assert_eq!(next(&mut watcher).await, "listed a");
}

#[tokio::test]
async fn a_token_from_a_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let api = Api::start().await;
    api.require_token("new");
    let yaml = format!("authorization: {{credentials_file: {}}}", file.display());
    let base = config::http_client::PathBase::new(folder.path());
    let http = config::HttpClientConfig::decode(&config::Node::parse(&yaml).unwrap(), &base).unwrap();
    let client = Client::new(&Cluster { url: api.url(), http }).unwrap();
    let error = client.list::<Thing>(&Scope::all(PODS), "").await.unwrap_err();
    assert!(matches!(error, Error::Status { code: 401, .. }), "{error}");
    std::fs::write(&file, "new").unwrap();
    assert!(client.list::<Thing>(&Scope::all(PODS), "").await.unwrap().items.is_empty());
}

#[tokio::test]
async fn objects_are_created_replaced_patched_and_deleted() {
    const LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases");
    let api = Api::start().await;
    let client = client(&api);
    let lease = json!({"metadata": {"namespace": "n", "name": "l"}, "spec": {"holderIdentity": "a"}});
    let created = client.create(&LEASES, Some("n"), &lease).await.unwrap();
    let error = client.create(&LEASES, Some("n"), &lease).await.unwrap_err();
    assert!(matches!(error, Error::Status { code: 409, .. }), "{error}");
    let mut next = created.clone();
    next["spec"]["holderIdentity"] = json!("b");
    client.replace(&LEASES, Some("n"), "l", &next).await.unwrap();
    // Whoever still has the old version lost.
    let error = client.replace(&LEASES, Some("n"), "l", &next).await.unwrap_err();
    assert!(error.to_string().contains("has been modified"), "{error}");
    let patch = json!({"spec": {"leaseDurationSeconds": 5}});
    let manager = Patch::Apply { manager: "me" };
    let patched = client.patch(&LEASES, Some("n"), "l", None, manager, &patch).await.unwrap();
    assert_eq!(patched["spec"], json!({"holderIdentity": "b", "leaseDurationSeconds": 5}));
    client
        .patch(&LEASES, Some("n"), "l", None, Patch::Merge, &json!({"spec": {"holderIdentity": null}}))
        .await
        .unwrap();
    let read: Value = client.get(&LEASES, Some("n"), "l").await.unwrap();
    assert_eq!(read["spec"], json!({"leaseDurationSeconds": 5}));
    client.delete(&LEASES, Some("n"), "l").await.unwrap();
    assert!(client.get::<Value>(&LEASES, Some("n"), "l").await.is_err());
}
