//! Google: access tokens by Application Default Credentials: a key's file, the user's file, or the
//! machine we run on. <https://cloud.google.com/docs/authentication/application-default-credentials>

use std::path::PathBuf;
use std::time::Duration;

use base::Clock;
use config::HttpClientConfig;
use net::{Client, Limits, Request};
use serde_json::{Value, json};

use crate::encoding::form;
use crate::rsa::{Digest, Key};
use crate::token::{Fresh, Kept};
use crate::{Error, Surroundings, read, refused};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(10), body_size_max_bytes: 1 << 20 };
const METADATA: &str = "http://metadata.google.internal";
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// Hands out access tokens for one scope.
pub struct Provider {
    scope: String,
    /// The credentials, or nothing for those of the surroundings.
    file: Option<PathBuf>,
    surroundings: Surroundings,
    client: Client,
    clock: Clock,
    kept: Kept<String>,
}

impl Provider {
    /// Tokens for a scope, such as `https://www.googleapis.com/auth/compute.readonly`.
    pub fn new(scope: &str, surroundings: Surroundings) -> Result<Provider, Error> {
        let client = Client::new(&HttpClientConfig::default())?;
        let (scope, clock) = (scope.into(), Clock::system());
        Ok(Provider { scope, file: None, surroundings, client, clock, kept: Kept::new() })
    }

    /// The same, with the credentials of a file if one is named.
    #[must_use]
    pub fn with_file(self, file: Option<PathBuf>) -> Provider {
        Provider { file, ..self }
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
        if let Some(file) = &self.file {
            return self.of_file(&read(file)?).await;
        }
        if let Some(file) = self.surroundings.variable("GOOGLE_APPLICATION_CREDENTIALS") {
            return self.of_file(&read(file.as_ref())?).await;
        }
        let users = self.surroundings.home_file(".config/gcloud/application_default_credentials.json");
        if let Some(text) = users.and_then(|path| std::fs::read_to_string(path).ok()) {
            return self.of_file(&text).await;
        }
        let here = match self.surroundings.variable("GCE_METADATA_HOST") {
            Some(host) => format!("http://{host}"),
            None => self.surroundings.endpoint(METADATA),
        };
        let url = format!("{here}/computeMetadata/v1/instance/service-accounts/default/token");
        let request = Request::get(url).header("metadata-flavor", "Google");
        let limits = Limits { timeout: Duration::from_secs(5), ..LIMITS };
        let answer = self.client.send(request, limits).await.map_err(|error| {
            Error::Config(format!(
                "no Google credentials were found: GOOGLE_APPLICATION_CREDENTIALS is not set, and the machine's \
                 metadata service does not answer: {error}"
            ))
        })?;
        if !answer.status.is_success() {
            return Err(refused("the machine's metadata service", &answer));
        }
        fresh(&answer.body)
    }

    async fn of_file(&self, text: &str) -> Result<Fresh<String>, Error> {
        let file: Value = serde_json::from_str(text)
            .map_err(|error| Error::Config(format!("the Google credentials are not JSON: {error}")))?;
        let field = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or("").to_string();
        let body = match field("type").as_str() {
            "service_account" => {
                let now = self.clock.now_ms() / 1000;
                let audience = Some(field("token_uri"))
                    .filter(|uri| !uri.is_empty())
                    .unwrap_or_else(|| TOKEN_URL.into());
                let claims = json!({
                    "iss": field("client_email"), "scope": self.scope, "aud": audience, "iat": now, "exp": now + 3600,
                });
                let key = Key::from_pem(&field("private_key"))?;
                let token = key.token(Digest::Sha256, &[("kid", &field("private_key_id"))], &claims)?;
                form([("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &token)])
            }
            "authorized_user" => form([
                ("grant_type", "refresh_token"),
                ("client_id", &field("client_id")),
                ("client_secret", &field("client_secret")),
                ("refresh_token", &field("refresh_token")),
            ]),
            other => {
                return Err(Error::Config(format!(
                    "Google credentials of type {other:?} are not supported; use service_account or authorized_user"
                )));
            }
        };
        let url = Some(field("token_uri")).filter(|uri| !uri.is_empty()).unwrap_or_else(|| TOKEN_URL.into());
        let url = self.surroundings.endpoint(&url);
        let request = Request::post(url, "application/x-www-form-urlencoded", body);
        let answer = self.client.send(request, LIMITS).await?;
        if !answer.status.is_success() {
            return Err(refused("Google's token server", &answer));
        }
        fresh(&answer.body)
    }
}

/// The token of an OAuth 2.0 answer.
pub(crate) fn fresh(body: &[u8]) -> Result<Fresh<String>, Error> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let token = answer.get("access_token").and_then(Value::as_str).unwrap_or("").to_string();
    if token.is_empty() {
        return Err(Error::Config("the token's server answered without an access_token".into()));
    }
    // Microsoft's machines say the number as a text.
    let seconds = answer
        .get("expires_in")
        .and_then(|value| value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())));
    Ok(Fresh { token, lifetime: Duration::from_secs(seconds.unwrap_or(3600)) })
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    async fn server() -> Server {
        Server::start(|request| {
            let metadata = request.path == "/computeMetadata/v1/instance/service-accounts/default/token";
            if metadata && request.header("metadata-flavor") == "Google" {
                return Reply::json(&json!({"access_token": "machine", "expires_in": 3600}));
            }
            if request.text().contains("grant_type=urn%3Aietf") {
                return Reply::json(&json!({"access_token": "key", "expires_in": 3600}));
            }
            if request.text().contains("refresh_token=r") {
                return Reply::json(&json!({"access_token": "user"}));
            }
            Reply::new(400, r#"{"error": "invalid_grant"}"#)
        })
        .await
    }

    #[tokio::test]
    async fn tokens_come_from_a_keys_file_the_users_file_or_the_machine() {
        let server = server().await;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: Value| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, value.to_string()).unwrap();
            path.display().to_string()
        };
        let key = write(
            "key.json",
            json!({"type": "service_account", "client_email": "me",
            "private_key": crate::rsa::tests::KEY, "private_key_id": "k"}),
        );
        let bad = write("bad.json", json!({"type": "external_account"}));
        let user =
            json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"});
        write(".config/gcloud/application_default_credentials.json", user);
        let home = folder.path().display().to_string();
        let token = async |variables: &[(&str, &str)]| {
            let surroundings = Surroundings::made_up(variables, &server.url());
            Provider::new("scope", surroundings).unwrap().token().await
        };
        assert_eq!(token(&[("GOOGLE_APPLICATION_CREDENTIALS", &key), ("HOME", &home)]).await.unwrap(), "key");
        assert_eq!(token(&[("HOME", &home)]).await.unwrap(), "user");
        assert_eq!(token(&[]).await.unwrap(), "machine");
        let error = token(&[("GOOGLE_APPLICATION_CREDENTIALS", &bad)]).await.unwrap_err();
        assert!(error.to_string().contains("\"external_account\" are not supported"), "{error}");
    }
}
