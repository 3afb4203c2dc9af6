//! Dashboards: what the settings say of them, and the service that keeps them.

use std::path::PathBuf;
use std::sync::Arc;

use ::dashboards::provisioning::Problem;
use ::dashboards::provisioning::providers::Provider;
use ::dashboards::{Dashboards, Deps, Named, Options, People, Visitor};
use accounts::Accounts;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use base::Clock;
use config::http_client::PathBase;
use config::{Error, Node};
use exposition::Registry;
use kube::{Client, Cluster};
use state::State;

use crate::data_sources::KEY_VARIABLE;
use crate::settings::{Mode, Settings};

/// What `promontory.yml` and the flags say of dashboards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DashboardSettings {
    /// Folders of files with dashboards.
    pub folders: Vec<DashboardFolder>,
    /// A folder with Grafana's provisioning files.
    pub provisioning: Option<PathBuf>,
    /// ConfigMaps of a cluster, if they are followed.
    pub config_maps: Option<ConfigMapSettings>,
}

/// Which ConfigMaps with the label `grafana_dashboard: "1"` are followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMapSettings {
    /// Namespaces; all if there are none.
    pub namespaces: Vec<String>,
    /// How the cluster is reached; as a pod in it if there is no such file.
    pub kubeconfig_file: Option<PathBuf>,
}

/// A folder of files with dashboards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DashboardFolder {
    /// Where the files are.
    pub path: PathBuf,
    /// The folder in which people find them; folders of files become folders if there is none.
    pub folder: Option<String>,
}

impl DashboardSettings {
    /// The section of a `promontory.yml`.
    pub const FILE_KEY: &str = "dashboards";

    /// Takes over what that section says.
    pub(crate) fn decode(&mut self, node: &Node, base: &PathBase) -> config::Result<()> {
        let mut fields = node.fields(Self::FILE_KEY)?;
        let path = |node: &Node| node.string().map(|text| base.join(&text));
        if let Some(dir) = fields.optional("provisioning", path)? {
            self.provisioning = Some(dir);
        }
        if let Some(folders) = fields.optional("folders", |node| node.list(|node| folder(node, base)))? {
            self.folders = folders;
        }
        if let Some(node) = fields.take("config_maps") {
            self.config_maps = config_maps(node, base)?;
        }
        fields.finish()
    }

    fn providers(&self) -> Vec<Provider> {
        let provider = |folder: &DashboardFolder| Provider {
            folders_from_files: folder.folder.is_none(),
            ..Provider::new(
                folder.path.display().to_string(),
                folder.path.clone(),
                folder.folder.as_deref().unwrap_or(""),
            )
        };
        self.folders.iter().map(provider).collect()
    }
}

/// `true`, or what is followed and where.
fn config_maps(node: &Node, base: &PathBase) -> Result<Option<ConfigMapSettings>, Error> {
    if let Ok(is_on) = node.boolean() {
        return Ok(is_on.then(ConfigMapSettings::default));
    }
    let mut fields = node.fields("dashboards.config_maps")?;
    let settings = ConfigMapSettings {
        namespaces: fields.or("namespaces", Vec::new(), Node::strings)?,
        kubeconfig_file: fields
            .optional("kubeconfig_file", |node| node.string().map(|text| base.join(&text)))?,
    };
    fields.finish()?;
    Ok(Some(settings))
}

impl ConfigMapSettings {
    /// Follows them until the process ends.
    fn follow(&self, dashboards: &Dashboards) -> Result<(), kube::Error> {
        let cluster = match &self.kubeconfig_file {
            Some(path) => Cluster::of_kubeconfig(path)?,
            None => Cluster::in_cluster()?,
        };
        let client = Client::new(&cluster)?;
        let named = self.namespaces.iter().cloned().map(Some);
        let namespaces = if self.namespaces.is_empty() { vec![None] } else { named.collect() };
        for namespace in namespaces {
            let (dashboards, client) = (dashboards.clone(), client.clone());
            tokio::spawn(async move { dashboards.follow_config_maps(client, namespace).await });
        }
        Ok(())
    }
}

