//! What strangers are shown of a public dashboard: the server reads its panels, variables and times itself, so that
//! nobody who only has the token can ask anything else.

pub(crate) mod panels;
pub(crate) mod times;
pub(crate) mod values;
pub(crate) mod visitors;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::card::Card;
use crate::documents::PublicDashboard;
use crate::error::Error;
use crate::service::Dashboards;

pub(crate) const NOT_FOUND: Error = Error::NotFound("Public dashboard not found");

/// Fields with the texts of queries, which strangers need not know.
const SECRET_FIELDS: [&str; 5] = ["definition", "expr", "query", "rawSql", "target"];

/// A public dashboard as a stranger asks for it.
pub(crate) struct Shown {
    pub(crate) public: Arc<PublicDashboard>,
    pub(crate) card: Arc<Card>,
}

impl Shown {
    /// Changes whenever something of it does.
    pub(crate) fn revision(&self) -> String {
        let hash = self.card.provided().map_or(0, |provided| provided.hash);
        let (card, public) = (&self.card, &self.public);
        format!("{} {} {} {} {hash}", public.token, public.updated_ms, card.version, card.updated_ms)
    }
}

impl Dashboards {
    /// The public dashboard of a token, if it is shown now.
    pub(crate) fn shown_publicly(&self, token: &str) -> Result<Shown, Error> {
        // Digests are compared, so that the time it takes tells nothing of how much was right.
        let digest = |token: &str| ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
        let asked = digest(token);
        let found = {
            let index = self.store().index();
            let mut all = index.public.iter();
            all.find(|(_, kept)| digest(&kept.value.token).as_ref() == asked.as_ref())
                .map(|(uid, kept)| (uid.clone(), kept.value.clone()))
        };
        let Some((uid, public)) = found else {
            self.store().check_loaded()?;
            return Err(NOT_FOUND);
        };
        if !public.is_enabled {
            return Err(Error::Forbidden("Public dashboard paused"));
        }
        // Whatever became of the dashboard, its uid is nothing for strangers.
        let card = self.find(&uid).ok_or(NOT_FOUND)?;
        Ok(Shown { public, card })
    }

    /// What a dashboard says, with the library panels that it names put in.
    pub(crate) async fn whole_spec(&self, card: &Card) -> Result<Map<String, Value>, Error> {
        let mut spec = self.shown(card).await?;
        let index = self.store().index();
        panels::each(&mut spec, &mut |panel| {
            let uid = panel.get("libraryPanel").and_then(|reference| reference.get("uid")?.as_str());
            let Some(element) = uid.and_then(|uid| index.library.get(uid)) else { return };
            let Value::Object(model) = &element.value.model else { return };
            let mut whole = model.clone();
            // What is its own in each dashboard.
            for own in ["id", "gridPos", "title", "repeat", "repeatDirection", "maxPerRow"] {
                if let Some(value) = panel.remove(own).filter(|value| value.as_str() != Some("")) {
                    whole.insert(own.into(), value);
                }
            }
            *panel = whole;
        });
        drop(index);
        Ok(spec)
    }
}

/// Takes the texts of queries out, in whichever form the dashboard has them: panels, rows of old ones, elements,
/// annotations and the variables that ask.
pub(crate) fn without_queries(spec: &mut Map<String, Value>) {
    for field in ["panels", "rows", "elements", "annotations"] {
        spec.get_mut(field).into_iter().for_each(without_texts);
    }
    // What others offer stands in the same field, and is seen anyway.
    let list = spec.get_mut("templating").and_then(|templating| templating.get_mut("list"));
    for variable in list.and_then(Value::as_array_mut).into_iter().flatten() {
        if variable.get("type").and_then(Value::as_str) == Some("query") {
            without_texts(variable);
        }
    }
    for variable in spec.get_mut("variables").and_then(Value::as_array_mut).into_iter().flatten() {
        if variable.get("kind").and_then(Value::as_str) == Some("QueryVariable") {
            without_texts(variable);
        }
    }
}

fn without_texts(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|field, value| !(value.is_string() && SECRET_FIELDS.contains(&field.as_str())));
            object.values_mut().for_each(without_texts);
        }
        Value::Array(list) => list.iter_mut().for_each(without_texts),
        _ => {}
    }
}
