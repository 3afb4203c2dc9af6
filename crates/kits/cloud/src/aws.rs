//! Amazon: the chain of credentials that its tools share, and Signature Version 4.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use std::time::Duration;

use base::Clock;
use config::HttpClientConfig;
use net::{Client, Limits, Request};
use serde_json::Value;

use crate::encoding::{form, hex, hmac_sha256, percent_encoded, sha256, utc};
use crate::token::{Fresh, Kept};
use crate::{Error, Surroundings, read, refused};

/// Answers with credentials are small.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(10), body_size_max_bytes: 1 << 20 };
/// Keys that do not end are looked up again so often, since files change.
const LOOK_AGAIN: Duration = Duration::from_secs(900);
/// Where a machine of Amazon's finds its own data.
const METADATA: &str = "http://169.254.169.254";
/// Where a container finds its credentials.
const CONTAINER: &str = "http://169.254.170.2";

/// Keys to sign with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The public part.
    pub access_key: String,
    /// The secret part.
    pub secret_key: String,
    /// What goes with keys that end; empty for others.
    pub session_token: String,
}

/// What settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Keys in the settings; both or none.
    pub access_key: String,
    /// See `access_key`.
    pub secret_key: String,
    /// A profile of the shared files, or empty for the usual one.
    pub profile: String,
    /// A role to take on, or empty.
    pub role_arn: String,
    /// What the role's owner asks for, or empty.
    pub external_id: String,
    /// The region, or empty for the environment's or the machine's.
    pub region: String,
    /// Whether the token service is asked at its FIPS address.
    pub fips_sts: bool,
}

/// Hands out credentials, which it keeps as long as they are good.
pub struct Provider {
    settings: Settings,
    surroundings: Surroundings,
    client: Client,
    clock: Clock,
    kept: Kept<Credentials>,
    region: Kept<String>,
}

impl Provider {
    /// Looks for credentials in the settings, the environment, a web identity's token, the shared files, the
    /// container and the machine, in this order.
    pub fn new(settings: Settings, surroundings: Surroundings) -> Result<Provider, Error> {
        let client = Client::new(&HttpClientConfig::default())?;
        let clock = Clock::system();
        Ok(Provider { settings, surroundings, client, clock, kept: Kept::new(), region: Kept::new() })
    }

    /// Credentials that are good now.
    pub async fn credentials(&self) -> Result<Credentials, Error> {
        self.kept.get(self.obtain()).await
    }

    /// Forgets credentials that were refused.
    pub async fn forget(&self) {
        self.kept.forget().await;
    }

    /// The region: of the settings, the environment, the shared files or the machine.
    pub async fn region(&self) -> Result<String, Error> {
        let fresh = |token: String| Fresh { token, lifetime: Duration::from_secs(1 << 30) };
        self.region
            .get(async {
                if !self.settings.region.is_empty() {
                    return Ok(fresh(self.settings.region.clone()));
                }
                let variables = ["AWS_REGION", "AWS_DEFAULT_REGION"];
                if let Some(region) = variables.iter().find_map(|name| self.surroundings.variable(name)) {
                    return Ok(fresh(region));
                }
                if let Some(region) =
                    self.profile(&self.profile_name()).region.filter(|region| !region.is_empty())
                {
                    return Ok(fresh(region));
                }
                let region = self.metadata("/latest/meta-data/placement/region").await;
                region.map(fresh).map_err(|error| {
                    Error::Config(format!("no region is set, and the machine does not know one: {error}"))
                })
            })
            .await
    }

    /// Signs a request to a service of the region, now.
    pub async fn sign(&self, request: &mut Request, service: &str) -> Result<(), Error> {
        let (credentials, region) = (self.credentials().await?, self.region().await?);
        sign(request, &credentials, &region, service, self.clock.now_ms());
        Ok(())
    }

    async fn obtain(&self) -> Result<Fresh<Credentials>, Error> {
        let found = self.find().await?;
        if self.settings.role_arn.is_empty() {
            return Ok(found);
        }
        self.assume(&found.token, &self.settings.role_arn, &self.settings.external_id).await
    }

