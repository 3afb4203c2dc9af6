//! Ways to say who we are that clouds have invented, beside those of every HTTP client.

use std::path::PathBuf;

use cloud::azure::{Cloud, Identity};
use cloud::{Signer, Surroundings};
use config::http_client::{Auth, HttpClientConfig, PathBase};
use config::{Fields, Node, Result, Secret};

/// How requests are signed for a cloud.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum CloudAuth {
    /// They are not.
    #[default]
    None,
    /// Amazon's Signature Version 4.
    SigV4 {
        /// The region, or empty for the one of the environment.
        region: String,
        /// The access key, or empty for the credentials of the environment.
        access_key: String,
        /// The secret that goes with it.
        secret_key: Secret,
        /// A profile of the credentials' file.
        profile: String,
        /// A role to assume.
        role_arn: String,
        /// An identifier that the role's owner demands.
        external_id: String,
        /// The service that the signature is for, or empty for the default.
        service_name: String,
        /// Whether the token service is asked at its FIPS address.
        use_fips_sts_endpoint: bool,
    },
    /// Microsoft Entra, which was Azure AD.
    AzureAd {
        /// `AzurePublic`, `AzureGovernment` or `AzureChina`.
        cloud: String,
        /// The one section that says how.
        method: &'static str,
        /// What it says.
        identity: AzureIdentity,
        /// What tokens are asked for, or empty for the default of the cloud.
        scope: String,
    },
    /// Google's identity and access management.
    GoogleIam {
        /// The credentials, or nothing for those of the environment.
        credentials_file: Option<PathBuf>,
    },
}

/// What the section of `azuread` says, as far as it has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AzureIdentity {
    /// The application, or the machine's identity.
    pub client_id: String,
    /// The directory.
    pub tenant_id: String,
    /// The secret of the application.
    pub client_secret: Secret,
    /// The file of a workload's token.
    pub token_file: String,
}

/// Takes `sigv4`, `azuread` and `google_iam`; with the client's own settings at most one may be there.
pub(super) fn take(fields: &mut Fields<'_>, http: &HttpClientConfig, base: &PathBase) -> Result<CloudAuth> {
    let mut configured: Vec<&str> = match http.auth {
        Auth::None => Vec::new(),
        Auth::Basic { .. } => vec!["basic_auth"],
        Auth::Authorization { .. } => vec!["authorization"],
        Auth::OAuth2(_) => vec!["oauth2"],
    };
    let mut auth = CloudAuth::None;
    if let Some(sigv4) = fields.optional("sigv4", sigv4)? {
        configured.push("sigv4");
        auth = sigv4;
    }
    if let Some(azure) = fields.optional("azuread", azure_ad)? {
        configured.push("azuread");
        auth = azure;
    }
    if let Some(google) = fields.optional("google_iam", |node| google_iam(node, base))? {
        configured.push("google_iam");
        auth = google;
    }
    if configured.len() > 1 {
        return Err(fields.error(format!(
            "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured. \
             Currently configured: [{}]",
            configured.join(" ")
        )));
    }
    Ok(auth)
}

pub(super) fn sigv4(node: &Node) -> Result<CloudAuth> {
    let mut fields = node.fields("sigv4.plain")?;
    let region = fields.or("region", String::new(), Node::string)?;
    let access_key = fields.or("access_key", String::new(), Node::string)?;
    let secret_key = fields.or("secret_key", Secret::default(), Node::secret)?;
    let profile = fields.or("profile", String::new(), Node::string)?;
    let role_arn = fields.or("role_arn", String::new(), Node::string)?;
    let external_id = fields.or("external_id", String::new(), Node::string)?;
    let use_fips_sts_endpoint = fields.or("use_fips_sts_endpoint", false, Node::boolean)?;
    let service_name = fields.or("service_name", String::new(), Node::string)?;
    if access_key.is_empty() != secret_key.is_empty() {
        return Err(fields.error(
            "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
        ));
    }
    fields.finish()?;
    Ok(CloudAuth::SigV4 {
        region,
        access_key,
        secret_key,
        profile,
        role_arn,
        external_id,
        service_name,
        use_fips_sts_endpoint,
    })
}

fn google_iam(node: &Node, base: &PathBase) -> Result<CloudAuth> {
    let mut fields = node.fields("googleiam.Config")?;
    let credentials_file = fields.optional("credentials_file", Node::string)?.map(|path| base.join(&path));
    fields.finish()?;
    Ok(CloudAuth::GoogleIam { credentials_file })
}

