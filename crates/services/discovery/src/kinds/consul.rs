//! Consul: services of its catalogue, followed by blocking queries (an answer comes when something
//! changed, or after two minutes).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::config::http_client::{Auth, SecretSource};
use ::config::{HttpClientConfig, Secret as SecretText};
use base::Clock;
use model::TargetGroup;
use model::target::BoxFuture;
use net::{Request, Response};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::{BooleanTrue, Kind, Map, REFRESH_30S, Secret, Settings, Text, TextOr, Texts, ensure};
use crate::api::{Api, Failure, Result, encoded};
use crate::core::{Publisher, Reader};
use crate::meta::{Json, Meta};

pub(super) const KIND: Kind = Kind {
    name: "consul_sd_configs",
    type_name: "consul.plain",
    http: true,
    fields: &[
        ("server", TextOr("localhost:8500")),
        ("path_prefix", Text),
        ("token", Secret),
        ("datacenter", Text),
        ("namespace", Text),
        ("partition", Text),
        ("tag_separator", TextOr(",")),
        ("scheme", TextOr("http")),
        ("username", Text),
        ("password", Secret),
        ("allow_stale", BooleanTrue),
        REFRESH_30S,
        ("services", Texts),
        ("tags", Texts),
        ("node_meta", Map),
        ("filter", Text),
        ("health_filter", Text),
    ],
    rules: |entry| {
        let server = !entry.text("server").trim().is_empty();
        ensure(server, "server", "consul SD configuration requires a server address")?;
        ensure(
            !(entry.is_set("basic_auth") && (entry.has("username") || entry.has("password"))),
            "basic_auth",
            "at most one of consul SD configuration username and password and basic auth can be configured",
        )?;
        ensure(
            !(entry.has("token") && (entry.is_set("authorization") || entry.is_set("oauth2"))),
            "token",
            "at most one of consul SD token, authorization, or oauth2 can be configured",
        )
    },
    reader: |settings| Box::new(ConsulReader(settings.clone())),
};

/// How long a blocking query waits for a change.
const WAIT: Duration = Duration::from_secs(120);
/// Consul adds up to a sixteenth to the wait; the rest is for the network.
const TIMEOUT: Duration = Duration::from_secs(120 + 15);
/// The pause after the first failure; it doubles with each.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest pause after a failure, unless Consul asks for a longer one.
const RETRY_MAX: Duration = Duration::from_secs(15);
/// Services that are followed at the same time; more are not looked at, and said so.
const SERVICES_MAX: usize = 10_000;

/// What is needed to ask.
struct Consul {
    api: Api,
    base: String,
    token: String,
    /// Parameters of every query.
    common: String,
    settings: Settings,
    datacenter: String,
}

/// A blocking query and where it stands.
#[derive(Default)]
struct Cursor {
    index: u64,
    failures: u32,
}

struct ConsulReader(Settings);

impl Reader for ConsulReader {
    fn run(self: Box<Self>, publisher: Publisher) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut failures = 0;
            let consul = loop {
                match Consul::connect(&self.0).await {
                    Ok(consul) => break consul,
                    Err(failure) => {
                        failures += 1;
                        if !tell(&publisher, &failure) {
                            return;
                        }
                        tokio::time::sleep(pause(failures, &failure)).await;
                    }
                }
            };
            follow(Arc::new(consul), publisher).await;
        })
    }
}

fn tell(publisher: &Publisher, failure: &Failure) -> bool {
    let message = format!("consul: {failure}");
    tracing::warn!(job = publisher.job(), problem = message, "service discovery: the last targets stay");
    publisher.count(|stats| stats.count_failure("consul"));
    publisher.report(vec![message])
}

fn pause(failures: u32, failure: &Failure) -> Duration {
    let backoff = RETRY_MIN.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(RETRY_MAX);
    backoff.max(failure.retry_after.unwrap_or_default())
}

