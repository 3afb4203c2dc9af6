//! What is told about people: the section `auth` of `promontory.yml`.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use config::http_client::{PathBase, SecretSource, TlsConfig, check_http_url, tls};
use config::{Error, Node};
use http::HeaderName;
use model::Role;

/// How slow the hash of a password is: bcrypt's cost.
const HASH_COST: u32 = 11;

/// How people come in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether one must log in at this machine too.
    pub require_login: bool,
    /// What somebody may do who does not say who they are.
    pub anonymous_role: Option<Role>,
    /// A session that was not used for so long has ended.
    pub session_idle: Duration,
    /// A session has ended after this time, used or not.
    pub session_lifetime: Duration,
    /// The first administrator's password; a file is followed.
    pub admin_password: Option<SecretSource>,
    /// A proxy that says who somebody is.
    pub proxy: Option<ProxySettings>,
    /// An OpenID provider.
    pub oidc: Option<OidcSettings>,
    /// bcrypt's cost, 4 to 31; no file sets it.
    pub hash_cost: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            require_login: false,
            anonymous_role: None,
            session_idle: Duration::from_secs(7 * 24 * 3_600),
            session_lifetime: Duration::from_secs(30 * 24 * 3_600),
            admin_password: None,
            proxy: None,
            oidc: None,
            hash_cost: HASH_COST,
        }
    }
}

/// What the command line says, which goes before the file, also at a reload.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// One must log in at this machine too.
    pub require_login: bool,
    /// See [`Settings::anonymous_role`].
    pub anonymous_role: Option<Role>,
    /// See [`Settings::admin_password`].
    pub admin_password: Option<SecretSource>,
}

impl Overrides {
    /// The settings with this in place of what the file says.
    pub fn over(&self, settings: &Settings) -> Settings {
        Settings {
            require_login: self.require_login || settings.require_login,
            anonymous_role: self.anonymous_role.or(settings.anonymous_role),
            admin_password: self.admin_password.clone().or_else(|| settings.admin_password.clone()),
            ..settings.clone()
        }
    }
}

/// A proxy in front of us.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// The header with the login; none if the proxy only forwards.
    pub header: Option<HeaderName>,
    /// The header with the role.
    pub role_header: Option<HeaderName>,
    /// What somebody may do whose role is not said; `None` keeps out who has no account here.
    pub default_role: Option<Role>,
    /// Whose headers count.
    pub trusted: Vec<Cidr>,
}

/// An OpenID provider.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// What the button says.
    pub name: String,
    /// The provider, as its discovery document names it.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// How we prove who we are; a file is read again at each sign-in.
    pub client_secret: Option<SecretSource>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that becomes the login.
    pub login_claim: String,
    /// Which role somebody gets; the highest that fits.
    pub roles: Vec<RoleRule>,
    /// The role where no rule fits; `None` refuses.
    pub default_role: Option<Role>,
    /// The claim whose values are the names of teams.
    pub teams_claim: Option<String>,
    /// TLS to the provider.
    pub tls: TlsConfig,
}

/// Who has a value among a claim's gets a role.
#[derive(Clone, Debug)]
pub struct RoleRule {
    /// The claim; parts of a path are separated by dots.
    pub claim: String,
    /// The value.
    pub value: String,
    /// The role.
    pub role: Role,
}

/// What the server that people come to is like.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Whether only this machine can connect, and nobody is told another address.
    pub is_local: bool,
    /// Whether everybody is let in as if at this machine.
    pub allow_unauthenticated: bool,
    /// Where people reach the server, without a slash at the end.
    pub external_url: String,
    /// The path of that, with a slash at both ends.
    pub external_path: String,
    /// Whether people come over TLS.
    pub is_encrypted: bool,
    /// The version of the program.
    pub version: &'static str,
}

/// Addresses with a beginning in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix_bits: u8,
}

