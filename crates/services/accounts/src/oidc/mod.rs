//! Sign-in by OpenID Connect: the authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636).

mod token;

use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use base::Clock;
use base::clock::Mark;
use config::HttpClientConfig;
use model::Role;
use net::client::{Client, Limits, Request, base64, base64_decoded, base64_url, read_secret};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::accounts::Inner;
use crate::directory::{Profile, Source, User};
use crate::login::parameter;
use crate::settings::{OidcSettings, Surroundings};
use crate::{AccountsError, secret};
use token::Keys;

/// Bounds of a request to the provider.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(10), body_size_max_bytes: 1 << 20 };
/// How long the provider's documents are believed.
const DOCUMENTS_AGE_MAX: Duration = Duration::from_secs(3_600);
/// Keys that are not known are looked for at most so often.
const KEYS_PAUSE: Duration = Duration::from_secs(10);
/// A provider that did not describe itself is asked again after this time. Those who wait for the same answer get it too,
/// rather than to wait for one timeout after the other.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);
/// How long a sign-in may take.
const ATTEMPT_MAX_MS: i64 = 600_000;
/// Teams of one person that are taken over.
const TEAMS_MAX: usize = 200;

/// What a provider says of itself.
#[derive(Clone, Debug, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What a browser holds while it is at the provider: nobody else can finish its sign-in.
#[derive(Serialize, Deserialize)]
struct Attempt {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    until_ms: i64,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    #[serde(default)]
    access_token: String,
}

/// Who somebody is to the provider.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Person {
    /// The issuer, `#`, and what it calls them.
    pub(crate) subject: String,
    pub(crate) login: String,
    email: String,
    name: String,
    role: Option<Role>,
    teams: Option<Vec<String>>,
}

#[derive(Default)]
struct Documents {
    discovery: Option<(Discovery, Mark)>,
    failed: Option<(AccountsError, Mark)>,
    keys: Option<(Arc<Keys>, Mark)>,
}

/// A provider.
pub(crate) struct Oidc {
    settings: OidcSettings,
    redirect_uri: String,
    client: Client,
    clock: Clock,
    documents: tokio::sync::Mutex<Documents>,
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> AccountsError {
    AccountsError::Provider(format!("the OpenID provider {what}: {error}"))
}

impl Oidc {
    pub(crate) fn new(
        settings: OidcSettings,
        at: &Surroundings,
        clock: Clock,
    ) -> Result<Oidc, AccountsError> {
        let config = HttpClientConfig {
            tls: settings.tls.clone(),
            follow_redirects: false,
            ..HttpClientConfig::default()
        };
        let client = Client::new(&config).map_err(|error| {
            AccountsError::Settings(format!("the client of the OpenID provider: {error}"))
        })?;
        let redirect_uri = format!("{}/login/oidc/callback", at.external_url);
        Ok(Oidc { settings, redirect_uri, client, clock, documents: tokio::sync::Mutex::default() })
    }

