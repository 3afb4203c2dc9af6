//! Recorded answers of sources, and files of targets, good and bad: each is a source whose targets are looked for
//! as a job would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::config::Node;
use ::config::http_client::PathBase;
use model::TargetGroup;
use serde_json::Value;
use testkit::SuiteResult;
use testkit::http::{Reply, Request, Server};

use crate::{Config, Section, discover_once};

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the cases of a folder `discovery`.
pub fn run(dir: &Path) -> SuiteResult {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return SuiteResult::broken(error),
    };
    runtime.block_on(async {
        let mut result = SuiteResult::default();
        for path in entries(&dir.join("file/fixtures")) {
            result.check(path.display(), of_file(&path).await);
        }
        for path in entries(&dir.join("http/fixtures")) {
            result.check(path.display(), of_http(path.clone()).await);
        }
        for path in entries(&dir.join("linode/testdata")) {
            result.check(path.display(), of_linode(&path).await);
        }
        for path in entries(&dir.join("moby/testdata")) {
            let roles: &[&str] = match name(&path).starts_with("swarm") {
                true => &["services", "nodes", "tasks"],
                false => &[""],
            };
            for role in roles.iter().filter(|role| role.is_empty() || recorded(&path, role).is_some()) {
                result.check(format!("{} {role}", path.display()), of_engine(&path, role).await);
            }
        }
        result
    })
}

/// What is in a folder, by name. One that is missing has nothing.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A recorded answer.
fn recorded(folder: &Path, path: &str) -> Option<Vec<u8>> {
    std::fs::read(folder.join(format!("{}.json", path.trim_matches('/')))).ok()
}

fn count(folder: &Path, path: &str, list: &str) -> usize {
    let answer = recorded(folder, path).and_then(|body| serde_json::from_slice::<Value>(&body).ok());
    let answer = answer.unwrap_or_default();
    let items = if list.is_empty() { &answer } else { answer.get(list).unwrap_or(&Value::Null) };
    items.as_array().map_or(0, Vec::len)
}

/// The targets of a section, or what keeps them from being known.
async fn look(section: &str) -> Result<Vec<TargetGroup>, String> {
    look_at(section, None).await
}

/// The same for an API that is at another place than usual.
async fn look_at(section: &str, endpoint: Option<&str>) -> Result<Vec<TargetGroup>, String> {
    let node = Node::parse(section).map_err(|error| error.to_string())?;
    let config = Config::decode(&node, "section", &PathBase::new(Path::new("/")));
    let mut config = config.map_err(|error| error.to_string())?;
    for section in &mut config.sections {
        if let Section::Kind(settings) = section {
            settings.endpoint = endpoint.map(str::to_string);
        }
    }
    let (groups, problems) = discover_once(config, PATIENCE).await;
    match problems.first() {
        Some(problem) => Err(problem.message.clone()),
        None => Ok(groups.iter().map(|group| (**group).clone()).collect()),
    }
}

fn targets(groups: &[TargetGroup]) -> usize {
    groups.iter().map(|group| group.targets.len()).sum()
}

/// Every target has an address and says something of itself under `prefix`.
fn described(groups: &[TargetGroup], prefix: &str) -> Result<(), String> {
    for target in groups.iter().flat_map(|group| &group.targets) {
        let says_something = target.iter().any(|(name, _)| name.starts_with(prefix));
        if target.value("__address__").is_empty() || !says_something {
            return Err(format!("{target} lacks an address or labels {prefix}*"));
        }
    }
    Ok(())
}

fn expect(what: &str, expected: usize, found: usize) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("expected {expected} {what}, found {found}")) }
}

/// A file whose name begins with `invalid` is refused, any other is taken.
async fn of_file(path: &Path) -> Result<(), String> {
    let found = look(&format!("file_sd_configs: [{{files: ['{}']}}]", path.display())).await;
    match (found, name(path).starts_with("invalid")) {
        (Ok(_), true) => Err("expected an error, found targets".into()),
        (Err(_), true) => Ok(()),
        (Err(error), false) => Err(error),
        (Ok(groups), false) if groups.is_empty() => Err("expected targets, found none".into()),
        (Ok(groups), false) => {
            let names_its_file =
                |group: &TargetGroup| group.labels.value("__meta_filepath") == path.to_string_lossy();
            groups.iter().all(names_its_file).then_some(()).ok_or("a group does not name its file".into())
        }
    }
}

async fn of_http(path: PathBuf) -> Result<(), String> {
    let body = std::fs::read(&path).map_err(|error| error.to_string())?;
    let written: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_good = name(&path).contains("good");
    let server = Server::start(move |_: &Request| {
        Reply::new(200, body.clone()).header("content-type", "application/json")
    })
    .await;
    let found = look(&format!("http_sd_configs: [{{url: '{}'}}]", server.url())).await;
    match found {
        Ok(groups) if is_good => {
            let lists =
                written.as_array().into_iter().flatten().filter_map(|group| group.get("targets")?.as_array());
            expect("targets", lists.map(Vec::len).sum(), targets(&groups))
        }
        Err(error) if is_good => Err(error),
        Ok(_) => Err("expected an error, found targets".into()),
        Err(_) => Ok(()),
    }
}

async fn of_linode(folder: &Path) -> Result<(), String> {
    let region = match name(folder).as_str() {
        "no_region_filter" => String::new(),
        region => format!("region: {region}"),
    };
    let answers = folder.to_path_buf();
    let server = Server::start(move |request: &Request| match recorded(&answers, &request.path) {
        Some(body) => Reply::new(200, body).header("content-type", "application/json"),
        None => Reply::new(404, ""),
    })
    .await;
    let section = format!("linode_sd_configs: [{{{region}}}]");
    let groups = look_at(&section, Some(&server.url())).await?;
    described(&groups, "__meta_linode_")?;
    expect("instances", count(folder, "v4/linode/instances", "data"), targets(&groups))
}

/// An engine of Docker that answers with the files of a folder.
pub(crate) fn engine(folder: &Path, request: &Request) -> Reply {
    let path = request.path.strip_prefix("/v1.40").unwrap_or(&request.path);
    if path == "/_ping" {
        return Reply::new(200, "OK").header("api-version", "1.40");
    }
    match recorded(folder, path) {
        Some(body) => Reply::new(200, body).header("content-type", "application/json"),
        None => Reply::new(404, r#"{"message":"page not found"}"#),
    }
}

async fn of_engine(folder: &Path, role: &str) -> Result<(), String> {
    let answers = folder.to_path_buf();
    let server = Server::start(move |request: &Request| engine(&answers, request)).await;
    let section = match role {
        "" => format!("docker_sd_configs: [{{host: '{}'}}]", server.url()),
        role => format!("dockerswarm_sd_configs: [{{host: '{}', role: {role}}}]", server.url()),
    };
    let groups = look(&section).await?;
    let prefix = if role.is_empty() { "__meta_docker_" } else { "__meta_dockerswarm_" };
    described(&groups, prefix)?;
    let least = if role == "nodes" { count(folder, "nodes", "") } else { 1 };
    match targets(&groups) {
        found if found < least => Err(format!("expected {least} targets or more, found {found}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn recorded_answers_of_sources_become_targets() {
        let Some(dir) = testkit::conformance("prometheus/discovery") else { return };
        let result = super::run(&dir);
        assert_eq!(result.failures, [""; 0]);
        assert!(result.passed > 0);
    }
}
