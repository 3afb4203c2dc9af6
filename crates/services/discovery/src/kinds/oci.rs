//! Oracle Cloud Infrastructure: the instances of compartments.

use std::collections::BTreeSet;

use base::Clock;
use cloud::oci::Signer;
use model::{Labels, TargetGroup};
use net::Request;
use serde_json::Value;

use super::{Entry, Kind, Outcome, PORT, REFRESH, Secret, Settings, Text, TextOr, Texts, ensure};
use crate::api::{Api, Failure, PAGES_MAX, Result, encoded};
use crate::meta::{Json, Meta, one_group, sanitized};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "oci_sd_configs",
    type_name: "oci.plain",
    http: true,
    fields: &[
        ("auth", TextOr("api_key")),
        ("tenancy", Text),
        ("user", Text),
        ("fingerprint", Text),
        ("key_file", Text),
        ("key_passphrase", Secret),
        ("key_passphrase_file", Text),
        ("region", Text),
        ("compartments", Texts),
        PORT,
        REFRESH,
    ],
    rules,
    reader: poll::<Oci>,
};

fn rules(entry: &Entry<'_>) -> Outcome {
    let own = ["tenancy", "user", "fingerprint", "key_file", "key_passphrase", "key_passphrase_file"];
    entry.require("region", "oci_sd: region is required")?;
    match entry.text("auth").as_str() {
        "api_key" => {
            for name in ["tenancy", "user", "fingerprint", "key_file"] {
                entry.require(name, &format!("oci_sd: api_key auth requires {name}"))?;
            }
            ensure(
                !(entry.has("key_passphrase") && entry.has("key_passphrase_file")),
                "key_passphrase_file",
                "oci_sd: at most one of key_passphrase and key_passphrase_file must be configured",
            )?;
        }
        "instance_principal" => {
            for name in own {
                ensure(
                    !entry.has(name),
                    name,
                    "oci_sd: instance_principal auth must not have tenancy, user, fingerprint, key_file, key_passphrase, \
                     or key_passphrase_file set",
                )?;
            }
        }
        other => {
            return ensure(
                false,
                "auth",
                format!(
                    "oci_sd: unknown auth method {other:?}, expected \"api_key\" or \"instance_principal\""
                ),
            );
        }
    }
    for (at, compartment) in entry.texts("compartments").iter().enumerate() {
        ensure(
            !compartment.is_empty(),
            "compartments",
            format!("oci_sd: compartments[{at}] must not be empty"),
        )?;
    }
    let refresh = entry.text("refresh_interval");
    let positive = !refresh.starts_with('0');
    ensure(positive, "refresh_interval", format!("oci_sd: refresh_interval must be positive, got {refresh}"))
}

/// What of a section is not acted on.
pub(super) fn not_available(settings: &Settings) -> Option<&'static str> {
    (settings.text("auth") == "instance_principal")
        .then_some("oci_sd: auth instance_principal is not available yet; use api_key")
}

/// Compartments that are looked into; more is a mistake.
const COMPARTMENTS_MAX: usize = 10_000;

struct Oci {
    api: Api,
    settings: Settings,
    clock: Clock,
    problems: Vec<String>,
}

impl Poll for Oci {
    fn new(settings: &Settings) -> Result<Self> {
        if let Some(message) = not_available(settings) {
            return Err(Failure::new(message));
        }
        let api = Api::new(&settings.http, settings.refresh_interval())?;
        Ok(Oci { api, settings: settings.clone(), clock: Clock::system(), problems: Vec::new() })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let text = |name: &str| self.settings.text(name);
        let key = std::fs::read_to_string(self.settings.path("key_file"))
            .map_err(|error| Failure::new(format!("reading OCI key file {:?}: {error}", text("key_file"))))?;
        let signer = Signer::new(text("tenancy"), text("user"), text("fingerprint"), &key)?;
        let mut problems = Vec::new();
        let compartments = self.compartments(&signer, &mut problems).await?;
        let mut targets = Vec::new();
        for compartment in &compartments {
            let parameters = format!("compartmentId={}", encoded(compartment));
            for instance in self.all(&signer, "iaas", "instances", &parameters).await? {
                let card = self.primary_card(&signer, &instance).await;
                match card {
                    Ok(Some(card)) => targets.extend(self.target(&instance, &card)),
                    Ok(None) => {}
                    Err(failure) => problems.push(format!("oci: {}: {failure}", instance.text("id"))),
                }
            }
        }
        self.problems = problems;
        Ok(one_group("OCI", targets))
    }

    fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }
}

impl Oci {
    async fn get(&self, signer: &Signer, service: &str, path: &str) -> Result<net::Response> {
        let here = match service {
            "identity" => format!("https://identity.{}.oci.oraclecloud.com", self.settings.text("region")),
            _ => format!("https://{service}.{}.oraclecloud.com", self.settings.text("region")),
        };
        let mut request = Request::get(format!("{}/20160918/{path}", self.settings.endpoint(&here)));
        signer.sign(&mut request, self.clock.now_ms())?;
        self.api.send(request.header("accept", "application/json")).await
    }

    async fn all(&self, signer: &Signer, service: &str, what: &str, parameters: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut page = String::new();
        for _ in 0..PAGES_MAX {
            let answer = self.get(signer, service, &format!("{what}?{parameters}&limit=100{page}")).await?;
            let found: Value = serde_json::from_slice(&answer.body)?;
            all.extend_from_slice(found.items(""));
            match answer.headers.get("opc-next-page").and_then(|next| next.to_str().ok()) {
                Some(next) => page = format!("&page={}", encoded(next)),
                None => return Ok(all),
            }
        }
        Err(Failure::new(format!("more than {PAGES_MAX} pages")))
    }

    /// The compartments of the section, or the tenancy and everything below it.
    async fn compartments(&self, signer: &Signer, problems: &mut Vec<String>) -> Result<Vec<String>> {
        let wanted = self.settings.texts("compartments");
        if !wanted.is_empty() {
            return Ok(wanted.to_vec());
        }
        let mut all = vec![self.settings.text("tenancy").to_string()];
        let mut seen: BTreeSet<String> = all.iter().cloned().collect();
        let mut at = 0;
        while let Some(parent) = all.get(at).cloned() {
            at += 1;
            let parameters = format!(
                "compartmentId={}&accessLevel=ACCESSIBLE&compartmentIdInSubtree=false",
                encoded(&parent)
            );
            match self.all(signer, "identity", "compartments", &parameters).await {
                Ok(children) => {
                    let active = children.iter().filter(|child| child.text("lifecycleState") == "ACTIVE");
                    all.extend(active.map(|child| child.text("id")).filter(|id| seen.insert(id.clone())));
                }
                // Not all of a tree may be ours to see.
                Err(failure) => problems.push(format!("oci: below compartment {parent}: {failure}")),
            }
            if all.len() > COMPARTMENTS_MAX {
                return Err(Failure::new(format!("more than {COMPARTMENTS_MAX} compartments")));
            }
        }
        Ok(all)
    }

    async fn primary_card(&self, signer: &Signer, instance: &Value) -> Result<Option<Value>> {
        let (compartment, id) = (instance.text("compartmentId"), instance.text("id"));
        let parameters = format!("compartmentId={}&instanceId={}", encoded(&compartment), encoded(&id));
        for attached in self.all(signer, "iaas", "vnicAttachments", &parameters).await? {
            let card = attached.text("vnicId");
            if card.is_empty() || attached.text("lifecycleState") != "ATTACHED" {
                continue;
            }
            let answer = self.get(signer, "iaas", &format!("vnics/{}", encoded(&card))).await?;
            let card: Value = serde_json::from_slice(&answer.body)?;
            if card.is("isPrimary") {
                return Ok(Some(card));
            }
        }
        Ok(None)
    }