/// What a query told: of the catalogue (no name) or of a service.
enum Told {
    Catalogue(HashMap<String, Vec<String>>),
    Service(String, TargetGroup),
    Failed(String, Failure),
}

async fn follow(consul: Arc<Consul>, publisher: Publisher) {
    let wanted = consul.settings.texts("services");
    let follows_catalogue = wanted.is_empty()
        || !consul.settings.texts("tags").is_empty()
        || !consul.settings.text("filter").is_empty();
    let (sender, mut receiver) = mpsc::channel(64);
    // Everything that was started ends with this.
    let mut tasks = JoinSet::new();
    let mut services: HashMap<String, AbortHandle> = HashMap::new();
    // Those that have neither answered nor failed yet.
    let mut unheard: HashSet<String> = HashSet::new();
    let start = |query: Query, tasks: &mut JoinSet<()>| {
        tasks.spawn(ask_on(consul.clone(), query, sender.clone(), publisher.clone()))
    };
    if follows_catalogue {
        start(Query::of_catalogue(&consul.settings), &mut tasks);
    } else {
        for name in wanted {
            unheard.insert(name.clone());
            services.insert(name.clone(), start(Query::of_service(name, &consul.settings), &mut tasks));
        }
    }
    let mut groups: BTreeMap<String, Arc<TargetGroup>> = BTreeMap::new();
    // By service; the catalogue has no name.
    let mut problems: BTreeMap<String, String> = BTreeMap::new();
    while let Some(told) = receiver.recv().await {
        match told {
            Told::Failed(name, failure) => {
                unheard.remove(&name);
                let message = format!("consul: {failure}");
                if problems.get(&name) != Some(&message) {
                    tracing::warn!(
                        job = publisher.job(),
                        problem = message,
                        "service discovery: the last targets stay"
                    );
                    problems.insert(name, message);
                }
                publisher.count(|stats| stats.count_failure("consul"));
                if !publisher.report(problems.values().cloned().collect()) {
                    return;
                }
                // It may be the last that the first targets waited for.
                if publisher.has_published() || services.is_empty() {
                    continue;
                }
            }
            Told::Catalogue(found) => {
                problems.remove("");
                let matching = |name: &String| consul.wants(name, &found[name]);
                let mut names: Vec<&String> = found.keys().filter(|name| matching(name)).collect();
                names.sort();
                if names.len() > SERVICES_MAX {
                    let message =
                        format!("consul: {} services, of which {SERVICES_MAX} are followed", names.len());
                    problems.insert(String::new(), message);
                    names.truncate(SERVICES_MAX);
                }
                for name in names {
                    if !services.contains_key(name) {
                        unheard.insert(name.clone());
                        services.insert(
                            name.clone(),
                            start(Query::of_service(name, &consul.settings), &mut tasks),
                        );
                    }
                }
                services.retain(|name, task| {
                    let stays = found.contains_key(name);
                    if !stays {
                        task.abort();
                        groups.remove(name);
                        problems.remove(name);
                        unheard.remove(name);
                    }
                    stays
                });
            }
            Told::Service(name, _) if !services.contains_key(&name) => continue,
            Told::Service(name, group) => {
                unheard.remove(&name);
                problems.remove(&name);
                groups.insert(name, Arc::new(group));
            }
        }
        // The first targets are those of all services: what a changed section had before would go otherwise.
        let is_whole = unheard.is_empty() && (services.is_empty() || !groups.is_empty());
        if !is_whole && !publisher.has_published() {
            continue;
        }
        if !publisher.publish(groups.values().cloned().collect(), problems.values().cloned().collect()) {
            return;
        }
        while tasks.try_join_next().is_some() {}
    }
}

