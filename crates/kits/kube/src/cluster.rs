//! Where a cluster's API is and who we are there: from inside a pod, from a kubeconfig file, or as
//! configured.

use std::path::Path;

use config::http_client::{Auth, PathBase, ProxyConfig, SecretSource, TlsConfig};
use config::secret::Secret;
use config::{HttpClientConfig, Node};

use crate::client::Error;

/// Where a pod finds its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A cluster's API and how to reach it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The API, such as `https://10.0.0.1:6443`; it may have a path.
    pub url: String,
    /// Credentials and TLS settings. Tokens and certificates in files are read again when they change.
    pub http: HttpClientConfig,
}

impl Cluster {
    /// The cluster of the pod we run in, with the pod's service account.
    pub fn in_cluster() -> Result<Cluster, Error> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        Cluster::of_pod(
            &variable("KUBERNETES_SERVICE_HOST"),
            &variable("KUBERNETES_SERVICE_PORT"),
            Path::new(SERVICE_ACCOUNT),
        )
    }

    fn of_pod(host: &str, port: &str, account: &Path) -> Result<Cluster, Error> {
        if host.is_empty() || port.is_empty() {
            return Err(Error::Config(
                "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be \
                 defined"
                    .into(),
            ));
        }
        let token = account.join("token");
        if let Err(error) = std::fs::metadata(&token) {
            return Err(Error::Config(format!(
                "the service account has no token {}: {error}",
                token.display()
            )));
        }
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
        let ca = account.join("ca.crt");
        Ok(Cluster {
            url: format!("https://{host}:{port}"),
            http: HttpClientConfig {
                auth: Auth::Authorization { kind: "Bearer".into(), credentials: SecretSource::File(token) },
                tls: TlsConfig { ca: ca.exists().then_some(SecretSource::File(ca)), ..TlsConfig::default() },
                ..HttpClientConfig::default()
            },
        })
    }

    /// The current context of a kubeconfig file. A user that runs a program for its credentials, or
    /// an `auth-provider`, is refused by name.
    pub fn of_kubeconfig(path: &Path) -> Result<Cluster, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::Config(format!("{}: {error}", path.display())))?;
        kubeconfig(&text, &PathBase::of_file(path))
            .map_err(|message| Error::Config(format!("{}: {message}", path.display())))
    }
}

/// The namespace of the pod we run in.
pub fn own_namespace() -> Result<String, Error> {
    namespace_in(Path::new(SERVICE_ACCOUNT))
}

fn namespace_in(account: &Path) -> Result<String, Error> {
    match std::fs::read_to_string(account.join("namespace")) {
        Ok(text) if text.is_empty() => {
            Err(Error::Config("could not read own namespace name (empty file)".into()))
        }
        Ok(text) => Ok(text.trim().to_string()),
        Err(error) => Err(Error::Config(format!("could not determine the pod's namespace: {error}"))),
    }
}

