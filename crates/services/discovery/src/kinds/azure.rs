//! Microsoft Azure: virtual machines, those of scale sets among them.

use std::collections::HashMap;
use std::sync::Arc;

use base::Clock;
use base::clock::Mark;
use cloud::azure::{Cloud, Identity, Provider};
use model::{Labels, TargetGroup};
use net::Request;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{DurationOr, Entry, Kind, Outcome, PORT, Secret, Settings, Text, TextOr, ensure};
use crate::api::{Api, Failure, PAGES_MAX, Result, encoded, refused};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};
use crate::stats::Stats;

pub(super) const KIND: Kind = Kind {
    name: "azure_sd_configs",
    type_name: "azure.plain",
    http: true,
    fields: &[
        ("environment", TextOr("AzurePublicCloud")),
        PORT,
        ("subscription_id", Text),
        ("tenant_id", Text),
        ("client_id", Text),
        ("client_secret", Secret),
        ("refresh_interval", DurationOr(300_000)),
        ("authentication_method", TextOr("OAuth")),
        ("resource_group", Text),
    ],
    rules,
    reader: poll::<Azure>,
};

fn rules(entry: &Entry<'_>) -> Outcome {
    let require =
        |name: &'static str| entry.require(name, &format!("azure SD configuration requires a {name}"));
    require("subscription_id")?;
    let method = entry.text("authentication_method");
    match method.as_str() {
        "OAuth" => {
            require("tenant_id")?;
            require("client_id")?;
            require("client_secret")
        }
        "ManagedIdentity" | "SDK" | "WorkloadIdentity" => Ok(()),
        _ => ensure(
            false,
            "authentication_method",
            format!(
                "unknown authentication_type {method:?}. Supported types are \"OAuth\", \"ManagedIdentity\", \"SDK\" or \
                 \"WorkloadIdentity\""
            ),
        ),
    }
}

const COMPUTE_VERSION: &str = "api-version=2024-07-01";
const NETWORK_VERSION: &str = "api-version=2024-05-01";
/// Network interfaces of scale sets are told by an older version only.
const SCALE_SET_NETWORK_VERSION: &str = "api-version=2018-10-01";
/// Network interfaces that are asked for at the same time.
const CARDS_MAX: usize = 16;
/// Network interfaces that are remembered.
const REMEMBERED_MAX: usize = 100_000;

/// What asks the management API.
struct Management {
    api: Api,
    provider: Provider,
    base: String,
}

struct Azure {
    management: Arc<Management>,
    settings: Settings,
    clock: Clock,
    /// Network interfaces change seldom: they are asked for again after ten refreshes.
    cards: HashMap<String, (Value, Mark)>,
    hits: u64,
}

struct Machine {
    value: Value,
    scale_set: String,
}