/// Asks again and again. The time between the starts of two queries is at least the refresh interval; one
/// that waited longer is followed by the next at once.
async fn ask_on(consul: Arc<Consul>, query: Query, sender: mpsc::Sender<Told>, publisher: Publisher) {
    let clock = Clock::system();
    let interval = consul.settings.pause_between_queries();
    let mut cursor = Cursor::default();
    loop {
        let began = clock.mark();
        let answer = consul.ask(&query, &mut cursor).await;
        let call = if query.service.is_empty() { "services" } else { "service" };
        publisher.count(|stats| stats.consul_rpcs.with(&["catalog", call]).observe(began.elapsed_seconds()));
        let (told, wait) = match answer {
            Ok(found) => {
                cursor.failures = 0;
                (
                    found.map(|found| consul.understand(&query, &found)),
                    interval.saturating_sub(began.elapsed()),
                )
            }
            Err(failure) => {
                cursor.failures += 1;
                let wait = pause(cursor.failures, &failure);
                (Some(Told::Failed(query.service.clone(), failure)), wait)
            }
        };
        if let Some(told) = told
            && sender.send(told).await.is_err()
        {
            return;
        }
        tokio::time::sleep(wait).await;
    }
}

/// What is asked for.
struct Query {
    /// A service, or nothing for the catalogue.
    service: String,
    path: String,
    /// What stands behind the parameters that all queries have.
    parameters: String,
}

impl Query {
    fn of_catalogue(settings: &Settings) -> Query {
        let parameters = filter(settings.text("filter"));
        Query { service: String::new(), path: "catalog/services".into(), parameters }
    }

    fn of_service(name: &str, settings: &Settings) -> Query {
        let tags = settings.texts("tags").iter().map(|tag| format!("&tag={}", encoded(tag)));
        let parameters = tags.collect::<String>() + &filter(settings.text("health_filter"));
        Query { service: name.to_string(), path: format!("health/service/{}", encoded(name)), parameters }
    }
}

fn filter(filter: &str) -> String {
    if filter.is_empty() { String::new() } else { format!("&filter={}", encoded(filter)) }
}