    async fn find(&self) -> Result<Fresh<Credentials>, Error> {
        let kept = |token| Ok(Fresh { token, lifetime: LOOK_AGAIN });
        let variable = |name: &str| self.surroundings.variable(name);
        if !self.settings.access_key.is_empty() && !self.settings.secret_key.is_empty() {
            return kept(Credentials {
                access_key: self.settings.access_key.clone(),
                secret_key: self.settings.secret_key.clone(),
                session_token: String::new(),
            });
        }
        if self.settings.profile.is_empty() {
            if let (Some(access_key), Some(secret_key)) =
                (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
            {
                let session_token = variable("AWS_SESSION_TOKEN").unwrap_or_default();
                return kept(Credentials { access_key, secret_key, session_token });
            }
            if let (Some(file), Some(role)) =
                (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN"))
            {
                return self.web_identity(&file, &role).await;
            }
        }
        let name = self.profile_name();
        let profile = self.profile(&name);
        if let Some(credentials) = profile.credentials() {
            return kept(credentials);
        }
        if let (Some(file), Some(role)) = (&profile.web_identity_token_file, &profile.role_arn) {
            return self.web_identity(file, role).await;
        }
        if let (Some(role), Some(source)) = (&profile.role_arn, &profile.source_profile) {
            let source = self.profile(source).credentials().ok_or_else(|| {
                Error::Config(format!("profile {name:?}: source_profile {source:?} has no keys"))
            })?;
            return self.assume(&source, role, profile.external_id.as_deref().unwrap_or("")).await;
        }
        if let Some(unsupported) = &profile.unsupported {
            return Err(Error::Config(format!(
                "profile {name:?} uses {unsupported}, which is not supported"
            )));
        }
        if !self.settings.profile.is_empty() {
            return Err(Error::Config(format!("profile {name:?} has no keys in the shared AWS files")));
        }
        let container = match variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            Some(path) => Some(format!("{}{path}", self.surroundings.endpoint(CONTAINER))),
            None => variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        };
        if let Some(url) = container {
            let mut request = Request::get(url);
            let token = match variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
                Some(file) => Some(read(file.as_ref())?.trim().to_string()),
                None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            };
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            let answer = self.client.send(request, LIMITS).await?;
            if !answer.status.is_success() {
                return Err(refused("the container's credentials", &answer));
            }
            return self.fresh(&serde_json::from_slice(&answer.body).unwrap_or_default());
        }
        if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(Error::Config(
                "no AWS credentials were found, and asking the machine is disabled".into(),
            ));
        }
        let path = "/latest/meta-data/iam/security-credentials/";
        let of_machine = async {
            let role = self.metadata(path).await?;
            let text = self.metadata(&format!("{path}{}", role.lines().next().unwrap_or("").trim())).await?;
            self.fresh(&serde_json::from_str(&text).unwrap_or_default())
        };
        of_machine
            .await
            .map_err(|error| Error::Config(format!("no AWS credentials were found; the last try: {error}")))
    }

    /// Something the machine knows of itself, with a token first (version 2 of the service).
    async fn metadata(&self, path: &str) -> Result<String, Error> {
        let base = self.surroundings.endpoint(METADATA);
        let limits = Limits { timeout: Duration::from_secs(2), ..LIMITS };
        let mut request = Request::get(format!("{base}/latest/api/token"));
        request.method = net::Method::PUT;
        let request = request.header("x-aws-ec2-metadata-token-ttl-seconds", "300");
        let token = self.client.send(request, limits).await?;
        if !token.status.is_success() {
            return Err(refused("the machine's metadata service", &token));
        }
        let token = String::from_utf8_lossy(&token.body).into_owned();
        let request = Request::get(format!("{base}{path}")).header("x-aws-ec2-metadata-token", token);
        let answer = self.client.send(request, limits).await?;
        if !answer.status.is_success() {
            return Err(refused("the machine's metadata service", &answer));
        }
        Ok(String::from_utf8_lossy(&answer.body).trim().to_string())
    }

    async fn web_identity(&self, file: &str, role: &str) -> Result<Fresh<Credentials>, Error> {
        let token = read(file.as_ref())?;
        let session =
            self.surroundings.variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "promontory".into());
        let body = form([
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", &session),
            ("WebIdentityToken", token.trim()),
        ]);
        self.ask_sts(body, None).await
    }

    async fn assume(
        &self,
        with: &Credentials,
        role: &str,
        external_id: &str,
    ) -> Result<Fresh<Credentials>, Error> {
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", "promontory"),
        ];
        if !external_id.is_empty() {
            fields.push(("ExternalId", external_id));
        }
        self.ask_sts(form(fields), Some(with)).await
    }

    async fn ask_sts(&self, body: String, with: Option<&Credentials>) -> Result<Fresh<Credentials>, Error> {
        let region = self.region().await.unwrap_or_else(|_| "us-east-1".into());
        let url = self.surroundings.endpoint(&sts(&region, self.settings.fips_sts));
        let mut request = Request::post(format!("{url}/"), "application/x-www-form-urlencoded", body)
            .header("accept", "application/json");
        if let Some(with) = with {
            sign(&mut request, with, &region, "sts", self.clock.now_ms());
        }
        let answer = self.client.send(request, LIMITS).await?;
        if !answer.status.is_success() {
            return Err(refused("AWS STS", &answer));
        }
        let text = String::from_utf8_lossy(&answer.body);
        // XML whose elements have unambiguous names, or the same in JSON.
        let field = |name: &str| {
            let xml = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
            let json = text.split_once(&format!("\"{name}\":")).and_then(|(_, rest)| rest.split('"').nth(1));
            xml.map(|(value, _)| value).or(json).unwrap_or("").to_string()
        };
        let credentials = Credentials {
            access_key: field("AccessKeyId"),
            secret_key: field("SecretAccessKey"),
            session_token: field("SessionToken"),
        };
        if credentials.secret_key.is_empty() {
            return Err(Error::Config("AWS STS answered without credentials".into()));
        }
        Ok(Fresh { token: credentials, lifetime: self.until(&field("Expiration")) })
    }

    fn fresh(&self, found: &Value) -> Result<Fresh<Credentials>, Error> {
        let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or("").to_string();
        let token = Credentials {
            access_key: text("AccessKeyId"),
            secret_key: text("SecretAccessKey"),
            session_token: text("Token"),
        };
        if token.secret_key.is_empty() {
            return Err(Error::Config("the answer holds no credentials".into()));
        }
        Ok(Fresh { token, lifetime: self.until(&text("Expiration")) })
    }

    fn until(&self, text: &str) -> Duration {
        let Ok(end) = text.parse::<jiff::Timestamp>() else { return LOOK_AGAIN };
        Duration::from_millis(u64::try_from(end.as_millisecond() - self.clock.now_ms()).unwrap_or(0))
    }

    fn profile_name(&self) -> String {
        let own = Some(self.settings.profile.clone()).filter(|profile| !profile.is_empty());
        own.or_else(|| self.surroundings.variable("AWS_PROFILE")).unwrap_or_else(|| "default".into())
    }

    /// A profile of both shared files; the file of credentials wins.
    fn profile(&self, name: &str) -> Profile {
        let mut profile = Profile::default();
        for (variable, path) in
            [("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), ("AWS_CONFIG_FILE", ".aws/config")]
        {
            let own = self.surroundings.variable(variable).map(std::path::PathBuf::from);
            let Some(path) = own.or_else(|| self.surroundings.home_file(path)) else { continue };
            let Ok(text) = std::fs::read_to_string(path) else { continue };
            profile.read(&text, name);
        }
        profile
    }
}

/// What the shared files say of a profile.
#[derive(Default)]
struct Profile {
    access_key: Option<String>,
    secret_key: Option<String>,
    session_token: Option<String>,
    region: Option<String>,
    role_arn: Option<String>,
    source_profile: Option<String>,
    external_id: Option<String>,
    web_identity_token_file: Option<String>,
    unsupported: Option<String>,
}

impl Profile {
    fn read(&mut self, text: &str, name: &str) {
        let mut is_ours = false;
        for line in text.lines() {
            let line = line.trim();
            if let Some(section) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
                let section = section.trim();
                is_ours = section.strip_prefix("profile ").unwrap_or(section).trim() == name;
                continue;
            }
            let Some((key, value)) =
                line.split_once('=').filter(|_| is_ours && !line.starts_with(['#', ';']))
            else {
                continue;
            };
            let place = match key.trim() {
                "aws_access_key_id" => &mut self.access_key,
                "aws_secret_access_key" => &mut self.secret_key,
                "aws_session_token" => &mut self.session_token,
                "region" => &mut self.region,
                "role_arn" => &mut self.role_arn,
                "source_profile" => &mut self.source_profile,
                "external_id" => &mut self.external_id,
                "web_identity_token_file" => &mut self.web_identity_token_file,
                key @ ("sso_session" | "sso_start_url" | "credential_process" | "credential_source") => {
                    self.unsupported = Some(key.to_string());
                    continue;
                }
                _ => continue,
            };
            place.get_or_insert_with(|| value.trim().to_string());
        }
    }

    fn credentials(&self) -> Option<Credentials> {
        Some(Credentials {
            access_key: self.access_key.clone()?,
            secret_key: self.secret_key.clone()?,
            session_token: self.session_token.clone().unwrap_or_default(),
        })
    }
}

