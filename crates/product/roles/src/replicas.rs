//! How replicas of delivery find each other: over a database, by gossip, or not at all.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alerting::replicas::{Alone, Gossip, GossipSettings, SharedReplicas, Stored, StoredSettings};
use base::Clock;
use config::Node;
use config::http_client::{PathBase, SecretSource};
use exposition::Registry;
use state::{Place, State};

use crate::run::StartError;
use crate::settings::{Mode, Settings, hostname};

/// How replicas of delivery find each other. Without a database and without gossip there are none.
#[derive(Clone, Debug)]
pub struct ReplicaSettings {
    /// This one's name; the machine's if `None`. The order of names is the order of turns.
    pub name: Option<String>,
    /// The database they share. It goes before gossip.
    pub database: Option<Place>,
    /// How they gossip.
    pub gossip: Option<GossipSettings>,
    /// How long one before us in the order may take while there is no shared truth.
    pub peer_timeout: Duration,
    /// How long the start waits for what the others know.
    pub settle_timeout: Duration,
}

impl Default for ReplicaSettings {
    fn default() -> Self {
        ReplicaSettings {
            name: None,
            database: None,
            gossip: None,
            peer_timeout: Duration::from_secs(15),
            settle_timeout: Duration::from_secs(60),
        }
    }
}

impl ReplicaSettings {
    /// The section of a `promontory.yml`.
    pub const FILE_KEY: &str = "state";

    /// Takes over what that section says.
    pub(crate) fn decode(&mut self, node: &Node, base: &PathBase) -> config::Result<()> {
        let mut fields = node.fields(Self::FILE_KEY)?;
        let path = |node: &Node| node.string().map(|text| base.join(&text));
        let url = fields.optional("url", Node::string)?;
        let url_file = fields.optional("url_file", path)?;
        let password_file = fields.optional("password_file", path)?;
        if let Some(name) = fields.optional("replica", Node::string)? {
            self.name = Some(name);
        }
        fields.finish()?;
        self.set_database(url.as_deref(), url_file.as_deref(), password_file.as_deref())
            .map_err(|message| node.error(message))
    }

    /// Names the database, if one is given: by its URL or a file that holds it, and the file of a
    /// password.
    pub fn set_database(
        &mut self,
        url: Option<&str>,
        url_file: Option<&Path>,
        password_file: Option<&Path>,
    ) -> Result<(), String> {
        let url = match (url, url_file) {
            (Some(_), Some(_)) => return Err("the URL of the state stands in a file or not, not both".into()),
            (Some(url), None) => SecretSource::Inline(config::Secret::new(url.to_string())),
            (None, Some(file)) => SecretSource::File(file.to_path_buf()),
            (None, None) if password_file.is_some() => {
                return Err("a password of the state needs a URL".into());
            }
            (None, None) => return Ok(()),
        };
        let password = password_file.map(|file| SecretSource::File(file.to_path_buf()));
        let place = Place::Server { url, password };
        state::Settings::new(place.clone()).check().map_err(|error| error.to_string())?;
        self.database = Some(place);
        Ok(())
    }

    fn name(&self) -> String {
        self.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(hostname)
    }

    /// The state that all services of a run keep things in: in the database that is named, or in a file of the data
    /// directory. A stand-in for Prometheus has none unless it is named.
    pub(crate) fn open_state(
        &self,
        settings: &Settings,
        registry: &Registry,
        clock: &Clock,
    ) -> Result<Option<State>, StartError> {
        match self.open_database(registry, clock)? {
            None if settings.mode == Mode::Machine => {
                open(state::Settings::in_dir(&settings.data_dir), registry, clock).map(Some)
            }
            found => Ok(found),
        }
    }

    /// The database that replicas share, if one is named.
    pub(crate) fn open_database(
        &self,
        registry: &Registry,
        clock: &Clock,
    ) -> Result<Option<State>, StartError> {
        let place = self.database.as_ref();
        place.map(|place| open(state::Settings::new(place.clone()), registry, clock)).transpose()
    }

    /// Starts what is asked for. `state` is the database that is named, if one is.
    pub(crate) async fn start(
        &self,
        state: Option<&State>,
        address: &str,
        registry: &Registry,
        clock: &Clock,
    ) -> Result<SharedReplicas, StartError> {
        if let Some(state) = state.filter(|_| self.database.is_some()) {
            let settings = StoredSettings {
                name: self.name(),
                address: address.to_string(),
                peer_timeout: self.peer_timeout,
                settle_timeout: self.settle_timeout,
            };
            return Ok(Arc::new(Stored::start(state.clone(), settings, registry)));
        }
        let Some(gossip) = &self.gossip else { return Ok(Arc::new(Alone)) };
        let settings = GossipSettings {
            name: self.name(),
            peer_timeout: self.peer_timeout,
            settle_timeout: self.settle_timeout,
            ..gossip.clone()
        };
        let gossip = Gossip::start(settings, clock.clone())
            .await
            .map_err(|error| StartError::Other(error.to_string()))?;
        tracing::info!("gossips with other replicas as {}", gossip.address());
        Ok(Arc::new(gossip))
    }
}

fn open(settings: state::Settings, registry: &Registry, clock: &Clock) -> Result<State, StartError> {
    State::open(&settings, clock.clone(), registry)
        .map_err(|error| StartError::Other(format!("the state of this server: {error}")))
}