impl Consul {
    /// A client; asks the agent for its data centre unless the section names one.
    async fn connect(settings: &Settings) -> Result<Consul> {
        let mut http = settings.http.clone();
        let (username, password) = (settings.text("username"), settings.text("password"));
        if !username.is_empty() || !password.is_empty() {
            let inline = |text: &str| SecretSource::Inline(SecretText::new(text.into()));
            http.auth = Auth::Basic { username: inline(username), password: Some(inline(password)) };
        }
        let server = settings.text("server");
        let (scheme, host, socket) = match server.split_once("://") {
            Some(("unix", path)) => ("http", "consul", Some(PathBuf::from(path))),
            Some((scheme, host)) => (scheme, host, None),
            None => (settings.text("scheme"), server, None),
        };
        let prefix = settings.text("path_prefix").trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let base = format!("{scheme}://{}{slash}{prefix}/v1", host.trim_end_matches('/'));
        let mut api = Api::new(&http as &HttpClientConfig, TIMEOUT)?;
        if let Some(socket) = socket {
            api = api.over(socket);
        }
        let mut common = String::new();
        for (name, value) in [
            ("dc", settings.text("datacenter")),
            ("ns", settings.text("namespace")),
            ("partition", settings.text("partition")),
        ] {
            if !value.is_empty() {
                common.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        if settings.is("allow_stale") {
            common.push_str("&stale");
        }
        for (key, value) in settings.map("node_meta") {
            common.push_str(&format!("&node-meta={}", encoded(&format!("{key}:{value}"))));
        }
        let mut consul = Consul {
            api,
            base,
            token: settings.text("token").to_string(),
            common,
            settings: settings.clone(),
            datacenter: settings.text("datacenter").to_string(),
        };
        if consul.datacenter.is_empty() {
            let answer = consul.send(format!("{}/agent/self", consul.base)).await?;
            let about: Value = serde_json::from_slice(&answer.body)?;
            consul.datacenter = about.text("Config.Datacenter");
            if consul.datacenter.is_empty() {
                return Err(Failure::new("the agent does not tell its Config.Datacenter"));
            }
        }
        Ok(consul)
    }

    async fn send(&self, url: String) -> Result<Response> {
        let mut request = Request::get(url).header("accept", "application/json");
        if !self.token.is_empty() {
            request = request.header("x-consul-token", self.token.as_str());
        }
        self.api.send(request).await
    }

    /// A blocking query; nothing if nothing changed.
    async fn ask(&self, query: &Query, cursor: &mut Cursor) -> Result<Option<Value>> {
        let mut url = format!("{}/{}?wait={}ms", self.base, query.path, WAIT.as_millis());
        if cursor.index > 0 {
            url.push_str(&format!("&index={}", cursor.index));
        }
        url.push_str(&self.common);
        url.push_str(&query.parameters);
        let answer = self.send(url).await?;
        let index = answer.headers.get("x-consul-index").and_then(|value| value.to_str().ok());
        let index = index.and_then(|index| index.parse::<u64>().ok()).unwrap_or(0);
        if index == cursor.index && index > 0 {
            return Ok(None);
        }
        // An index that went back is of a cluster that was restored: start anew.
        cursor.index = if index < cursor.index { 0 } else { index };
        Ok(Some(serde_json::from_slice(&answer.body)?))
    }

    fn understand(&self, query: &Query, found: &Value) -> Told {
        if !query.service.is_empty() {
            return Told::Service(query.service.clone(), self.group(&query.service, found));
        }
        let services = found.as_object().into_iter().flatten();
        Told::Catalogue(services.map(|(name, tags)| (name.clone(), tags.texts(""))).collect())
    }

    /// Whether a service of the catalogue is one to follow.
    fn wants(&self, name: &String, tags: &[String]) -> bool {
        let services = self.settings.texts("services");
        (services.is_empty() || services.contains(name))
            && self.settings.texts("tags").iter().all(|tag| tags.contains(tag))
    }

    fn group(&self, name: &str, found: &Value) -> TargetGroup {
        let separator = self.settings.text("tag_separator");
        let mut labels = Meta::new("__meta_consul_");
        labels.set("service", name).set("dc", &self.datacenter);
        let targets = found.items("").iter().map(|instance| {
            let (node, service) = (instance.at("Node"), instance.at("Service"));
            let own = service.text("Address");
            let host = if own.is_empty() { node.text("Address") } else { own };
            let mut meta = Meta::new("__meta_consul_");
            meta.copy(node, &[("address", "Address"), ("node", "Node")]);
            meta.copy(
                service,
                &[
                    ("namespace", "Namespace"),
                    ("partition", "Partition"),
                    ("service_address", "Address"),
                    ("service_port", "Port"),
                    ("service_id", "ID"),
                ],
            );
            meta.set("tags", format!("{separator}{}{separator}", service.texts("Tags").join(separator)));
            meta.set("health", health(instance.items("Checks")));
            meta.set_pairs("metadata_", "", node.pairs("Meta"));
            meta.set_pairs("service_metadata_", "", service.pairs("Meta"));
            meta.set_pairs("tagged_address_", "", node.pairs("TaggedAddresses"));
            meta.address(&host, service.at("Port").as_i64().unwrap_or(0)).build()
        });
        TargetGroup { source: name.to_string(), targets: targets.collect(), labels: labels.build() }
    }
}

/// The worst of all checks, as Consul puts them together.
fn health(checks: &[Value]) -> &'static str {
    let (mut worst, mut rank) = ("passing", 0);
    for check in checks {
        let id = check.text("CheckID");
        let (status, its_rank) = match check.text("Status").as_str() {
            _ if id == "_node_maintenance" || id.starts_with("_service_maintenance:") => ("maintenance", 3),
            "critical" => ("critical", 2),
            "warning" => ("warning", 1),
            "passing" => ("passing", 0),
            _ => return "",
        };
        if its_rank > rank {
            (worst, rank) = (status, its_rank);
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use exposition::Registry;
    use model::TargetSource;
    use serde_json::json;
    use testkit::http::{Reply, Server};
    use tokio::sync::watch;

    use super::*;
    use crate::{Config, Discovery};

    /// A Consul that blocks until something changes.
    #[derive(Clone)]
    struct Fake(Arc<Mutex<State>>, watch::Sender<u64>);

    struct State {
        services: Vec<(String, Vec<Value>)>,
        fails: bool,
    }

    impl Fake {
        fn new() -> Fake {
            Fake(Arc::new(Mutex::new(State { services: Vec::new(), fails: false })), watch::Sender::new(10))
        }

        fn change(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.0.lock().unwrap());
            self.1.send_modify(|index| *index += 1);
        }

        fn put(&self, name: &str, instances: Vec<Value>) {
            self.change(|state| {
                state.services.retain(|(known, _)| known != name);
                state.services.push((name.into(), instances));
            });
        }

        async fn serve(&self) -> Server {
            let fake = self.clone();
            Server::start(move |request| {
                if request.header("x-consul-token") != "secret" {
                    return Reply::new(403, "Permission denied");
                }
                if request.path.ends_with("/agent/self") {
                    return Reply::json(&json!({"Config": {"Datacenter": "dc1"}}));
                }
                let (fake, request) = (fake.clone(), request.clone());
                let seen = request.parameter("index").map_or(0, |index| index.parse().unwrap());
                Reply::later(async move {
                    let mut changes = fake.1.subscribe();
                    let index = *changes.wait_for(|index| *index > seen).await.unwrap();
                    let state = fake.0.lock().unwrap();
                    if state.fails {
                        return Reply::new(500, "No cluster leader");
                    }
                    let body = if request.path.ends_with("/catalog/services") {
                        let tags = |instances: &[Value]| -> Value {
                            instances
                                .iter()
                                .flat_map(|instance| instance.items("Service.Tags").to_vec())
                                .collect()
                        };
                        let services = state.services.iter().map(|(name, found)| (name.clone(), tags(found)));
                        Value::Object(services.collect())
                    } else {
                        let name = request.path.rsplit('/').next().unwrap();
                        let found = state.services.iter().find(|(known, _)| known == name);
                        json!(found.map_or(Vec::new(), |(_, instances)| instances.clone()))
                    };
                    Reply::json(&body).header("x-consul-index", &index.to_string())
                })
            })
            .await
        }
    }

    fn instance(node: &str, tag: &str, status: &str) -> Value {
        json!({
            "Node": {"Node": node, "Address": "10.0.0.1", "Meta": {"rack-id": "7"},
                     "TaggedAddresses": {"wan": "1.1.1.1"}},
            "Service": {"ID": format!("{node}-1"), "Address": "", "Port": 3341, "Tags": ["a", tag],
                        "Meta": {"version": "2"}, "Namespace": "ns"},
            "Checks": [{"CheckID": "x", "Status": "passing"}, {"CheckID": "y", "Status": status}],
        })
    }

    struct Following(Discovery, u64);

    impl Following {
        async fn start(server: &Server, yaml: &str) -> Following {
            let yaml = format!(
                "consul_sd_configs: [{{server: '{}', token: secret, refresh_interval: 0s, {yaml}}}]",
                server.address()
            );
            let node = ::config::Node::parse(&yaml).unwrap();
            let base = ::config::http_client::PathBase::new(Path::new(""));
            let discovery = Discovery::new("scrape", &Registry::new());
            discovery
                .apply(vec![("job".into(), Config::decode(&node, "config.ScrapeConfig", &base).unwrap())]);
            Following(discovery, 0)
        }

        /// The targets' labels once they are as wanted.
        async fn until(&mut self, is_wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
            let wait = async {
                loop {
                    let groups = self.0.current("job");
                    let targets = groups.groups.iter().flat_map(|group| {
                        group.targets.iter().map(move |target| format!("{} {target}", group.labels))
                    });
                    let targets: Vec<String> = targets.collect();
                    if groups.version > 0 && is_wanted(&targets) {
                        self.1 = groups.version;
                        return targets;
                    }
                    self.0.changed("job", groups.version).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the targets come")
        }
    }

    #[tokio::test]
    async fn services_come_change_and_go() {
        let fake = Fake::new();
        fake.put("web", vec![instance("n1", "b", "warning")]);
        let server = fake.serve().await;
        let mut following = Following::start(&server, "").await;
        assert_eq!(
            following.until(|targets| !targets.is_empty()).await,
            [
                r#"{__meta_consul_dc="dc1", __meta_consul_service="web"} {__address__="10.0.0.1:3341", __meta_consul_address="10.0.0.1", __meta_consul_health="warning", __meta_consul_metadata_rack_id="7", __meta_consul_namespace="ns", __meta_consul_node="n1", __meta_consul_service_id="n1-1", __meta_consul_service_metadata_version="2", __meta_consul_service_port="3341", __meta_consul_tagged_address_wan="1.1.1.1", __meta_consul_tags=",a,b,"}"#
            ]
        );
        fake.put("web", vec![instance("n1", "b", "critical"), instance("n2", "b", "passing")]);
        following.until(|targets| targets.len() == 2 && targets[0].contains("critical")).await;
        fake.put("db", vec![instance("n3", "b", "passing")]);
        following.until(|targets| targets.len() == 3).await;
        fake.change(|state| state.services.retain(|(name, _)| name == "db"));
        following.until(|targets| targets.len() == 1).await;
        fake.change(|state| state.services.clear());
        following.until(|targets| targets.is_empty()).await;
    }

    #[tokio::test]
    async fn tags_choose_services_and_the_section_says_how_to_ask() {
        let fake = Fake::new();
        fake.put("web", vec![instance("n1", "b", "passing")]);
        fake.put("db", vec![instance("n2", "c", "passing")]);
        let server = fake.serve().await;
        let yaml = "datacenter: d, namespace: n, partition: p, tags: [a, c], node_meta: {rack: '7'}, filter: 'x == y', \
                    health_filter: 'Node.Node == z', tag_separator: '|', path_prefix: consul";
        let mut following = Following::start(&server, yaml).await;
        let targets = following.until(|targets| !targets.is_empty()).await;
        assert!(targets.len() == 1 && targets[0].contains(r#"tags="|a|c|""#), "{targets:?}");
        let asked = server.targets();
        assert_eq!(
            asked[0],
            "/consul/v1/catalog/services?wait=120000ms&dc=d&ns=n&partition=p&stale&node-meta=rack%3A7&filter=x%20%3D%3D%20y"
        );
        assert_eq!(
            asked[1],
            "/consul/v1/health/service/db?wait=120000ms&dc=d&ns=n&partition=p&stale&node-meta=rack%3A7&tag=a&tag=c&filter=Node.Node%20%3D%3D%20z"
        );
    }

    #[tokio::test]
    async fn named_services_need_no_catalogue_and_failures_keep_their_targets() {
        let fake = Fake::new();
        fake.put("web", vec![instance("n1", "b", "passing")]);
        let server = fake.serve().await;
        let mut following = Following::start(&server, "services: [web], allow_stale: false").await;
        following.until(|targets| targets.len() == 1).await;
        fake.change(|state| state.fails = true);
        while following.0.problems().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(following.0.problems()[0].message.contains("No cluster leader"));
        assert_eq!(following.until(|_| true).await.len(), 1, "the targets stay");
        fake.change(|state| state.fails = false);
        fake.put("web", vec![]);
        following.until(|targets| targets.is_empty()).await;
        assert_eq!(following.0.problems(), []);
        assert!(
            server.targets().iter().all(|target| !target.contains("catalog") && !target.contains("stale"))
        );
    }
}
