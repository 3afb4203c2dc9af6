//! Sign-in by OpenID Connect, at a provider inside the test that speaks the true protocol.

use accounts::{OidcSettings, RoleRule};
use config::http_client::TlsConfig;
use model::Role;
use net::client::{base64_decoded, base64_url};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;
use testkit::http::{Reply, Server};

use super::*;

/// What the provider knows and does.
struct Provider {
    key: EcdsaKeyPair,
    key_id: Mutex<String>,
    issuer: OnceLock<String>,
    secret: Mutex<String>,
    /// The claims of who signs in now, without what the protocol adds.
    claims: Mutex<Value>,
    /// Changed in the token before it is signed.
    spoil: Mutex<Value>,
    /// Code, challenge and nonce of a sign-in that waits for its token.
    waiting: Mutex<Vec<(String, String, String)>>,
    now_s: i64,
}

fn field(text: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(text.as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

impl Provider {
    fn new(now_s: i64) -> Arc<Provider> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Arc::new(Provider {
            key,
            key_id: Mutex::new("one".into()),
            issuer: OnceLock::new(),
            secret: Mutex::new("s3cret/+".into()),
            claims: Mutex::new(json!({})),
            spoil: Mutex::new(json!({})),
            waiting: Mutex::default(),
            now_s,
        })
    }

    async fn start(self: &Arc<Self>) -> Server {
        let provider = self.clone();
        let server = Server::start(move |request| provider.answer(request)).await;
        self.issuer.set(server.url()).unwrap();
        server
    }

    fn issuer(&self) -> &str {
        self.issuer.get().unwrap()
    }

    /// What a person does at the provider: signs in, and is sent back. Gives the way back.
    fn sign_in(&self, location: &str) -> String {
        let (endpoint, query) = location.split_once('?').unwrap();
        assert_eq!(endpoint, format!("{}/authorize", self.issuer()));
        for (name, expected) in [
            ("response_type", "code"),
            ("client_id", "promontory"),
            ("redirect_uri", "http://mon.example/login/oidc/callback"),
            ("scope", "openid profile email"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(field(query, name).as_deref(), Some(expected), "{name}");
        }
        let code = format!("code-{}", self.waiting.lock().unwrap().len());
        let part = |name: &str| field(query, name).unwrap();
        self.waiting.lock().unwrap().push((code.clone(), part("code_challenge"), part("nonce")));
        let state = part("state");
        format!("/login/oidc/callback?code={code}&state={state}")
    }

    fn token(&self, nonce: &str) -> String {
        let mut claims = self.claims.lock().unwrap().clone();
        let own = json!({
            "iss": self.issuer(), "aud": "promontory", "nonce": nonce,
            "iat": self.now_s, "exp": self.now_s + 300,
        });
        for extra in [&own, &*self.spoil.lock().unwrap()] {
            for (name, value) in extra.as_object().unwrap() {
                claims[name] = value.clone();
            }
        }
        let head = json!({"alg": "ES256", "kid": *self.key_id.lock().unwrap()});
        let part = |value: &Value| base64_url(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64_url(signature.as_ref()))
    }

    fn answer(&self, request: &testkit::http::Request) -> Reply {
        let target = request.target();
        match target.as_str() {
            "/.well-known/openid-configuration" => Reply::json(&json!({
                "issuer": self.issuer(),
                "authorization_endpoint": format!("{}/authorize", self.issuer()),
                "token_endpoint": format!("{}/token", self.issuer()),
                "jwks_uri": format!("{}/keys", self.issuer()),
                "userinfo_endpoint": format!("{}/userinfo", self.issuer()),
            })),
            "/keys" => {
                let point = self.key.public_key().as_ref();
                Reply::json(&json!({"keys": [
                    {"kty": "oct", "k": "AAAA"},
                    {"kty": "EC", "crv": "P-256", "use": "sig", "kid": *self.key_id.lock().unwrap(),
                     "x": base64_url(&point[1..33]), "y": base64_url(&point[33..])},
                ]}))
            }
            "/token" => self.give_token(request),
            "/userinfo" => match request.header("authorization") {
                "Bearer access" => Reply::json(&json!({
                    "sub": self.claims.lock().unwrap()["sub"], "email": "from@userinfo", "groups": ["forged"],
                })),
                other => Reply::new(401, other.to_string()),
            },
            other => Reply::new(404, other.to_string()),
        }
    }

    fn give_token(&self, request: &testkit::http::Request) -> Reply {
        let refused = |error: &str| Reply::new(400, json!({"error": error}).to_string());
        let body = request.text();
        // RFC 6749, 2.3.1: both parts are encoded as in a form.
        let shown = request.header("authorization").strip_prefix("Basic ").and_then(base64_decoded);
        let expected =
            form_urlencoded::byte_serialize(self.secret.lock().unwrap().as_bytes()).collect::<String>();
        if shown != Some(format!("promontory:{expected}").into_bytes()) {
            return refused("invalid_client");
        }
        let code = field(&body, "code").unwrap_or_default();
        let mut waiting = self.waiting.lock().unwrap();
        let Some(at) = waiting.iter().position(|(known, ..)| *known == code) else {
            return refused("invalid_grant");
        };
        let (_, challenge, nonce) = waiting.remove(at);
        let verifier = field(&body, "code_verifier").unwrap_or_default();
        let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
        if base64_url(digest.as_ref()) != challenge
            || field(&body, "grant_type").as_deref() != Some("authorization_code")
            || field(&body, "redirect_uri").as_deref() != Some("http://mon.example/login/oidc/callback")
        {
            return refused("invalid_grant");
        }
        Reply::json(
            &json!({"access_token": "access", "token_type": "Bearer", "id_token": self.token(&nonce)}),
        )
    }
}

struct Set {
    provider: Arc<Provider>,
    _server: Server,
    world: World,
    secret: std::path::PathBuf,
    _database: Database,
}

async fn set_up() -> Set {
    let database = Database::file();
    let provider = Provider::new(database.clock.now_ms() / 1_000);
    let server = provider.start().await;
    let secret = database.dir.path().join("client-secret");
    std::fs::write(&secret, "s3cret/+\n").unwrap();
    let rule = |value: &str, role| RoleRule { claim: "realm.groups".into(), value: value.into(), role };
    let oidc = OidcSettings {
        name: "Example".into(),
        issuer: server.url(),
        client_id: "promontory".into(),
        client_secret: Some(SecretSource::File(secret.clone())),
        scopes: ["openid", "profile", "email"].map(String::from).to_vec(),
        login_claim: "preferred_username".into(),
        roles: vec![rule("devs", Role::Editor), rule("ops", Role::Admin)],
        default_role: None,
        teams_claim: Some("realm.groups".into()),
        tls: TlsConfig::default(),
    };
    let world = database.world(Settings { oidc: Some(oidc), ..settings() }).await;
    Set { provider, _server: server, world, secret, _database: database }
}

impl Set {
    /// The whole way: to the provider, there, and back. Gives the last answer.
    async fn sign_in(&self, claims: Value) -> Answer {
        *self.provider.claims.lock().unwrap() = claims;
        let begun = self.world.ask(ELSEWHERE, "GET", "/login/oidc?next=/view%3Fa=b", &[], "").await;
        assert_eq!(begun.status, 303, "{}", begun.text());
        let back = self.provider.sign_in(begun.headers["location"].to_str().unwrap());
        self.come_back(&begun, &back).await
    }

    async fn come_back(&self, begun: &Answer, back: &str) -> Answer {
        let held = format!("promontory_oidc={}", begun.cookie("promontory_oidc").unwrap());
        self.world.ask(ELSEWHERE, "GET", back, &[("cookie", &held)], "").await
    }

    async fn who(&self, answer: &Answer) -> String {
        let cookie = answer.cookie("promontory_session").unwrap_or_else(|| panic!("{}", location(answer)));
        self.world.with_cookie(&format!("promontory_session={cookie}"), "GET", "/view", "").await.text()
    }
}

fn location(answer: &Answer) -> String {
    answer.headers["location"].to_str().unwrap().to_string()
}

fn person(groups: &[&str]) -> Value {
    json!({"sub": "1", "preferred_username": "ada", "name": "Ada", "realm": {"groups": groups}})
}

#[tokio::test]
async fn who_signs_in_gets_the_role_and_the_teams_that_the_claims_say() {
    let set = set_up().await;
    let answer = set.sign_in(person(&["devs", "blue"])).await;
    assert_eq!((answer.status, location(&answer).as_str()), (303, "/view?a=b"));
    assert_eq!(answer.cookie("promontory_oidc"), Some(String::new()), "the attempt is over");
    assert_eq!(set.who(&answer).await, "ada Editor");
    let user = set.world.as_admin("GET", "/api/users/lookup?loginOrEmail=ada", "").await.json();
    assert_eq!((&user["email"], &user["isExternal"]), (&"from@userinfo".into(), &true.into()));
    let teams = set.world.as_admin("GET", &format!("/api/users/{}/teams", user["id"]), "").await.json();
    assert_eq!(teams.as_array().map(Vec::len), Some(2));
    // At the next time, what is true then. Renamed at the provider, she is the same here.
    let mut renamed = person(&["ops", "devs"]);
    renamed["preferred_username"] = "lovelace".into();
    assert_eq!(set.who(&set.sign_in(renamed).await).await, "lovelace Admin");
    let teams = set.world.as_admin("GET", &format!("/api/users/{}/teams", user["id"]), "").await.json();
    let mut names: Vec<&str> =
        teams.as_array().unwrap().iter().filter_map(|team| team["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["devs", "ops"]);
}

#[tokio::test]
async fn who_has_no_role_is_disabled_or_takes_the_name_of_another_stays_out() {
    let set = set_up().await;
    let refused = async |claims: Value, why: &str| {
        let answer = set.sign_in(claims).await;
        let location = location(&answer);
        assert!(location.starts_with("/login?error=") && location.contains(why), "{location}");
        assert_eq!(answer.cookie("promontory_session"), None);
    };
    refused(person(&["guests"]), "no+role").await;
    let mut claims = person(&["devs"]);
    claims["preferred_username"] = "admin".into();
    refused(claims, "another+account").await;
    assert_eq!(set.sign_in(person(&["devs"])).await.status, 303);
    let user = set.world.as_admin("GET", "/api/users/lookup?loginOrEmail=ada", "").await.json();
    set.world.as_admin("POST", &format!("/api/admin/users/{}/disable", user["id"]), "").await;
    refused(person(&["devs"]), "disabled").await;
}

#[tokio::test]
async fn an_address_of_mail_counts_only_if_the_provider_does_not_say_that_it_is_unproved() {
    let set = set_up().await;
    for (sub, verified, expected) in [
        ("1", json!(false), ""),
        ("2", json!("false"), ""),
        ("3", json!(true), "p3@example.com"),
        ("4", Value::Null, "p4@example.com"),
    ] {
        let mut claims = person(&["devs"]);
        (claims["sub"], claims["preferred_username"]) = (sub.into(), format!("p{sub}").into());
        (claims["email"], claims["email_verified"]) = (format!("p{sub}@example.com").into(), verified);
        assert_eq!(set.who(&set.sign_in(claims).await).await, format!("p{sub} Editor"));
        let path = format!("/api/users/lookup?loginOrEmail=p{sub}");
        assert_eq!(set.world.as_admin("GET", &path, "").await.json()["email"], expected);
    }
}

#[tokio::test]
async fn a_token_that_is_not_for_this_sign_in_is_not_believed() {
    let set = set_up().await;
    let now_s = set.provider.now_s;
    for (spoil, why) in [
        (json!({"iss": "https://evil.example"}), "another+provider"),
        (json!({"aud": "other"}), "somebody+else"),
        (json!({"aud": ["promontory", "other"], "azp": "other"}), "somebody+else"),
        (json!({"exp": now_s - 61}), "expired"),
        (json!({"iat": now_s + 3600}), "not+valid+yet"),
        (json!({"nonce": "replayed"}), "another+sign-in"),
    ] {
        *set.provider.spoil.lock().unwrap() = spoil.clone();
        let location = location(&set.sign_in(person(&["ops"])).await);
        assert!(location.contains(why), "{spoil}: {location}");
    }
}

#[tokio::test]
async fn only_the_browser_that_began_can_finish_and_only_once() {
    let set = set_up().await;
    *set.provider.claims.lock().unwrap() = person(&["ops"]);
    let begin = async || set.world.ask(ELSEWHERE, "GET", "/login/oidc", &[], "").await;
    let (mine, other) = (begin().await, begin().await);
    let back = set.provider.sign_in(&location(&mine));
    // Somebody else's browser, and one that began nothing.
    assert!(location(&set.come_back(&other, &back).await).contains("not+begun+here"));
    let answer = set.world.ask(ELSEWHERE, "GET", &back, &[], "").await;
    assert!(location(&answer).contains("not+begun+here"));
    assert_eq!(set.who(&set.come_back(&mine, &back).await).await, "ada Admin");
    assert!(location(&set.come_back(&mine, &back).await).contains("invalid_grant"));
    // Another provider's way back.
    let mixed = begin().await;
    let back = format!("{}&iss=https%3A%2F%2Fevil.example", set.provider.sign_in(&location(&mixed)));
    assert!(location(&set.come_back(&mixed, &back).await).contains("another+OpenID+provider"));
    // What the provider says no to is said.
    let begun = begin().await;
    let query = location(&begun);
    let state = field(query.split_once('?').unwrap().1, "state").unwrap();
    let refused = format!("/login/oidc/callback?error=access_denied&state={state}");
    assert!(location(&set.come_back(&begun, &refused).await).contains("access_denied"));
    let begun = begin().await;
    set.world.clock.advance(Duration::from_secs(601));
    let back = set.provider.sign_in(&location(&begun));
    assert!(location(&set.come_back(&begun, &back).await).contains("too+long+ago"));
}

#[tokio::test]
async fn a_planted_cookie_leads_nobody_to_another_server() {
    let set = set_up().await;
    *set.provider.claims.lock().unwrap() = person(&["ops"]);
    let begun = set.world.ask(ELSEWHERE, "GET", "/login/oidc", &[], "").await;
    let back = set.provider.sign_in(&location(&begun));
    let held = begun.cookie("promontory_oidc").unwrap().replace('-', "+").replace('_', "/");
    let mut held: Value = serde_json::from_slice(&base64_decoded(&held).unwrap()).unwrap();
    held["next"] = "https://evil.example/".into();
    let held = format!("promontory_oidc={}", base64_url(held.to_string().as_bytes()));
    let answer = set.world.ask(ELSEWHERE, "GET", &back, &[("cookie", &held)], "").await;
    assert_eq!(location(&answer), "/");
    assert_eq!(set.who(&answer).await, "ada Admin");
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_once_for_all_who_wait() {
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let server = Server::start(move |_| {
        *count.lock().unwrap() += 1;
        Reply::json(&json!({"issuer": "https://another.example", "authorization_endpoint": "a",
            "token_endpoint": "t", "jwks_uri": "k"}))
    })
    .await;
    let oidc = OidcSettings {
        name: "Example".into(),
        issuer: server.url(),
        client_id: "promontory".into(),
        client_secret: None,
        scopes: vec!["openid".into()],
        login_claim: "sub".into(),
        roles: Vec::new(),
        default_role: Some(Role::Viewer),
        teams_claim: None,
        tls: TlsConfig::default(),
    };
    let database = Database::file();
    let world = database.world(Settings { oidc: Some(oidc), ..settings() }).await;
    for _ in 0..5 {
        assert_eq!(world.ask(ELSEWHERE, "GET", "/login/oidc", &[], "").await.status, 502);
    }
    assert_eq!(*asked.lock().unwrap(), 1);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.ask(ELSEWHERE, "GET", "/login/oidc", &[], "").await.status, 502);
    assert_eq!(*asked.lock().unwrap(), 2);
    // Somebody who came by the login page is back there, reads why, and has not lost where they wanted to go.
    let html = [("accept", "text/html")];
    let answer = world.ask(ELSEWHERE, "GET", "/login/oidc?next=%2Fview", &html, "").await;
    let location = location(&answer);
    assert!(location.starts_with("/login?error=the+OpenID+provider+calls+itself"), "{location}");
    assert!(location.ends_with("&next=%2Fview"), "{location}");
}

#[tokio::test]
async fn new_keys_and_a_new_client_secret_are_picked_up() {
    let set = set_up().await;
    assert_eq!(set.who(&set.sign_in(person(&["ops"])).await).await, "ada Admin");
    *set.provider.key_id.lock().unwrap() = "two".into();
    let answer = set.sign_in(person(&["ops"])).await;
    assert!(location(&answer).contains("no+key"), "keys are not looked for again at once");
    set.world.clock.advance(Duration::from_secs(10));
    assert_eq!(set.who(&set.sign_in(person(&["ops"])).await).await, "ada Admin");
    *set.provider.secret.lock().unwrap() = "rotated".into();
    assert!(location(&set.sign_in(person(&["ops"])).await).contains("invalid_client"));
    std::fs::write(&set.secret, "rotated").unwrap();
    assert_eq!(set.who(&set.sign_in(person(&["ops"])).await).await, "ada Admin");
}
