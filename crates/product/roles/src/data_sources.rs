//! Data sources: what the settings say of them.

use std::path::{Path, PathBuf};

use ::dashboards::{GivenSource, SourceOptions};
use config::http_client::{PathBase, SecretSource, check_http_url};
use config::yaml::Value as Yaml;
use config::{Error, HttpClientConfig, Node, Secret};
use serde_json::{Map, Number, Value};

use crate::settings::Settings;

/// The environment variable with the key of data sources' secrets.
pub const KEY_VARIABLE: &str = "PROMONTORY_SECRETS_KEY";
/// The file of the data directory with the key that a server makes for itself.
const OWN_KEY_FILE: &str = "data-source-secrets.key";

/// What `promontory.yml` and the environment say of data sources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSourceSettings {
    /// Those that are named there.
    pub sources: Vec<GivenSource>,
    /// The file with the key of saved secrets.
    pub secrets_key_file: Option<PathBuf>,
    /// The header by which data sources are told the login of who asks.
    pub user_header: Option<String>,
    /// Hosts that may be at addresses at which clouds give credentials to their machines.
    pub allowed_hosts: Vec<String>,
}

impl DataSourceSettings {
    /// The section of a `promontory.yml`.
    pub const FILE_KEY: &str = "data_sources";

    /// Takes over what that section says.
    pub(crate) fn decode(&mut self, node: &Node, base: &PathBase) -> config::Result<()> {
        let mut fields = node.fields(Self::FILE_KEY)?;
        let path = |node: &Node| node.string().map(|text| base.join(&text));
        if let Some(file) = fields.optional("secrets_key_file", path)? {
            self.secrets_key_file = Some(file);
        }
        if let Some(name) = fields.optional("user_header", header_name)? {
            self.user_header = Some(name);
        }
        if let Some(hosts) = fields.optional("allowed_hosts", Node::strings)? {
            self.allowed_hosts = hosts;
        }
        if let Some(sources) = fields.optional("sources", |node| node.list(|node| source(node, base)))? {
            self.sources = sources;
        }
        fields.finish()
    }

    /// What the service is told. `variable` is the value of [`KEY_VARIABLE`], which counts at the start.
    pub(crate) fn options(
        &self,
        settings: &Settings,
        auth: &accounts::Settings,
        variable: Option<String>,
    ) -> SourceOptions {
        let by_file = self.secrets_key_file.clone().map(SecretSource::File);
        let by_variable =
            variable.filter(|text| !text.is_empty()).map(|text| SecretSource::Inline(Secret::new(text)));
        let proxy = auth.proxy.as_ref();
        let withheld = proxy.iter().flat_map(|proxy| [&proxy.header, &proxy.role_header]).flatten();
        SourceOptions {
            given: self.sources.clone(),
            provisioning_dirs: settings.dashboards.provisioning.iter().cloned().collect(),
            secrets_key: by_file.or(by_variable),
            own_key_file: Path::new(&settings.data_dir).join(OWN_KEY_FILE),
            state_is_shared: settings.replicas.database.is_some(),
            user_header: self.user_header.clone(),
            allowed_hosts: self.allowed_hosts.clone(),
            withheld_headers: withheld.map(ToString::to_string).collect(),
        }
    }
}

fn header_name(node: &Node) -> config::Result<String> {
    let text = node.string()?;
    let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_name { Ok(text) } else { Err(node.error(format!("expected the name of a header, found {text:?}"))) }
}

fn source(node: &Node, base: &PathBase) -> Result<GivenSource, Error> {
    let mut fields = node.fields("data_sources.sources")?;
    let client = HttpClientConfig::take(&mut fields, base)?;
    let needed = |text: Option<String>, what: &str| {
        text.filter(|text| !text.is_empty())
            .ok_or_else(|| node.error(format!("a data source needs a {what}")))
    };
    let name = needed(fields.optional("name", Node::string)?, "name")?;
    let url = fields.optional("url", |node| {
        let text = node.string()?;
        check_http_url(node, &text)?;
        if text.contains(['@', '?', '#']) {
            return Err(
                node.error("a URL is shown to people: credentials and parameters have settings of their own")
            );
        }
        Ok(text)
    })?;
    let settings = fields.or("settings", Map::new(), |node| match json(node)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(node.error("expected names and values")),
    })?;
    let source = GivenSource {
        uid: fields.optional("uid", Node::string)?,
        kind: fields.or("type", "prometheus".to_string(), Node::string)?,
        is_default: fields.or("default", false, Node::boolean)?,
        name,
        url: needed(url, "url")?,
        json_data: settings,
        client,
    };
    fields.finish()?;
    Ok(source)
}

/// What YAML says, as JSON.
fn json(node: &Node) -> config::Result<Value> {
    Ok(match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Binary(_) => return Err(node.error("expected a text, found bytes")),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json).collect::<config::Result<_>>()?),
        Yaml::Mapping(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| Ok((name.string()?, json(value)?)));
            Value::Object(pairs.collect::<config::Result<_>>()?)
        }
        Yaml::Scalar { text, plain } => match node.boolean() {
            Ok(boolean) if *plain => Value::Bool(boolean),
            _ => match serde_json::from_str::<Number>(text) {
                Ok(number) if *plain => Value::Number(number),
                _ => Value::String(text.clone()),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use config::http_client::Auth;

    use super::*;

    fn read(text: &str) -> config::Result<DataSourceSettings> {
        let mut settings = DataSourceSettings::default();
        settings.decode(&Node::parse(text).unwrap(), &PathBase::new(Path::new("/etc/p")))?;
        Ok(settings)
    }

    #[test]
    fn a_source_has_the_credentials_that_all_clients_have() {
        let text = "
secrets_key_file: key
allowed_hosts: [169.254.1.1]
sources:
  - name: Mimir
    uid: mimir
    url: https://mimir.example/prometheus
    default: true
    basic_auth: {username: me, password_file: password}
    http_headers: {X-Scope-OrgID: {values: [tenant]}}
    settings: {timeInterval: 30s, timeout: 60, tlsSkipVerify: true}
  - {name: Logs, type: loki, url: 'http://loki:3100'}
";
        let settings = read(text).unwrap();
        assert_eq!(settings.secrets_key_file, Some("/etc/p/key".into()));
        let mimir = &settings.sources[0];
        assert_eq!((mimir.kind.as_str(), mimir.is_default), ("prometheus", true));
        assert!(matches!(&mimir.client.auth, Auth::Basic { password: Some(SecretSource::File(path)), .. }
            if path == Path::new("/etc/p/password")));
        assert_eq!(mimir.json_data["timeout"], 60);
        assert_eq!(settings.sources[1].kind, "loki");
        for (text, expected) in [
            ("sources: [{url: 'http://h'}]", "needs a name"),
            ("sources: [{name: a}]", "needs a url"),
            ("sources: [{name: a, url: 'http://u:p@h'}]", "settings of their own"),
            ("sources: [{name: a, url: 'http://h', nmae: b}]", "nmae"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