impl Cidr {
    /// Whether an address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let shift = 32 - u32::from(self.prefix_bits);
                u64::from(u32::from(a)) >> shift == u64::from(u32::from(b)) >> shift
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let differs = u128::from(a) ^ u128::from(b);
                differs.leading_zeros() >= u32::from(self.prefix_bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Cidr, String> {
        let bad = || format!("expected addresses such as 10.0.0.0/8 or an address, found {text:?}");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| bad())?.to_canonical();
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= bits_max).ok_or_else(bad)?,
            None => bits_max,
        };
        Ok(Cidr { address, prefix_bits })
    }
}

impl Settings {
    /// The section of a `promontory.yml`.
    pub const FILE_KEY: &str = "auth";

    /// Takes over what that section says.
    pub fn decode(&mut self, node: &Node, base: &PathBase) -> config::Result<()> {
        let mut fields = node.fields("auth")?;
        self.require_login = fields.or("require_login", self.require_login, Node::boolean)?;
        if let Some(role) = fields.optional("anonymous_role", anonymous_role)? {
            self.anonymous_role = Some(role);
        }
        if let Some(path) = fields.optional("admin_password_file", Node::string)? {
            self.admin_password = Some(SecretSource::File(base.join(&path)));
        }
        if let Some(node) = fields.take("session").filter(|node| !node.is_null()) {
            let mut session = node.fields("session")?;
            self.session_idle = session.or("idle", self.session_idle, positive)?;
            self.session_lifetime = session.or("lifetime", self.session_lifetime, positive)?;
            session.finish()?;
        }
        if let Some(proxy) = fields.optional("proxy", proxy)? {
            self.proxy = Some(proxy);
        }
        if let Some(oidc) = fields.optional("oidc", |node| oidc(node, base))? {
            self.oidc = Some(oidc);
        }
        fields.finish()
    }
}

/// The role of who does not say who they are; it must be one with which something can be seen.
pub fn parse_anonymous_role(text: &str) -> Result<Role, String> {
    match text.parse()? {
        Role::None => Err("expected viewer, editor or admin; leave it out to let nobody in unknown".into()),
        role => Ok(role),
    }
}

fn anonymous_role(node: &Node) -> config::Result<Role> {
    parse_anonymous_role(&node.string()?).map_err(|message| node.error(message))
}

fn positive(node: &Node) -> config::Result<Duration> {
    match node.duration_ms()? {
        ms if ms > 0 => Ok(Duration::from_millis(ms.unsigned_abs())),
        _ => Err(node.error(format!("expected a time above 0, found {}", node.shown()))),
    }
}

fn role(node: &Node) -> config::Result<Role> {
    node.string()?.parse().map_err(|message: String| node.error(message))
}

fn header_name(node: &Node) -> config::Result<HeaderName> {
    let text = node.string()?;
    text.parse().map_err(|_| node.error(format!("expected the name of a header, found {text:?}")))
}

fn text(node: &Node) -> config::Result<String> {
    match node.string()? {
        text if text.is_empty() => Err(node.error("expected a text, found nothing")),
        text => Ok(text),
    }
}

fn proxy(node: &Node) -> config::Result<ProxySettings> {
    let mut fields = node.fields("auth proxy")?;
    let settings = ProxySettings {
        header: fields.optional("header", header_name)?,
        role_header: fields.optional("role_header", header_name)?,
        default_role: fields.optional("default_role", role)?,
        trusted: fields.or("trusted", Vec::new(), |node| {
            node.list(|node| node.string()?.parse().map_err(|message: String| node.error(message)))
        })?,
    };
    fields.finish()?;
    if settings.trusted.is_empty() {
        return Err(node.error("name the proxies whose headers count, such as trusted: [10.0.0.0/8]"));
    }
    if settings.role_header.is_some() && settings.header.is_none() {
        return Err(node.error("a role_header needs a header with the login"));
    }
    Ok(settings)
}