/// The domain of a region's services.
pub fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Signs a request with Signature Version 4: its headers `x-amz-date`, `x-amz-security-token` and
/// `authorization` are set. The headers it already has and the body are signed too and must not change.
pub fn sign(request: &mut Request, credentials: &Credentials, region: &str, service: &str, now_ms: i64) {
    let (date, time) = (utc(now_ms, "%Y%m%d"), utc(now_ms, "%Y%m%dT%H%M%SZ"));
    let set = |request: &mut Request, name: String, value: String| {
        request.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        request.headers.push((name, value));
    };
    set(request, "x-amz-date".into(), time.clone());
    if !credentials.session_token.is_empty() {
        set(request, "x-amz-security-token".into(), credentials.session_token.clone());
    }
    let rest = request.url.split_once("://").map_or(request.url.as_str(), |(_, rest)| rest);
    let (host, target) = rest.find(['/', '?']).map_or((rest, "/"), |at| rest.split_at(at));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = if path.is_empty() { "/" } else { path };
    // What is in the path is already encoded once; every service but S3 encodes it again.
    let path: String = match service {
        "s3" => path.to_string(),
        _ => path.split('/').map(percent_encoded).collect::<Vec<_>>().join("/"),
    };
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|pair| if pair.contains('=') { (*pair).to_string() } else { format!("{pair}=") })
        .collect();
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .filter(|(name, _)| {
            !matches!(name.to_ascii_lowercase().as_str(), "authorization" | "user-agent" | "accept")
        })
        .map(|(name, value)| {
            (name.to_ascii_lowercase(), value.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect();
    headers.push(("host".into(), host.to_string()));
    headers.sort();
    let signed = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let listed: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!(
        "{}\n{path}\n{}\n{listed}\n{signed}\n{}",
        request.method,
        pairs.join("&"),
        hex(&sha256(&request.body))
    );
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&sha256(canonical.as_bytes())));
    let mut key = format!("AWS4{}", credentials.secret_key).into_bytes();
    for part in [date.as_str(), region, service, "aws4_request"] {
        key = hmac_sha256(&key, part.as_bytes());
    }
    let signature = hex(&hmac_sha256(&key, text.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}",
        credentials.access_key
    );
    set(request, "authorization".into(), authorization);
}