    fn target(&self, instance: &Value, card: &Value) -> Option<Labels> {
        let mut ipv6 = card.texts("ipv6Addresses");
        ipv6.sort();
        let addresses =
            [card.text("privateIp"), card.text("publicIp"), ipv6.first().cloned().unwrap_or_default()];
        let host = addresses.iter().find(|address| !address.is_empty())?;
        let mut meta = Meta::new("__meta_oci_");
        meta.set("tenancy_id", self.settings.text("tenancy"));
        meta.copy(
            instance,
            &[
                ("instance_id", "id"),
                ("instance_name", "displayName"),
                ("instance_state", "lifecycleState"),
                ("instance_shape", "shape"),
                ("availability_domain", "availabilityDomain"),
                ("fault_domain", "faultDomain"),
                ("region", "region"),
                ("compartment_id", "compartmentId"),
                ("image_id", "imageId"),
            ],
        );
        meta.copy(
            card,
            &[
                ("vnic_id", "id"),
                ("private_ip", "privateIp"),
                ("public_ip", "publicIp"),
                ("hostname_label", "hostnameLabel"),
            ],
        );
        meta.set_list("ipv6_addresses", ",", &ipv6);
        meta.set_pairs("tag_", "", instance.pairs("freeformTags"));
        for (space, tags) in instance.at("definedTags").as_object().into_iter().flatten() {
            meta.set_pairs(&format!("defined_tag_{}_", sanitized(space)), "", tags.pairs(""));
        }
        Some(meta.address(host, self.settings.integer("port")).build())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn instances_of_all_compartments_are_targets() {
        let server = Server::start(|request| {
            assert!(request.header("authorization").contains("keyId=\"t/u/f\""));
            let of = |name: &str| request.parameter(name).unwrap_or_default();
            match request.path.as_str() {
                "/20160918/compartments" if of("compartmentId") == "t" => Reply::json(&json!([
                    {"id": "child", "lifecycleState": "ACTIVE"}, {"id": "dead", "lifecycleState": "DELETED"}
                ])),
                "/20160918/compartments" => Reply::json(&json!([])),
                "/20160918/instances" if of("compartmentId") == "t" => Reply::json(&json!([])),
                "/20160918/instances" if of("page").is_empty() => Reply::json(&json!([{
                    "id": "i-1", "displayName": "a", "lifecycleState": "RUNNING", "shape": "VM", "compartmentId": "child",
                    "region": "phx", "freeformTags": {"env": "prod"}, "definedTags": {"Ops": {"cost-center": 42}},
                }])).header("opc-next-page", "2"),
                "/20160918/instances" => Reply::json(&json!([{"id": "i-2", "compartmentId": "child"}])),
                "/20160918/vnicAttachments" if of("instanceId") == "i-1" => Reply::json(&json!([
                    {"vnicId": "v", "lifecycleState": "ATTACHED"}
                ])),
                "/20160918/vnicAttachments" => Reply::new(404, ""),
                "/20160918/vnics/v" => Reply::json(&json!({"id": "v", "isPrimary": true, "privateIp": "10.0.0.1",
                    "publicIp": "1.2.3.4", "hostnameLabel": "h", "ipv6Addresses": ["2001::2", "2001::1"]})),
                other => panic!("asked for {other}"),
            }
        })
        .await;
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/../../kits/cloud/testdata/pkcs8.pem");
        let yaml = format!("{{tenancy: t, user: u, fingerprint: f, key_file: '{key}', region: phx}}");
        let mut oci = Oci::new(&super::super::settings(&KIND, &yaml, &server.url())).unwrap();
        let groups = oci.look().await.unwrap();
        assert_eq!(
            groups[0].targets[0].to_string(),
            r#"{__address__="10.0.0.1:80", __meta_oci_compartment_id="child", __meta_oci_defined_tag_Ops_cost_center="42", __meta_oci_hostname_label="h", __meta_oci_instance_id="i-1", __meta_oci_instance_name="a", __meta_oci_instance_shape="VM", __meta_oci_instance_state="RUNNING", __meta_oci_ipv6_addresses=",2001::1,2001::2,", __meta_oci_private_ip="10.0.0.1", __meta_oci_public_ip="1.2.3.4", __meta_oci_region="phx", __meta_oci_tag_env="prod", __meta_oci_tenancy_id="t", __meta_oci_vnic_id="v"}"#
        );
        assert!(groups[0].targets.len() == 1 && oci.problems()[0].contains("i-2"), "{:?}", oci.problems());
    }
}