/// A section of `azuread`: its key, its name in errors, what it must have, what it may have.
struct Method {
    key: &'static str,
    name: &'static str,
    type_name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const METHODS: [Method; 5] = [
    Method {
        key: "managed_identity",
        name: "Managed Identity",
        type_name: "azuread.ManagedIdentityConfig",
        required: &[],
        optional: &["client_id"],
    },
    Method {
        key: "workload_identity",
        name: "Workload Identity",
        type_name: "azuread.WorkloadIdentityConfig",
        required: &["client_id", "tenant_id"],
        optional: &["token_file_path"],
    },
    Method {
        key: "oauth",
        name: "OAuth",
        type_name: "azuread.OAuthConfig",
        required: &["client_id", "client_secret", "tenant_id"],
        optional: &[],
    },
    Method {
        key: "sdk",
        name: "SDK",
        type_name: "azuread.SDKConfig",
        required: &[],
        optional: &["tenant_id"],
    },
    Method {
        key: "certificate",
        name: "Certificate",
        type_name: "azuread.CertificateConfig",
        required: &["client_id", "tenant_id", "certificate_path"],
        optional: &["certificate_key_path", "certificate_password", "send_certificate_chain"],
    },
];

fn azure_ad(node: &Node) -> Result<CloudAuth> {
    let mut fields = node.fields("azuread.plain")?;
    let cloud = fields.or("cloud", "AzurePublic".to_string(), Node::string)?;
    let scope_node = fields.take("scope");
    let scope = scope_node.map(Node::string).transpose()?.unwrap_or_default();
    let mut used = Vec::new();
    for method in &METHODS {
        if let Some(identity) = fields.optional(method.key, |node| method.check(node))? {
            used.push((method.key, identity));
        }
    }
    if !matches!(cloud.as_str(), "" | "AzurePublic" | "AzureGovernment" | "AzureChina") {
        return Err(fields.error(
            "must provide a cloud in the Azure AD config; allowed are AzurePublic, AzureGovernment, AzureChina",
        ));
    }
    let (method, identity) = match used.as_slice() {
        [(method, identity)] => (*method, identity.clone()),
        [] => {
            return Err(fields.error(
                "must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth, Azure Certificate or \
                 Azure SDK in the Azure AD config",
            ));
        }
        _ => {
            return Err(fields.error("cannot provide multiple authentication methods in the Azure AD config"));
        }
    };
    let is_scope = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "_:/.-".contains(c);
    if !scope.chars().all(is_scope) {
        return Err(scope_node.unwrap_or(node).error("the provided scope contains invalid characters"));
    }
    fields.finish()?;
    Ok(CloudAuth::AzureAd { cloud, method, identity, scope })
}

impl Method {
    fn check(&self, node: &Node) -> Result<AzureIdentity> {
        let mut fields = node.fields(self.type_name)?;
        for name in self.optional {
            fields.optional(name, Node::string)?;
        }
        for name in self.required {
            if fields.or(name, String::new(), Node::string)?.is_empty() {
                let method = self.name;
                return Err(
                    fields.error(format!("must provide an Azure {method} {name} in the Azure AD config"))
                );
            }
        }
        if let Some(id) = node.get("client_id")
            && !is_uuid(&id.string()?)
        {
            return Err(id.error(format!("the provided Azure {} client_id is invalid", self.name)));
        }
        fields.finish()?;
        let text = |name: &str| node.get(name).map(Node::string).transpose().map(Option::unwrap_or_default);
        Ok(AzureIdentity {
            client_id: text("client_id")?,
            tenant_id: text("tenant_id")?,
            client_secret: node.get("client_secret").map(Node::secret).transpose()?.unwrap_or_default(),
            token_file: text("token_file_path")?,
        })
    }
}

/// Where Kubernetes puts the token of a workload.
const WORKLOAD_TOKEN_FILE: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

impl CloudAuth {
    /// What signs requests of remote write; `None` if nothing has to.
    pub fn signer(&self) -> std::result::Result<Option<Signer>, cloud::Error> {
        let here = Surroundings::of_process();
        Ok(match self {
            CloudAuth::None => None,
            CloudAuth::SigV4 {
                region,
                access_key,
                secret_key,
                profile,
                role_arn,
                external_id,
                service_name,
                use_fips_sts_endpoint,
            } => {
                let settings = cloud::aws::Settings {
                    access_key: access_key.clone(),
                    secret_key: secret_key.expose().to_string(),
                    profile: profile.clone(),
                    role_arn: role_arn.clone(),
                    external_id: external_id.clone(),
                    region: region.clone(),
                    fips_sts: *use_fips_sts_endpoint,
                };
                let service = if service_name.is_empty() { "aps" } else { service_name };
                Some(Signer::Aws(Box::new(cloud::aws::Provider::new(settings, here)?), service.to_string()))
            }
            CloudAuth::AzureAd { cloud, method, identity, scope } => {
                let of = identity.clone();
                let identity = match *method {
                    "managed_identity" => Identity::Managed { client_id: of.client_id },
                    "oauth" => Identity::Secret {
                        tenant_id: of.tenant_id,
                        client_id: of.client_id,
                        client_secret: of.client_secret.expose().to_string(),
                    },
                    "workload_identity" => Identity::Workload {
                        tenant_id: of.tenant_id,
                        client_id: of.client_id,
                        token_file: match of.token_file.as_str() {
                            "" => WORKLOAD_TOKEN_FILE.to_string(),
                            file => file.to_string(),
                        },
                    },
                    "sdk" => Identity::Environment,
                    other => {
                        return Err(cloud::Error::Config(format!("azuread.{other} is not supported yet")));
                    }
                };
                let (authority, monitor) = match cloud.as_str() {
                    "AzureChina" => ("https://login.chinacloudapi.cn", "https://monitor.azure.cn/"),
                    "AzureGovernment" => ("https://login.microsoftonline.us", "https://monitor.azure.us/"),
                    _ => ("https://login.microsoftonline.com", "https://monitor.azure.com/"),
                };
                let asked =
                    if scope.is_empty() { monitor } else { scope.strip_suffix("/.default").unwrap_or(scope) };
                let cloud = Cloud { authority: authority.to_string(), management: asked.to_string() };
                let http = HttpClientConfig::default();
                Some(Signer::Azure(cloud::azure::Provider::new(cloud, identity, &http, here)?))
            }
            CloudAuth::GoogleIam { credentials_file } => {
                let scope = "https://www.googleapis.com/auth/monitoring.write";
                let provider = cloud::google::Provider::new(scope, here)?;
                Some(Signer::Google(provider.with_file(credentials_file.clone())))
            }
        })
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
