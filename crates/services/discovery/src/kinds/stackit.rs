//! STACKIT: the servers of a project.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use cloud::encoding::form;
use cloud::rsa::{Digest, Key};
use model::TargetGroup;
use net::Request;
use serde_json::{Value, json};

use super::{Kind, PORT, REFRESH, Secret, Settings, Text, TextOr, ensure};
use crate::api::{Api, Failure, Result, encoded};
use crate::meta::{Json, Meta, one_group, sanitized};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "stackit_sd_configs",
    type_name: "stackit.plain",
    http: true,
    fields: &[
        ("project", Text),
        REFRESH,
        PORT,
        ("region", TextOr("eu01")),
        ("endpoint", Text),
        ("service_account_key", Secret),
        ("private_key", Secret),
        ("service_account_key_path", Text),
        ("private_key_path", Text),
        ("credentials_file_path", Text),
    ],
    rules: |entry| {
        let somewhere = entry.has("endpoint") || entry.has("region");
        ensure(somewhere, "", "stackit_sd: endpoint and region missing")?;
        let endpoint = entry.text("endpoint");
        entry
            .url("endpoint")
            .map_err(|(field, why)| (field, format!("stackit_sd: invalid endpoint {endpoint:?}: {why}")))?;
        Ok(())
    },
    reader: poll::<Stackit>,
};

/// What of a section is not acted on: the file whose format is the vendor's library's own.
pub(super) fn not_available(settings: &Settings) -> Option<&'static str> {
    (!settings.text("credentials_file_path").is_empty()).then_some(
        "stackit_sd: credentials_file_path: accepted, but nothing acts on it; use service_account_key_path",
    )
}

const TOKEN_URL: &str = "https://service-account.api.stackit.cloud/token";

struct Stackit {
    api: Api,
    base: String,
    settings: Settings,
    clock: Clock,
    token: Option<(String, Mark, Duration)>,
}

impl Poll for Stackit {
    fn new(settings: &Settings) -> Result<Self> {
        let base = match settings.text("endpoint") {
            "" => settings.endpoint(&format!("https://iaas.api.{}.stackit.cloud", settings.text("region"))),
            endpoint => endpoint.trim_end_matches('/').to_string(),
        };
        let api = Api::new(&settings.http, settings.refresh_interval())?;
        Ok(Stackit { api, base, settings: settings.clone(), clock: Clock::system(), token: None })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let project = self.settings.text("project").to_string();
        let url = format!("{}/v1/projects/{}/servers?details=true", self.base, encoded(&project));
        let mut request = Request::get(url);
        if let Some(token) = self.token().await? {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let found = self.api.json(request).await.inspect_err(|_| self.token = None)?;
        let mut targets = Vec::new();
        for server in found.items("items") {
            let mut meta = Meta::new("__meta_stackit_");
            let (mut public, mut address) = (String::new(), String::new());
            for card in server.items("nics") {
                if public.is_empty() && !card.text("publicIp").is_empty() {
                    public = card.text("publicIp");
                    address.clone_from(&public);
                }
                let private = card.text("ipv4");
                meta.set(&format!("private_ipv4_{}", sanitized(&card.text("networkName"))), &private);
                if address.is_empty() {
                    address = private;
                }
            }
            if address.is_empty() {
                continue;
            }
            meta.set("project", &project).set("public_ipv4", public);
            meta.copy(
                server,
                &[
                    ("id", "id"),
                    ("name", "name"),
                    ("availability_zone", "availabilityZone"),
                    ("status", "status"),
                    ("power_status", "powerStatus"),
                    ("type", "machineType"),
                ],
            );
            let labels = server.at("labels").as_object().into_iter().flatten();
            let labels = labels.filter_map(|(name, value)| Some((name, value.as_str()?)));
            meta.set_pairs("label_", "labelpresent_", labels);
            targets.push(meta.address(&address, self.settings.integer("port")).build());
        }
        Ok(one_group("stackit", targets))
    }
}

impl Stackit {
    /// The token of the service account, if there is one; otherwise the HTTP client's settings say who we are.
    async fn token(&mut self) -> Result<Option<String>> {
        let account = self.settings.secret("service_account_key", "service_account_key_path")?;
        if account.is_empty() {
            return Ok(None);
        }
        if let Some((token, since, lifetime)) = &self.token
            && since.elapsed() < *lifetime
        {
            return Ok(Some(token.clone()));
        }
        let account: Value = serde_json::from_str(&account)
            .map_err(|error| Failure::new(format!("the service account's key is not JSON: {error}")))?;
        let own = self.settings.secret("private_key", "private_key_path")?;
        let pem = if own.is_empty() { account.text("credentials.privateKey") } else { own };
        let now = self.clock.now_ms() / 1000;
        let chance = || RandomState::new().build_hasher().finish();
        let claims = json!({
            "iss": account.text("credentials.iss"), "sub": account.text("credentials.sub"),
            "aud": account.text("credentials.aud"), "jti": format!("{:016x}{:016x}", chance(), chance()),
            "iat": now, "exp": now + 600,
        });
        let header = [("kid", account.text("credentials.kid"))];
        let header = header.each_ref().map(|(name, value)| (*name, value.as_str()));
        let assertion = Key::from_pem(&pem)?.token(Digest::Sha512, &header, &claims)?;
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        let body = form([("grant_type", grant), ("assertion", assertion.as_str())]);
        let url = self.settings.endpoint(TOKEN_URL);
        let answer = self.api.json(Request::post(url, "application/x-www-form-urlencoded", body)).await?;
        let token = answer.text("access_token");
        let lifetime = Duration::from_secs(answer.at("expires_in").as_u64().unwrap_or(600) / 2);
        self.token = Some((token.clone(), self.clock.mark(), lifetime));
        Ok(Some(token))
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn servers_with_addresses_are_targets() {
        let server = Server::start(|request| {
            assert_eq!(request.target(), "/v1/projects/p/servers?details=true");
            assert_eq!(request.header("authorization"), "Bearer x");
            Reply::json(&json!({"items": [
                {"id": "1", "name": "a", "availabilityZone": "eu01-3", "status": "ACTIVE", "powerStatus": "RUNNING",
                 "machineType": "t1.1", "labels": {"tag-a": "b", "n": 1},
                 "nics": [{"networkName": "my net", "ipv4": "10.0.0.153"}, {"networkName": "o", "publicIp": "192.0.2.1"}]},
                {"id": "2", "nics": []}
            ]}))
        })
        .await;
        let yaml = "{project: p, authorization: {credentials: x}}";
        assert_eq!(
            super::super::targets::<Stackit>(&KIND, yaml, &server.url()).await.unwrap(),
            [
                r#"{__address__="192.0.2.1:80", __meta_stackit_availability_zone="eu01-3", __meta_stackit_id="1", __meta_stackit_label_tag_a="b", __meta_stackit_labelpresent_tag_a="true", __meta_stackit_name="a", __meta_stackit_power_status="RUNNING", __meta_stackit_private_ipv4_my_net="10.0.0.153", __meta_stackit_project="p", __meta_stackit_public_ipv4="192.0.2.1", __meta_stackit_status="ACTIVE", __meta_stackit_type="t1.1"}"#
            ]
        );
    }
}