/// Where a region's token service is.
fn sts(region: &str, fips: bool) -> String {
    format!("https://sts{}.{region}.{}", if fips { "-fips" } else { "" }, domain(region))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    fn header<'a>(request: &'a Request, name: &str) -> &'a str {
        request.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The example of Amazon's documentation: a GET of IAM's ListUsers.
    #[test]
    fn the_token_service_has_an_address_for_fips() {
        assert_eq!(sts("eu-west-1", false), "https://sts.eu-west-1.amazonaws.com");
        assert_eq!(sts("us-gov-west-1", true), "https://sts-fips.us-gov-west-1.amazonaws.com");
    }

    #[test]
    fn requests_are_signed_as_documented() {
        let credentials = Credentials {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: String::new(),
        };
        let mut request = Request::get("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        sign(&mut request, &credentials, "us-east-1", "iam", 1_440_938_160_000);
        assert_eq!(
            header(&request, "authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
        assert_eq!(header(&request, "x-amz-date"), "20150830T123600Z");
    }

    fn provider(settings: Settings, variables: &[(&str, &str)], server: &Server) -> Provider {
        Provider::new(settings, Surroundings::made_up(variables, &server.url())).unwrap()
    }

    const ANSWER: &str = "<AssumeRoleResult><Credentials><AccessKeyId>ROLE</AccessKeyId>\
        <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
        <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>";

    async fn server() -> Server {
        Server::start(|request| match (request.method.as_str(), request.path.as_str()) {
            ("PUT", "/latest/api/token") => Reply::new(200, "metadata-token"),
            ("GET", "/latest/meta-data/placement/region") => Reply::new(200, "eu-central-1"),
            ("GET", "/latest/meta-data/iam/security-credentials/") => Reply::new(200, "my-role"),
            ("GET", "/latest/meta-data/iam/security-credentials/my-role") => {
                assert_eq!(request.header("x-aws-ec2-metadata-token"), "metadata-token");
                Reply::json(&json!({"AccessKeyId": "MACHINE", "SecretAccessKey": "s", "Token": "t",
                    "Expiration": "2999-01-01T00:00:00Z"}))
            }
            ("GET", "/container") => {
                Reply::json(&json!({"AccessKeyId": "CONTAINER", "SecretAccessKey": "s"}))
            }
            ("POST", "/") => Reply::new(200, ANSWER),
            _ => Reply::new(404, ""),
        })
        .await
    }

    #[tokio::test]
    async fn the_chain_is_followed_in_order() {
        let server = server().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".aws")).unwrap();
        let file = folder.path().join(".aws/credentials");
        std::fs::write(file, "[other]\naws_access_key_id = FILE\naws_secret_access_key=s\n[sso]\n").unwrap();
        std::fs::write(
            folder.path().join(".aws/config"),
            "[profile sso]\nsso_session=x\n[profile other]\nregion=r\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("token"), "jwt").unwrap();
        let home = folder.path().display().to_string();
        let token = folder.path().join("token").display().to_string();
        let keys = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let inline = Settings { access_key: "INLINE".into(), secret_key: "s".into(), ..Settings::default() };
        let profile = Settings { profile: "other".into(), ..Settings::default() };
        let role = Settings { role_arn: "arn:r".into(), external_id: "x".into(), ..inline.clone() };
        for (settings, variables, expected) in [
            (inline, &keys[..], "INLINE"),
            (Settings::default(), &keys[..], "ENV"),
            (profile, &[keys[0], keys[1], ("HOME", &home)][..], "FILE"),
            (
                Settings::default(),
                &[("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), ("AWS_ROLE_ARN", "arn")][..],
                "ROLE",
            ),
            (
                Settings::default(),
                &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container")][..],
                "CONTAINER",
            ),
            (Settings::default(), &[][..], "MACHINE"),
            (role, &[][..], "ROLE"),
        ] {
            let found = provider(settings, variables, &server).credentials().await.unwrap();
            assert_eq!(found.access_key, expected);
        }
        let sts = server.requests().into_iter().filter(|request| request.path == "/").collect::<Vec<_>>();
        assert!(sts[0].text().contains("Action=AssumeRoleWithWebIdentity") && sts[0].text().contains("=jwt"));
        assert!(sts[1].text().contains("ExternalId=x") && sts[1].header("authorization").contains("INLINE"));
        let profile = |name: &str| Settings { profile: name.into(), ..Settings::default() };
        let error = provider(profile("sso"), &[("HOME", &home)], &server).credentials().await.unwrap_err();
        assert!(error.to_string().contains("uses sso_session, which is not supported"), "{error}");
        assert_eq!(provider(profile("other"), &[("HOME", &home)], &server).region().await.unwrap(), "r");
        assert_eq!(provider(Settings::default(), &[], &server).region().await.unwrap(), "eu-central-1");
    }

    #[tokio::test]
    async fn credentials_are_kept_until_they_end_or_are_refused() {
        let server = server().await;
        let provider = provider(Settings::default(), &[], &server);
        for _ in 0..3 {
            provider.credentials().await.unwrap();
        }
        let asked = server.requests().len();
        provider.forget().await;
        provider.credentials().await.unwrap();
        assert_eq!(server.requests().len(), 2 * asked);
    }
}