impl Poll for Azure {
    fn new(settings: &Settings) -> Result<Self> {
        let cloud = Cloud::by_name(settings.text("environment"))?;
        let text = |name: &str| settings.text(name).to_string();
        let identity = match settings.text("authentication_method") {
            "ManagedIdentity" => Identity::Managed { client_id: text("client_id") },
            "WorkloadIdentity" => Identity::Workload {
                tenant_id: text("tenant_id"),
                client_id: text("client_id"),
                token_file: String::new(),
            },
            "SDK" => Identity::Environment,
            _ => Identity::Secret {
                tenant_id: text("tenant_id"),
                client_id: text("client_id"),
                client_secret: text("client_secret"),
            },
        };
        let base = settings.endpoint(&cloud.management);
        let provider = Provider::new(cloud, identity, &settings.http, settings.surroundings())?;
        let api = Api::new(&settings.http, settings.refresh_interval())?;
        Ok(Azure {
            management: Arc::new(Management { api, provider, base }),
            settings: settings.clone(),
            clock: Clock::system(),
            cards: HashMap::new(),
            hits: 0,
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let machines = self.machines().await?;
        self.fetch_cards(&machines).await?;
        let mut targets = Vec::new();
        for machine in &machines {
            targets.extend(self.target(machine)?);
        }
        Ok(one_group("", targets))
    }

    fn count(&mut self, stats: &Stats) {
        stats.azure_cache_hits.add(std::mem::take(&mut self.hits));
    }
}

impl Azure {
    async fn machines(&self) -> Result<Vec<Machine>> {
        let mut place = format!("/subscriptions/{}", encoded(self.settings.text("subscription_id")));
        let group = self.settings.text("resource_group");
        if !group.is_empty() {
            place.push_str(&format!("/resourceGroups/{}", encoded(group)));
        }
        let path = |what: &str| format!("{place}/providers/Microsoft.Compute/{what}?{COMPUTE_VERSION}");
        let mut machines: Vec<Machine> = self
            .management
            .all(&path("virtualMachines"))
            .await?
            .into_iter()
            .map(|value| Machine { value, scale_set: String::new() })
            .collect();
        for set in self.management.all(&path("virtualMachineScaleSets")).await? {
            let of_set = format!("{}/virtualMachines?{COMPUTE_VERSION}", set.text("id"));
            let name = set.text("name");
            let found = self.management.all(&of_set).await?;
            machines.extend(found.into_iter().map(|value| Machine { value, scale_set: name.clone() }));
        }
        Ok(machines)
    }

    /// Asks for the network interfaces that are not remembered. One that does not exist is remembered as null.
    async fn fetch_cards(&mut self, machines: &[Machine]) -> Result<()> {
        let good_for = self.settings.refresh_interval() * 10;
        self.cards.retain(|_, (card, since)| !card.is_null() && since.elapsed() < good_for);
        let turns = Arc::new(Semaphore::new(CARDS_MAX));
        let mut asked = JoinSet::new();
        for machine in machines {
            for card in machine.value.items("properties.networkProfile.networkInterfaces") {
                let id = card.text("id");
                if self.cards.contains_key(&id) {
                    self.hits += 1;
                    continue;
                }
                let expand = "$expand=IPConfigurations/PublicIPAddress";
                let path = if machine.scale_set.is_empty() {
                    format!("{id}?{NETWORK_VERSION}&{expand}")
                } else {
                    format!("{id}?{SCALE_SET_NETWORK_VERSION}&{expand}")
                };
                let (management, turns) = (self.management.clone(), turns.clone());
                asked.spawn(async move {
                    let _turn = turns.acquire().await;
                    (id, management.get(&path).await)
                });
            }
        }
        while let Some(Ok((id, card))) = asked.join_next().await {
            if self.cards.len() < REMEMBERED_MAX {
                self.cards.insert(id, (card?.unwrap_or(Value::Null), self.clock.mark()));
            }
        }
        Ok(())
    }

    fn target(&self, machine: &Machine) -> Result<Option<Labels>> {
        let value = &machine.value;
        let mut meta = Meta::new("__meta_azure_");
        meta.set("subscription_id", self.settings.text("subscription_id"));
        meta.set("tenant_id", self.settings.text("tenant_id"));
        meta.copy(
            value,
            &[
                ("machine_id", "id"),
                ("machine_name", "name"),
                ("machine_computer_name", "properties.osProfile.computerName"),
                ("machine_os_type", "properties.storageProfile.osDisk.osType"),
                ("machine_location", "location"),
                ("machine_size", "properties.hardwareProfile.vmSize"),
            ],
        );
        meta.set("machine_resource_group", resource_group(&value.text("id"))?);
        meta.set("machine_scale_set", &machine.scale_set);
        meta.set_pairs("machine_tag_", "", value.pairs("tags"));
        for id in value.items("properties.networkProfile.networkInterfaces") {
            let Some((card, _)) = self.cards.get(&id.text("id")) else { return Ok(None) };
            // Of a machine that is deallocated it is not said which interface is the primary one.
            if card.is_null() || (!card.at("properties").is_null() && card.at("properties.primary").is_null())
            {
                return Ok(None);
            }
            if !card.is("properties.primary") {
                continue;
            }
            let Some(ip) = card.items("properties.ipConfigurations").first() else { return Ok(None) };
            let private = ip.text("properties.privateIPAddress");
            if private.is_empty() {
                return Err(Failure::new(format!(
                    "unable to find a private IP for VM {}",
                    value.text("name")
                )));
            }
            meta.copy(ip, &[("machine_public_ip", "properties.publicIPAddress.properties.ipAddress")]);
            meta.set("machine_private_ip", &private);
            return Ok(Some(meta.address(&private, self.settings.integer("port")).build()));
        }
        Ok(None)
    }
}

impl Management {
    /// An object, or nothing if it does not exist.
    async fn get(&self, target: &str) -> Result<Option<Value>> {
        let url =
            if target.starts_with("http") { target.to_string() } else { format!("{}{target}", self.base) };
        let token = self.provider.token().await?;
        let request = Request::get(&url)
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "application/json");
        let answer = self.api.answer(request).await?;
        match answer.status.as_u16() {
            404 => Ok(None),
            200..300 => Ok(Some(serde_json::from_slice(&answer.body)?)),
            status => {
                if status == 401 {
                    self.provider.forget().await;
                }
                Err(refused(&url, &answer))
            }
        }
    }

    /// All objects of a list in pages.
    async fn all(&self, path: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut target = path.to_string();
        for _ in 0..PAGES_MAX {
            let page =
                self.get(&target).await?.ok_or_else(|| Failure::new(format!("{path} does not exist")))?;
            all.extend_from_slice(page.items("value"));
            let next = page.text("nextLink");
            if next.is_empty() {
                return Ok(all);
            }
            // The token goes to the management API and nowhere else.
            let path =
                next.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_string()));
            target = path.ok_or_else(|| Failure::new(format!("{next:?} does not lead to another page")))?;
        }
        Err(Failure::new(format!("more than {PAGES_MAX} pages")))
    }
}