fn kubeconfig(text: &str, base: &PathBase) -> Result<Cluster, String> {
    let root = Node::parse(text).map_err(|error| error.to_string())?;
    let text = |node: &Node, name: &str| {
        node.get(name).filter(|node| !node.is_null()).and_then(|node| node.string().ok()).unwrap_or_default()
    };
    let named = |list: &str, part: &str, name: &str| -> Result<Node, String> {
        let entries =
            root.get(list).and_then(|list| list.list(|entry| Ok(entry.clone())).ok()).unwrap_or_default();
        let entry = entries.into_iter().find(|entry| text(entry, "name") == name);
        entry
            .and_then(|entry| entry.get(part).cloned())
            .ok_or_else(|| format!("{list} has no entry {name:?}"))
    };
    let current = text(&root, "current-context");
    if current.is_empty() {
        return Err("current-context is not set".into());
    }
    let context = named("contexts", "context", &current)?;
    let cluster = named("clusters", "cluster", &text(&context, "cluster"))?;
    let user = match text(&context, "user") {
        name if name.is_empty() => None,
        name => Some(named("users", "user", &name)?),
    };
    // What stands in the file wins over what it points to, as kubectl has it.
    let source = |node: &Node, name: &str| -> Result<Option<SecretSource>, String> {
        let data = text(node, &format!("{name}-data"));
        if !data.is_empty() {
            // Editors wrap long lines.
            let digits = data.replace(|c: char| c.is_ascii_whitespace(), "");
            let bytes =
                net::client::base64_decoded(&digits).ok_or_else(|| format!("{name}-data is not base64"))?;
            let pem = String::from_utf8(bytes).map_err(|_| format!("{name}-data is not PEM"))?;
            return Ok(Some(SecretSource::Inline(Secret::new(pem))));
        }
        let path = text(node, name);
        Ok((!path.is_empty()).then(|| SecretSource::File(base.join(&path))))
    };
    let server = text(&cluster, "server");
    if !server.starts_with("http://") && !server.starts_with("https://") {
        return Err(format!("server {server:?} is not a URL"));
    }
    let mut tls = TlsConfig {
        ca: source(&cluster, "certificate-authority")?,
        server_name: text(&cluster, "tls-server-name"),
        insecure_skip_verify: text(&cluster, "insecure-skip-tls-verify") == "true",
        ..TlsConfig::default()
    };
    let mut auth = Auth::None;
    if let Some(user) = &user {
        for unsupported in ["exec", "auth-provider"] {
            if user.get(unsupported).is_some_and(|node| !node.is_null()) {
                return Err(format!(
                    "the user's {unsupported} is not supported: no program is run for credentials; use a token, a \
                     tokenFile or a client certificate"
                ));
            }
        }
        tls.cert = source(user, "client-certificate")?;
        tls.key = source(user, "client-key")?;
        let token_file = text(user, "tokenFile");
        let token = text(user, "token");
        let username = text(user, "username");
        let bearer = |credentials| Auth::Authorization { kind: "Bearer".into(), credentials };
        if !token_file.is_empty() {
            auth = bearer(SecretSource::File(base.join(&token_file)));
        } else if !token.is_empty() {
            auth = bearer(SecretSource::Inline(Secret::new(token)));
        } else if !username.is_empty() {
            auth = Auth::Basic {
                username: SecretSource::Inline(Secret::new(username)),
                password: Some(SecretSource::Inline(Secret::new(text(user, "password")))),
            };
        }
    }
    let proxy = text(&cluster, "proxy-url");
    let proxy = ProxyConfig { url: Some(proxy).filter(|url| !url.is_empty()), ..ProxyConfig::default() };
    Ok(Cluster { url: server, http: HttpClientConfig { auth, tls, proxy, ..HttpClientConfig::default() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_finds_its_cluster_by_its_service_account() {
        let folder = tempfile::tempdir().unwrap();
        let account = folder.path();
        assert!(
            Cluster::of_pod("", "443", account).unwrap_err().to_string().contains("KUBERNETES_SERVICE_HOST")
        );
        assert!(Cluster::of_pod("10.0.0.1", "443", account).unwrap_err().to_string().contains("no token"));
        std::fs::write(account.join("token"), "abc\n").unwrap();
        std::fs::write(account.join("namespace"), "mine").unwrap();
        assert_eq!(Cluster::of_pod("10.0.0.1", "443", account).unwrap().url, "https://10.0.0.1:443");
        assert_eq!(Cluster::of_pod("fd00::1", "443", account).unwrap().url, "https://[fd00::1]:443");
        assert_eq!(namespace_in(account).unwrap(), "mine");
    }

    const FILE: &str = "
apiVersion: v1
kind: Config
current-context: two
clusters:
- name: c
  cluster: {server: 'https://example.com:6443', certificate-authority-data: aGVsbG8=}
contexts:
- {name: one, context: {cluster: c, user: runs}}
- {name: two, context: {cluster: c, user: u}}
users:
- name: u
  user: {client-certificate: me.crt, client-key-data: aGVsbG8, token: t}
- name: runs
  user: {exec: {command: aws}}
";

    #[test]
    fn a_kubeconfig_names_server_authority_and_credentials() {
        let base = PathBase::new(Path::new("/etc/k"));
        let cluster = kubeconfig(FILE, &base).unwrap();
        let inline = |text: &str| Some(SecretSource::Inline(Secret::new(text.into())));
        assert_eq!(cluster.url, "https://example.com:6443");
        assert_eq!((cluster.http.tls.ca, cluster.http.tls.key), (inline("hello"), inline("hello")));
        assert_eq!(cluster.http.tls.cert, Some(SecretSource::File("/etc/k/me.crt".into())));
        assert!(matches!(cluster.http.auth, Auth::Authorization { .. }));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let base = PathBase::new(Path::new(""));
        for (from, to, expected) in [
            ("current-context: two", "current-context: one", "the user's exec is not supported"),
            ("current-context: two", "current-context: none", "contexts has no entry \"none\""),
            ("current-context: two", "", "current-context is not set"),
            ("https://example", "example", "is not a URL"),
            ("aGVsbG8=", "a$b", "certificate-authority-data is not base64"),
        ] {
            let error = kubeconfig(&FILE.replace(from, to), &base).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