fn oidc(node: &Node, base: &PathBase) -> config::Result<OidcSettings> {
    let mut fields = node.fields("auth oidc")?;
    let missing = |name: &str| -> Error { node.error(format!("an OpenID provider needs {name}")) };
    let issuer = fields.optional("issuer", |node| {
        let url = node.string()?;
        check_http_url(node, &url)?;
        Ok(url)
    })?;
    let client_id = fields.optional("client_id", text)?;
    let secret = fields.optional("client_secret", Node::secret)?;
    let secret_file = fields.optional("client_secret_file", Node::string)?;
    let client_secret = match (secret, secret_file) {
        (Some(_), Some(_)) => return Err(node.error("name client_secret or client_secret_file, not both")),
        (Some(secret), None) => Some(SecretSource::Inline(secret)),
        (None, Some(path)) => Some(SecretSource::File(base.join(&path))),
        (None, None) => None,
    };
    let scopes = ["openid", "profile", "email"].map(String::from).to_vec();
    let settings = OidcSettings {
        name: fields.or("name", "OpenID Connect".into(), text)?,
        issuer: issuer.ok_or_else(|| missing("an issuer"))?,
        client_id: client_id.ok_or_else(|| missing("a client_id"))?,
        client_secret,
        scopes: fields.or("scopes", scopes, Node::strings)?,
        login_claim: fields.or("login_claim", "preferred_username".into(), text)?,
        roles: fields.or("roles", Vec::new(), |node| node.list(role_rule))?,
        default_role: fields.optional("default_role", role)?,
        teams_claim: fields.optional("teams_claim", text)?,
        tls: fields.or("tls_config", TlsConfig::default(), |node| tls(node, base))?,
    };
    fields.finish()?;
    if settings.roles.is_empty() && settings.default_role.is_none() {
        return Err(node.error("nobody could come in: name roles, or a default_role"));
    }
    if !settings.scopes.iter().any(|scope| scope == "openid") {
        return Err(node.error("the scopes must contain openid"));
    }
    Ok(settings)
}

fn role_rule(node: &Node) -> config::Result<RoleRule> {
    let mut fields = node.fields("role rule")?;
    let missing = |name: &str| node.error(format!("a rule for roles needs {name}"));
    let claim = fields.optional("claim", text)?;
    let value = fields.optional("value", text)?;
    let role = fields.optional("role", role)?;
    fields.finish()?;
    Ok(RoleRule {
        claim: claim.ok_or_else(|| missing("a claim"))?,
        value: value.ok_or_else(|| missing("a value"))?,
        role: role.ok_or_else(|| missing("a role"))?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        let node = Node::parse(text).map_err(|error| error.to_string())?;
        settings
            .decode(&node, &PathBase::new(Path::new("/etc")))
            .map_err(|error| error.in_file("promontory.yml").to_string())?;
        Ok(settings)
    }

    #[test]
    fn mistakes_name_their_place_and_what_would_be_right() {
        for (text, expected) in [
            ("anonymous_role: root", "promontory.yml:1:17: \"root\" is no role"),
            ("proxy: {header: X-User}", "trusted: [10.0.0.0/8]"),
            ("proxy: {trusted: [10.0.0.0/33]}", "promontory.yml:1:19: expected addresses"),
            ("proxy: {role_header: X-Role, trusted: [::1]}", "needs a header"),
            ("oidc: {issuer: https://id.example}", "needs a client_id"),
            ("oidc: {issuer: https://id.example, client_id: a}", "name roles, or a default_role"),
            (
                "oidc: {issuer: https://id.example, client_id: a, default_role: viewer, scopes: [email]}",
                "openid",
            ),
            (
                "oidc: {issuer: https://i.example, client_id: a, roles: [{claim: g, role: Admin}]}",
                "needs a value",
            ),
            ("session: {idle: 0s}", "above 0"),
            ("anonymous_role: none", "promontory.yml:1:17: expected viewer, editor or admin"),
            ("sesion: {}", "did you mean session?"),
        ] {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let settings = read("anonymous_role: viewer\nadmin_password_file: secret\n").unwrap();
        assert_eq!(settings.anonymous_role, Some(Role::Viewer));
        assert_eq!(settings.admin_password, Some(SecretSource::File("/etc/secret".into())));
    }

    #[test]
    fn addresses_are_compared_by_their_beginning() {
        for (cidr, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::/0", "2001:db8::", true),
            ("::1", "::2", false),
        ] {
            assert_eq!(
                cidr.parse::<Cidr>().unwrap().contains(address.parse().unwrap()),
                expected,
                "{cidr} {address}"
            );
        }
    }
}
