//! Microsoft Azure: access tokens by a client's secret, a workload's identity or the machine's.

use std::time::Duration;

use config::HttpClientConfig;
use net::{Client, Limits, Request};

use crate::encoding::{form, percent_encoded};
use crate::google::fresh;
use crate::token::{Fresh, Kept};
use crate::{Error, Surroundings, read, refused};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(30), body_size_max_bytes: 1 << 20 };
/// The variable that names a workload's token.
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const METADATA: &str = "http://169.254.169.254";

/// Who we are to Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// An application with a secret.
    Secret {
        /// The directory.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: String,
    },
    /// The identity of the machine, or the one of its several that this client names.
    Managed {
        /// Empty for the machine's own.
        client_id: String,
    },
    /// The identity of a workload in Kubernetes, by a token in a file; empty fields are the environment's.
    Workload {
        /// The directory.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// The token.
        token_file: String,
    },
    /// Whatever the environment offers first: a secret, a workload's identity, the machine's.
    Environment,
}

/// A cloud of Azure's: where tokens and the management API are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// Who hands out tokens.
    pub authority: String,
    /// The management API, which is also what tokens are for.
    pub management: String,
}

impl Cloud {
    /// A cloud by its name, `AzurePublicCloud` and the like, in any case; the public one by default.
    pub fn by_name(name: &str) -> Result<Cloud, Error> {
        let (authority, management) = match name.to_ascii_uppercase().as_str() {
            "" | "AZURECLOUD" | "AZUREPUBLICCLOUD" => ("login.microsoftonline.com", "management.azure.com"),
            "AZURECHINA" | "AZURECHINACLOUD" => ("login.chinacloudapi.cn", "management.chinacloudapi.cn"),
            "AZUREGOVERNMENT" | "AZUREUSGOVERNMENT" | "AZUREUSGOVERNMENTCLOUD" => {
                ("login.microsoftonline.us", "management.usgovcloudapi.net")
            }
            _ => {
                return Err(Error::Config(format!(
                    "there is no cloud environment matching the name {name:?}"
                )));
            }
        };
        Ok(Cloud { authority: format!("https://{authority}"), management: format!("https://{management}") })
    }
}

/// Hands out access tokens for the management API.
pub struct Provider {
    cloud: Cloud,
    identity: Identity,
    surroundings: Surroundings,
    client: Client,
    kept: Kept<String>,
}

impl Provider {
    /// Tokens for this identity; `http` reaches who hands them out.
    pub fn new(
        cloud: Cloud,
        identity: Identity,
        http: &HttpClientConfig,
        surroundings: Surroundings,
    ) -> Result<Provider, Error> {
        Ok(Provider { cloud, identity, surroundings, client: Client::new(http)?, kept: Kept::new() })
    }

    /// A token that is good now.
    pub async fn token(&self) -> Result<String, Error> {
        self.kept.get(self.obtain()).await
    }

    /// Forgets a token that was refused.
    pub async fn forget(&self) {
        self.kept.forget().await;
    }

    async fn obtain(&self) -> Result<Fresh<String>, Error> {
        let variable = |name: &str| self.surroundings.variable(name).unwrap_or_default();
        let or = |text: &str, name: &str| if text.is_empty() { variable(name) } else { text.to_string() };
        match &self.identity {
            Identity::Secret { tenant_id, client_id, client_secret } => {
                self.by_form(tenant_id, client_id, &[("client_secret", client_secret)]).await
            }
            Identity::Managed { client_id } => self.managed(client_id).await,
            Identity::Workload { tenant_id, client_id, token_file } => {
                let (tenant, client) = (or(tenant_id, "AZURE_TENANT_ID"), or(client_id, "AZURE_CLIENT_ID"));
                self.workload(&tenant, &client, &or(token_file, TOKEN_FILE)).await
            }
            Identity::Environment => {
                let (tenant, client) = (variable("AZURE_TENANT_ID"), variable("AZURE_CLIENT_ID"));
                let secret = variable("AZURE_CLIENT_SECRET");
                if !secret.is_empty() {
                    self.by_form(&tenant, &client, &[("client_secret", &secret)]).await
                } else if !variable(TOKEN_FILE).is_empty() {
                    self.workload(&tenant, &client, &variable(TOKEN_FILE)).await
                } else {
                    self.managed(&client).await
                }
            }
        }
    }