    /// What the button says.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where the browser goes, and what it shall hold meanwhile.
    pub(crate) async fn begin(&self, next: String) -> Result<(String, String), AccountsError> {
        let discovery = self.discovery().await?;
        let attempt = Attempt {
            state: secret::nonce()?,
            nonce: secret::nonce()?,
            verifier: secret::nonce()?,
            next,
            until_ms: self.clock.now_ms() + ATTEMPT_MAX_MS,
        };
        let digest = ring::digest::digest(&ring::digest::SHA256, attempt.verifier.as_bytes());
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &base64_url(digest.as_ref()))
            .append_pair("code_challenge_method", "S256")
            .finish();
        let separator = if discovery.authorization_endpoint.contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}{query}", discovery.authorization_endpoint);
        let held =
            serde_json::to_vec(&attempt).map_err(|error| AccountsError::Internal(error.to_string()))?;
        Ok((url, base64_url(&held)))
    }

    /// Who came back, and where they wanted to go. `held` is what their browser held.
    pub(crate) async fn finish(&self, held: &str, uri: &Uri) -> Result<(Person, String), AccountsError> {
        let denied = |text: &str| AccountsError::Denied(text.to_string());
        let again = || denied("this sign-in was not begun here, or too long ago; try again");
        let held = base64_decoded(&held.replace('-', "+").replace('_', "/")).ok_or_else(again)?;
        let attempt: Attempt = serde_json::from_slice(&held).map_err(|_| again())?;
        let state = parameter(uri, "state").unwrap_or_default();
        if state != attempt.state || attempt.until_ms < self.clock.now_ms() {
            return Err(again());
        }
        let discovery = self.discovery().await?;
        // RFC 9207: what another provider says is not taken for this one's.
        let issuer = parameter(uri, "iss");
        let is_ours = issuer.as_ref().is_none_or(|issuer| *issuer == discovery.issuer);
        if !is_ours || (issuer.is_none() && discovery.authorization_response_iss_parameter_supported) {
            return Err(denied("another OpenID provider sent this way back"));
        }
        if let Some(error) = parameter(uri, "error") {
            let detail =
                parameter(uri, "error_description").map(|text| format!(": {text}")).unwrap_or_default();
            return Err(denied(&format!("the OpenID provider refused: {error}{detail}")));
        }
        let code = parameter(uri, "code").ok_or_else(again)?;
        let tokens = self.tokens(&discovery, &code, &attempt.verifier).await?;
        let mut claims = self.claims(&discovery, &tokens.id_token, &attempt.nonce).await?;
        if !self.is_enough(&claims)
            && let Some(endpoint) =
                discovery.userinfo_endpoint.as_ref().filter(|_| !tokens.access_token.is_empty())
        {
            let request =
                Request::get(endpoint).header("authorization", format!("Bearer {}", tokens.access_token));
            let more: Value = self.ask("gave no user information", request).await?;
            // Only what is said of the same person counts; what is signed goes before it.
            if more.get("sub") == claims.get("sub")
                && let (Some(more), Some(claims)) = (more.as_object(), claims.as_object_mut())
            {
                for (name, value) in more {
                    claims.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        // An address that the provider has not seen proof of says nothing of who somebody is. One that says nothing of
        // proof vouches for all that it tells.
        let is_unproved =
            |value: &Value| matches!(value.as_bool(), Some(false)) || value.as_str() == Some("false");
        if claims.get("email_verified").is_some_and(is_unproved)
            && let Some(claims) = claims.as_object_mut()
        {
            claims.remove("email");
        }
        Ok((self.person(&claims)?, attempt.next))
    }

    /// Whether claims have all that the settings use.
    fn is_enough(&self, claims: &Value) -> bool {
        let rules = self.settings.roles.iter().map(|rule| &*rule.claim);
        let wanted =
            rules.chain(self.settings.teams_claim.as_deref()).chain([&*self.settings.login_claim, "email"]);
        wanted.into_iter().all(|name| at(claims, name).is_some())
    }

    async fn ask<T: DeserializeOwned>(&self, what: &str, request: Request) -> Result<T, AccountsError> {
        let answer = self.client.send(request, LIMITS).await.map_err(|error| failed(what, &error))?;
        if !answer.status.is_success() {
            #[derive(Deserialize)]
            struct Failure {
                error: String,
                #[serde(default)]
                error_description: String,
            }
            let text = match serde_json::from_slice::<Failure>(&answer.body) {
                Ok(failure) => {
                    format!("{} {} {}", answer.status.as_u16(), failure.error, failure.error_description)
                }
                Err(_) => answer.status.to_string(),
            };
            return Err(failed(what, &text.trim_end()));
        }
        serde_json::from_slice(&answer.body).map_err(|error| failed(what, &error))
    }

    async fn discovery(&self) -> Result<Discovery, AccountsError> {
        let mut documents = self.documents.lock().await;
        if let Some((discovery, since)) = &documents.discovery
            && since.elapsed() < DOCUMENTS_AGE_MAX
        {
            return Ok(discovery.clone());
        }
        if let Some((error, since)) = &documents.failed
            && since.elapsed() < FAILURE_PAUSE
        {
            return Err(error.clone());
        }
        let found = self.discover().await;
        let now = self.clock.mark();
        match &found {
            Ok(discovery) => (documents.discovery, documents.failed) = (Some((discovery.clone(), now)), None),
            Err(error) => documents.failed = Some((error.clone(), now)),
        }
        found
    }

    async fn discover(&self) -> Result<Discovery, AccountsError> {
        let issuer = self.settings.issuer.trim_end_matches('/');
        let request = Request::get(format!("{issuer}/.well-known/openid-configuration"));
        let discovery: Discovery = self.ask("does not describe itself", request).await?;
        if discovery.issuer.trim_end_matches('/') != issuer {
            return Err(failed("calls itself by another name", &discovery.issuer));
        }
        Ok(discovery)
    }

    async fn tokens(
        &self,
        discovery: &Discovery,
        code: &str,
        verifier: &str,
    ) -> Result<Tokens, AccountsError> {
        let secret = match self.settings.client_secret.clone() {
            Some(source) => {
                let read = tokio::task::spawn_blocking(move || read_secret(&source));
                let text = read.await.map_err(|error| AccountsError::Internal(error.to_string()))?;
                Some(text.map_err(|error| AccountsError::Settings(format!("the client secret: {error}")))?)
            }
            None => None,
        };
        let methods = discovery.token_endpoint_auth_methods_supported.as_deref();
        let by_header =
            methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &*self.redirect_uri),
            ("code_verifier", verifier),
        ];
        let mut authorization = None;
        match &secret {
            Some(secret) if by_header => {
                let encoded =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let plain = format!("{}:{}", encoded(&self.settings.client_id), encoded(secret));
                authorization = Some(format!("Basic {}", base64(plain.as_bytes())));
            }
            Some(secret) => {
                pairs.extend([("client_id", &*self.settings.client_id), ("client_secret", secret)])
            }
            None => pairs.push(("client_id", &self.settings.client_id)),
        }
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let mut request = Request::post(&discovery.token_endpoint, "application/x-www-form-urlencoded", form)
            .header("accept", "application/json");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        self.ask("gave no token", request).await
    }

    /// The claims of an ID token that is good: signed by the provider, for us, now, and for this sign-in.
    async fn claims(
        &self,
        discovery: &Discovery,
        id_token: &str,
        nonce: &str,
    ) -> Result<Value, AccountsError> {
        let untrusted =
            |why: String| AccountsError::Denied(format!("the ID token cannot be believed: {why}"));
        let parsed = token::parse(id_token).map_err(untrusted)?;
        let mut keys = self.keys(discovery, false).await?;
        if !keys.has(&parsed) {
            keys = self.keys(discovery, true).await?;
        }
        let expected = token::Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce,
            now_s: self.clock.now_ms() / 1_000,
        };
        token::verify(&parsed, &keys, &expected).map_err(untrusted)
    }

    async fn keys(&self, discovery: &Discovery, anew: bool) -> Result<Arc<Keys>, AccountsError> {
        let mut documents = self.documents.lock().await;
        if let Some((keys, since)) = &documents.keys {
            let age_max = if anew { KEYS_PAUSE } else { DOCUMENTS_AGE_MAX };
            if since.elapsed() < age_max {
                return Ok(keys.clone());
            }
        }
        let found: Value = self.ask("gave no keys", Request::get(&discovery.jwks_uri)).await?;
        let keys = Arc::new(Keys::read(&found));
        documents.keys = Some((keys.clone(), self.clock.mark()));
        Ok(keys)
    }

    fn person(&self, claims: &Value) -> Result<Person, AccountsError> {
        let text = |name: &str| at(claims, name).and_then(Value::as_str).unwrap_or("").trim().to_string();
        let sub = text("sub");
        if sub.is_empty() {
            return Err(AccountsError::Denied("the ID token does not say who it is about".into()));
        }
        let email = text("email");
        let login = [text(&self.settings.login_claim), email.clone(), sub.clone()];
        let login = login.into_iter().find(|login| !login.is_empty()).unwrap_or_default().replace(':', "-");
        let rules = self.settings.roles.iter();
        let role = rules
            .filter(|rule| values(claims, &rule.claim).contains(&rule.value))
            .map(|rule| rule.role)
            .max();
        let teams = self.settings.teams_claim.as_ref().map(|name| {
            let mut teams = values(claims, name);
            teams.truncate(TEAMS_MAX);
            teams
        });
        Ok(Person {
            subject: format!("{}#{sub}", self.settings.issuer),
            login,
            email,
            name: text("name"),
            role: role.or(self.settings.default_role),
            teams,
        })
    }
}