fn folder(node: &Node, base: &PathBase) -> Result<DashboardFolder, Error> {
    let mut fields = node.fields("dashboards.folders")?;
    let path = fields.optional("path", |node| node.string().map(|text| base.join(&text)))?;
    let path = path.ok_or_else(|| node.error("a folder of dashboards needs a path"))?;
    let folder = fields.optional("folder", Node::string)?;
    fields.finish()?;
    Ok(DashboardFolder { path, folder })
}

/// Starts the service, unless the process only stands in for something without dashboards.
pub(crate) async fn start(
    settings: &Settings,
    state: State,
    accounts: Option<Accounts>,
    external_url: &str,
    registry: &Registry,
    clock: &Clock,
) -> Option<Dashboards> {
    if settings.mode != Mode::Machine || settings.agent.is_some() {
        return None;
    }
    let options = Options {
        base_path: settings.external_path().trim_end_matches('/').to_string(),
        external_url: external_url.trim_end_matches('/').to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        providers: settings.dashboards.providers(),
        provisioning_dirs: settings.dashboards.provisioning.iter().cloned().collect(),
        built_in: ::dashboards::built_in().to_vec(),
        data_sources: settings.data_sources.options(
            settings,
            &settings.auth,
            std::env::var(KEY_VARIABLE).ok(),
        ),
    };
    let people = accounts.map(|accounts| Arc::new(KnownPeople(accounts)) as Arc<dyn People>);
    let deps = Deps { state, clock: clock.clone(), registry: registry.clone(), people };
    let dashboards = Dashboards::start(options, deps).await;
    if let Some(config_maps) = &settings.dashboards.config_maps
        && let Err(error) = config_maps.follow(&dashboards)
    {
        tracing::error!(%error, "ConfigMaps with dashboards cannot be followed");
        let problem = Problem::new("the Kubernetes API", error.to_string());
        dashboards.provide("config maps", Vec::new(), vec![problem]);
    }
    Some(dashboards)
}

/// The routes, told where each request comes from as the guard in front of them found it.
pub(crate) fn with_visitors(routes: Router) -> Router {
    routes.layer(middleware::from_fn(async |mut request: Request, next: Next| {
        if let Some(address) = accounts::address_of(&request) {
            request.extensions_mut().insert(Visitor(address));
        }
        next.run(request).await
    }))
}

/// Who has an account, as lists of permissions name them.
struct KnownPeople(Accounts);

impl People for KnownPeople {
    fn user(&self, key: &str) -> Option<Named> {
        self.0.find_user(key).map(named)
    }

    fn team(&self, key: &str) -> Option<Named> {
        self.0.find_team(key).map(named)
    }
}

fn named(found: accounts::Named) -> Named {
    Named { uid: found.uid, id: i64::try_from(found.id).unwrap_or(i64::MAX), name: found.name }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn folders_and_provisioning_are_read_relative_to_the_file() {
        let mut settings = DashboardSettings::default();
        let text = "folders: [{path: boards, folder: Ops}, {path: /srv/boards}]\nprovisioning: grafana\nconfig_maps: {namespaces: [a]}\n";
        let base = PathBase::new(Path::new("/etc/p"));
        settings.decode(&Node::parse(text).unwrap(), &base).unwrap();
        assert_eq!(settings.provisioning, Some("/etc/p/grafana".into()));
        assert_eq!(settings.config_maps.as_ref().unwrap().namespaces, ["a"]);
        let providers = settings.providers();
        assert_eq!(
            (providers[0].path.as_path(), providers[0].folders_from_files),
            (Path::new("/etc/p/boards"), false)
        );
        assert_eq!(
            (providers[1].path.as_path(), providers[1].folders_from_files),
            (Path::new("/srv/boards"), true)
        );
        let error = settings.decode(&Node::parse("folders: [{folder: x}]").unwrap(), &base).unwrap_err();
        assert!(error.to_string().contains("needs a path"), "{error}");
    }
}
