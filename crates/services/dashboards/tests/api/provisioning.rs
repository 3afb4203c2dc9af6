use std::path::Path;

use dashboards::Options;
use dashboards::provisioning::providers::Provider;
use serde_json::{Value, json};

use super::Server;

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn provider(dir: &Path) -> Provider {
    Provider::new("files", dir, "Files")
}

async fn server(dir: &Path, change: impl Fn(&mut Provider)) -> Server {
    let mut provider = provider(dir);
    change(&mut provider);
    Server::with(Options { providers: vec![provider], ..Options::default() }).await
}

#[tokio::test]
async fn files_are_shown_read_only_and_followed() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", r#"{"uid": "a", "title": "A"}"#);
    let server = server(dir.path(), |_| {}).await;
    let read = server.get("/api/dashboards/uid/a").await;
    let meta = &read["meta"];
    assert_eq!(
        (&meta["provisioned"], &meta["canSave"], &meta["folderTitle"]),
        (&json!(true), &json!(false), &json!("Files"))
    );
    assert_eq!(meta["provisionedExternalId"], "a.json");
    let save = json!({"dashboard": {"uid": "a", "title": "Mine"}, "overwrite": true});
    let (status, answer) = server.ask("POST", "/api/dashboards/db", save).await;
    assert_eq!((status, answer["message"].as_str()), (400, Some("Cannot save provisioned dashboard")));
    let (status, _) = server.ask("DELETE", "/api/dashboards/uid/a", Value::Null).await;
    assert_eq!(status, 400);

    write(dir.path(), "a.json", r#"{"uid": "a", "title": "A changed"}"#);
    write(dir.path(), "b.json", r#"{"title": "No uid"}"#);
    write(dir.path(), "c.json", "{\"title\": \"C\",\n}");
    let answer = server.post("/api/admin/provisioning/dashboards/reload", Value::Null).await;
    assert_eq!(answer, json!({"message": "Dashboards config reloaded"}));
    assert_eq!(server.get("/api/dashboards/uid/a").await["dashboard"]["title"], "A changed");
    let found = server.get("/api/search?type=dash-db").await;
    assert_eq!(found.as_array().unwrap().len(), 2);
    let status = server.get("/api/v1/dashboards/provisioning").await;
    let source = &status["data"]["sources"][0];
    assert_eq!((&source["name"], &source["dashboards"]), (&json!("files"), &json!(2)));
    assert_eq!((&source["problems"][0]["line"], &source["problems"][0]["column"]), (&json!(2), &json!(1)));

    std::fs::remove_file(dir.path().join("a.json")).unwrap();
    server.post("/api/admin/provisioning/dashboards/reload", Value::Null).await;
    assert_eq!(server.ask("GET", "/api/dashboards/uid/a", Value::Null).await.0, 404);
    // A folder that only files want goes with them; one that is saved into stays known by its uid.
    let folder = found[0]["folderUid"].as_str().unwrap();
    server.save("mine", "Mine", folder).await;
    assert_eq!(server.get("/api/dashboards/uid/mine").await["meta"]["folderTitle"], "Files");
}

#[tokio::test]
async fn people_may_change_files_where_it_is_allowed_until_the_file_changes() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", r#"{"uid": "a", "title": "File"}"#);
    let server = server(dir.path(), |provider| provider.is_editable = true).await;
    assert_eq!(server.get("/api/dashboards/uid/a").await["meta"]["canSave"], true);
    let title = async || server.get("/api/dashboards/uid/a").await["dashboard"]["title"].clone();
    let folder = server.get("/api/folders").await[0]["uid"].as_str().unwrap().to_string();
    server.save("a", "Person", &folder).await;
    assert_eq!(title().await, "Person");
    server.dashboards.scan().await;
    assert_eq!(title().await, "Person");
    write(dir.path(), "a.json", r#"{"uid": "a", "title": "File again"}"#);
    server.dashboards.scan().await;
    assert_eq!(title().await, "File again");
    server.save("a", "Person again", &folder).await;
    assert_eq!(title().await, "Person again");

    let ann = super::caller("ann", model::Role::None);
    let seen = async || server.ask_as(Some(&ann), "GET", "/api/dashboards/uid/a", Value::Null).await.0;
    assert_eq!(seen().await, 403);
    let path = "/api/dashboards/uid/a/permissions";
    server.post(path, json!({"items": [{"userId": "ann", "permission": 1}]})).await;
    assert_eq!(seen().await, 200);
    write(dir.path(), "a.json", r#"{"uid": "a", "title": "File once more"}"#);
    server.dashboards.scan().await;
    assert_eq!(
        (title().await, seen().await),
        (json!("File once more"), 200),
        "a file says nothing of people"
    );
    server.post(path, json!({"items": []})).await;
    assert_eq!(seen().await, 403);
}

#[tokio::test]
async fn dashboards_stay_where_deletion_is_switched_off() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", r#"{"uid": "a", "title": "File"}"#);
    let server = server(dir.path(), |provider| provider.keeps_deleted = true).await;
    std::fs::remove_file(dir.path().join("a.json")).unwrap();
    server.dashboards.scan().await;
    let read = server.get("/api/dashboards/uid/a").await;
    assert_eq!((&read["dashboard"]["title"], &read["meta"]["provisioned"]), (&json!("File"), &json!(false)));
    assert_eq!(read["meta"]["folderTitle"], "Files", "it stays where it was, and so does who may see it");
}

#[tokio::test]
async fn a_file_that_is_renamed_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", r#"{"uid": "a", "title": "Before"}"#);
    let server = server(dir.path(), |provider| provider.keeps_deleted = true).await;
    std::fs::remove_file(dir.path().join("a.json")).unwrap();
    write(dir.path(), "b.json", r#"{"uid": "a", "title": "After"}"#);
    server.dashboards.scan().await;
    std::fs::remove_file(dir.path().join("b.json")).unwrap();
    server.dashboards.scan().await;
    assert_eq!(server.get("/api/dashboards/uid/a").await["dashboard"]["title"], "After");
}

#[tokio::test]
async fn grafanas_provider_files_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "boards/Team/x.json", r#"{"uid": "x", "title": "X"}"#);
    let yaml = "apiVersion: 1\nproviders:\n- name: p\n  type: file\n  options: {path: ../../boards, foldersFromFilesStructure: true}\n";
    write(dir.path(), "provisioning/dashboards/p.yaml", yaml);
    write(dir.path(), "provisioning/dashboards/q.yaml", "providers: [{name: q}]\n");
    let provisioning_dirs = vec![dir.path().join("provisioning")];
    let server = Server::with(Options { provisioning_dirs, ..Options::default() }).await;
    assert_eq!(server.get("/api/dashboards/uid/x").await["meta"]["folderTitle"], "Team");
    let sources = server.dashboards.sources();
    let problem = sources.iter().flat_map(|source| &source.problems).next().unwrap();
    assert!(
        problem.to_string().ends_with("q.yaml:1:13: a provider needs a path in its options"),
        "{problem}"
    );
}

#[tokio::test]
async fn what_comes_with_the_program_gives_way() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", r#"{"uid": "promontory-machine", "title": "Ours"}"#);
    let options = Options {
        providers: vec![provider(dir.path())],
        built_in: vec![
            ("m.json", r#"{"uid": "promontory-machine", "title": "Theirs"}"#),
            ("n.json", r#"{"uid": "n", "title": "N"}"#),
        ],
        ..Options::default()
    };
    let server = Server::with(options).await;
    assert_eq!(server.get("/api/dashboards/uid/promontory-machine").await["dashboard"]["title"], "Ours");
    assert_eq!(server.get("/api/dashboards/uid/n").await["meta"]["folderTitle"], "Promontory");
    assert_eq!(server.get("/api/dashboards/home").await["redirectUri"], "/d/promontory-machine/ours");
    let mut text = Vec::new();
    server.registry.collect(&mut exposition::TextWriter::new(&mut text));
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("promontory_dashboards_provisioned 2\n"), "{text}");
}