/// A claim by its path, or by its whole name where that has dots itself.
fn at<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, part| value.get(part)))
}

/// The texts of a claim: one, or a list.
fn values(claims: &Value, path: &str) -> Vec<String> {
    match at(claims, path) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(String::from).collect(),
        Some(Value::Bool(value)) => vec![value.to_string()],
        _ => Vec::new(),
    }
}

impl Inner {
    /// The account of somebody whom the provider vouches for: made if there is none, and brought up to date.
    pub(crate) async fn take_in(&self, oidc: &Oidc, person: &Person) -> Result<User, AccountsError> {
        let role = person.role.ok_or_else(|| {
            AccountsError::Denied(format!(
                "{} has no role here: no rule of {} fits",
                person.login,
                oidc.name()
            ))
        })?;
        let now_ms = self.clock.now_ms();
        let profile =
            Profile { login: person.login.clone(), email: person.email.clone(), name: person.name.clone() };
        self.store
            .change(|directory| {
                let known = directory.users.iter().find(|user| user.subject == person.subject).cloned();
                let uid = match known {
                    Some(user) if user.is_disabled => {
                        return Err(AccountsError::Denied(format!("the account {} is disabled", user.login)));
                    }
                    Some(user) => {
                        let is_same = (&user.login, &user.email, &user.name)
                            == (&profile.login, &profile.email, &profile.name);
                        // A login that is taken here stays what it was.
                        if !is_same && let Err(error) = directory.set_profile(&user.uid, &profile, now_ms) {
                            tracing::debug!(%error, login = %user.login, "the profile stays as it was");
                        }
                        directory.set_role_unless_last(&user.uid, role, now_ms)?;
                        user.uid
                    }
                    None => {
                        let user = directory.add_user(&profile, role, now_ms).map_err(|error| match error {
                            AccountsError::Conflict(_) => AccountsError::Denied(format!(
                                "there is another account with the login or address of {}; an administrator has to \
                                 rename or remove it first",
                                person.login
                            )),
                            other => other,
                        })?;
                        (user.source, user.subject) = (Source::Oidc, person.subject.clone());
                        user.uid.clone()
                    }
                };
                if let Some(teams) = &person.teams {
                    directory.sync_teams(&uid, teams, now_ms)?;
                }
                directory.user(&uid).cloned()
            })
            .await
    }
}