/// The resource group in an identifier.
fn resource_group(id: &str) -> Result<String> {
    let mut parts = id.split('/').skip_while(|part| !part.eq_ignore_ascii_case("resourceGroups"));
    parts.next();
    let group = parts.next().filter(|group| !group.is_empty());
    group.map(str::to_string).ok_or_else(|| Failure::new(format!("invalid ID '{id}'")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    fn machine(group: &str, name: &str, card: &str) -> Value {
        json!({
            "id": format!("/subscriptions/s/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}"),
            "name": name, "location": "westeurope", "tags": {"env-x": "prod"},
            "properties": {
                "hardwareProfile": {"vmSize": "Standard_D2"}, "osProfile": {"computerName": "host"},
                "storageProfile": {"osDisk": {"osType": "Linux"}},
                "networkProfile": {"networkInterfaces": [{"id": card}]},
            },
        })
    }

    fn card(ip: &str) -> Value {
        json!({"properties": {"primary": true, "ipConfigurations": [{"properties": {
            "privateIPAddress": ip, "publicIPAddress": {"properties": {"ipAddress": "1.2.3.4"}}}}]}})
    }

    async fn server() -> Server {
        Server::start(|request| {
            if request.path == "/t/oauth2/v2.0/token" {
                return Reply::json(&json!({"access_token": "secret", "expires_in": 3599}));
            }
            assert_eq!(request.header("authorization"), "Bearer secret");
            let prefix = "/subscriptions/s/providers/Microsoft.Compute";
            let path = request.path.as_str();
            if path == format!("{prefix}/virtualMachines") {
                return Reply::json(&match request.parameter("page") {
                    None => json!({"value": [machine("g", "a", "/nic/a")],
                        "nextLink": format!("https://management.azure.com{prefix}/virtualMachines?page=2")}),
                    Some(_) => {
                        json!({"value": [machine("g", "off", "/nic/off"), machine("g", "gone", "/nic/gone")]})
                    }
                });
            }
            if path == format!("{prefix}/virtualMachineScaleSets") {
                return Reply::json(&json!({"value": [{"id": "/set", "name": "my-set"}]}));
            }
            match path {
                "/set/virtualMachines" => Reply::json(&json!({"value": [machine("h", "b", "/nic/b")]})),
                "/nic/a" => Reply::json(&card("10.0.0.1")),
                "/nic/b" => Reply::json(&card("10.0.0.2")),
                "/nic/off" => Reply::json(&json!({"properties": {}})),
                _ => Reply::new(404, ""),
            }
        })
        .await
    }

    const YAML: &str = "{subscription_id: s, tenant_id: t, client_id: c, client_secret: x}";

    #[tokio::test]
    async fn machines_and_those_of_scale_sets_are_targets() {
        let server = server().await;
        let mut azure = Azure::new(&super::super::settings(&KIND, YAML, &server.url())).unwrap();
        let groups = azure.look().await.unwrap();
        let targets: Vec<String> = groups[0].targets.iter().map(Labels::to_string).collect();
        assert_eq!(
            targets[0],
            r#"{__address__="10.0.0.1:80", __meta_azure_machine_computer_name="host", __meta_azure_machine_id="/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/a", __meta_azure_machine_location="westeurope", __meta_azure_machine_name="a", __meta_azure_machine_os_type="Linux", __meta_azure_machine_private_ip="10.0.0.1", __meta_azure_machine_public_ip="1.2.3.4", __meta_azure_machine_resource_group="g", __meta_azure_machine_size="Standard_D2", __meta_azure_machine_tag_env_x="prod", __meta_azure_subscription_id="s", __meta_azure_tenant_id="t"}"#
        );
        assert!(targets.len() == 2 && targets[1].contains(r#"machine_scale_set="my-set""#), "{targets:?}");
        let cards =
            |server: &Server| server.targets().iter().filter(|target| target.starts_with("/nic/")).count();
        assert_eq!(cards(&server), 4);
        azure.look().await.unwrap();
        assert_eq!(cards(&server), 5, "only the one that did not exist is asked for again");
    }

    #[tokio::test]
    async fn throttling_is_told() {
        let server = Server::start(|request| match request.path.ends_with("/token") {
            true => Reply::json(&json!({"access_token": "secret"})),
            false => Reply::new(429, "too many").header("retry-after", "60"),
        })
        .await;
        let failure = super::super::targets::<Azure>(&KIND, YAML, &server.url()).await.unwrap_err();
        assert_eq!(failure.retry_after, Some(Duration::from_secs(60)));
    }
}