    async fn workload(&self, tenant: &str, client: &str, file: &str) -> Result<Fresh<String>, Error> {
        if file.is_empty() {
            return Err(Error::Config(format!("{TOKEN_FILE} does not name the workload's token")));
        }
        let file = std::path::Path::new(file);
        let token = read(file)?;
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let fields = [("client_assertion_type", kind), ("client_assertion", token.trim())];
        self.by_form(tenant, client, &fields).await
    }

    async fn by_form(
        &self,
        tenant: &str,
        client: &str,
        proof: &[(&str, &str)],
    ) -> Result<Fresh<String>, Error> {
        let scope = format!("{}/.default", self.cloud.management);
        let fields = [("grant_type", "client_credentials"), ("client_id", client), ("scope", scope.as_str())];
        let body = form(fields.into_iter().chain(proof.iter().copied()));
        let base = self.surroundings.endpoint(&self.cloud.authority);
        let url = format!("{base}/{}/oauth2/v2.0/token", percent_encoded(tenant));
        let request = Request::post(url, "application/x-www-form-urlencoded", body);
        let answer = self.client.send(request, LIMITS).await?;
        if !answer.status.is_success() {
            return Err(refused("Azure's token server", &answer));
        }
        fresh(&answer.body)
    }

    async fn managed(&self, client: &str) -> Result<Fresh<String>, Error> {
        let resource = percent_encoded(&self.cloud.management);
        let client =
            if client.is_empty() { String::new() } else { format!("&client_id={}", percent_encoded(client)) };
        let of_service = self
            .surroundings
            .variable("IDENTITY_ENDPOINT")
            .zip(self.surroundings.variable("IDENTITY_HEADER"));
        let request = match of_service {
            Some((endpoint, header)) => {
                Request::get(format!("{endpoint}?api-version=2019-08-01&resource={resource}{client}"))
                    .header("x-identity-header", header)
            }
            None => {
                let base = self.surroundings.endpoint(METADATA);
                let path = "/metadata/identity/oauth2/token?api-version=2018-02-01";
                Request::get(format!("{base}{path}&resource={resource}{client}")).header("metadata", "true")
            }
        };
        let answer = self.client.send(request, LIMITS).await?;
        if !answer.status.is_success() {
            return Err(refused("the machine's identity service", &answer));
        }
        fresh(&answer.body)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn each_identity_gets_its_token() {
        let server = Server::start(|request| {
            let token = match request.path.as_str() {
                "/metadata/identity/oauth2/token" if request.header("metadata") == "true" => "machine",
                "/app" if request.header("x-identity-header") == "h" => "service",
                "/tenant/oauth2/v2.0/token" => {
                    let body = request.text();
                    assert!(body.contains("scope=https%3A%2F%2Fmanagement.azure.com%2F.default"), "{body}");
                    if body.contains("client_secret=secret") { "secret" } else { "workload" }
                }
                _ => return Reply::new(401, "no"),
            };
            Reply::json(&json!({"access_token": token, "expires_in": "3599"}))
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "jwt").unwrap();
        let file = file.display().to_string();
        let app = format!("{}/app", server.url());
        let secret = Identity::Secret {
            tenant_id: "tenant".into(),
            client_id: "c".into(),
            client_secret: "secret".into(),
        };
        let managed = Identity::Managed { client_id: String::new() };
        let workload = Identity::Workload {
            tenant_id: String::new(),
            client_id: String::new(),
            token_file: String::new(),
        };
        let of_tenant = [("AZURE_TENANT_ID", "tenant"), ("AZURE_FEDERATED_TOKEN_FILE", file.as_str())];
        for (identity, variables, expected) in [
            (secret, &[][..], "secret"),
            (managed.clone(), &[][..], "machine"),
            (managed, &[("IDENTITY_ENDPOINT", app.as_str()), ("IDENTITY_HEADER", "h")][..], "service"),
            (workload, &of_tenant[..], "workload"),
            (Identity::Environment, &of_tenant[..], "workload"),
            (
                Identity::Environment,
                &[("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_SECRET", "secret")][..],
                "secret",
            ),
            (Identity::Environment, &[][..], "machine"),
        ] {
            let cloud = Cloud::by_name("AzurePublicCloud").unwrap();
            let surroundings = Surroundings::made_up(variables, &server.url());
            let http = HttpClientConfig::default();
            let provider = Provider::new(cloud, identity, &http, surroundings).unwrap();
            assert_eq!(provider.token().await.unwrap(), expected);
        }
        assert!(Cloud::by_name("moon").is_err());
    }
}
