//! `GET /alerts/groups`.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use model::Labels;

use super::alerts::{BATCH, push_alert, push_receiver};
use super::params::{Filter, Params};
use super::refusal::Refusal;
use super::stream::{Gone, Sink, answer};
use super::write::{push_labels, push_name};
use super::{Api, Shared};
use crate::dispatch::{GroupKey, ListedGroup};
use crate::settings::Config;
use crate::trial;

/// How many alerts of a group the labels of its route are expanded with.
const EXPANDED_ALERTS_MAX: usize = 1_000;

/// Where a page begins: how many groups were before it, and a hash of the last of them, since groups
/// come and go between two pages.
#[derive(Clone, Copy)]
struct Cursor {
    place: usize,
    hash: u64,
}

impl Cursor {
    fn read(text: &str) -> Result<Cursor, Refusal> {
        let parts = text.split_once('-').and_then(|(place, hash)| {
            Some(Cursor { place: place.parse().ok()?, hash: u64::from_str_radix(hash, 16).ok()? })
        });
        parts.ok_or_else(|| Refusal::bad(format!("cursor must be what X-Next-Cursor said, found {text:?}")))
    }

    fn behind(place: usize, key: &GroupKey, config: &Config) -> String {
        format!("{place}-{:016x}", hash(key, config))
    }

    /// Which group the page begins with.
    fn find(self, keys: &[GroupKey], config: &Config) -> usize {
        let last = keys.iter().position(|key| hash(key, config) == self.hash);
        last.map_or(self.place, |last| last + 1).min(keys.len())
    }
}

fn hash(key: &GroupKey, config: &Config) -> u64 {
    let route = config.routes.get(key.route).map_or("", |route| route.id.as_str());
    crate::json::fnv64([key.labels.packed(), "\u{0}", route])
}

/// Lists groups by their labels and receivers.
pub(super) async fn list(State(api): Shared, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let params = Params::read(query.as_deref());
    let filter = Filter::read(&params, api.settings.matcher_mode)?;
    let page = Page {
        limit: params.limit()?,
        after: params.get("cursor").map(Cursor::read).transpose()?,
        shows_muted: params.is_on("muted"),
    };
    Ok(answer(move |sink| write(&api, &filter, &page, sink)).await)
}

struct Page {
    limit: Option<usize>,
    after: Option<Cursor>,
    shows_muted: bool,
}

fn write(api: &Api, filter: &Filter, page: &Page, sink: &mut Sink) -> Result<(), Gone> {
    let (config, routes, mut keys) = api.alerting.look(|dispatcher, _| {
        let config = dispatcher.config().clone();
        let routes = filter.routes(&config);
        let keys = dispatcher.group_keys(|route| routes.get(route).copied().unwrap_or(false));
        (config, routes, keys)
    });
    keys.sort_unstable();
    let begin = page.after.map_or(0, |cursor| cursor.find(&keys, &config));
    let mut written = 0;
    let mut last = None;
    sink.out.push(b'[');
    for (place, key) in keys.iter().enumerate().skip(begin) {
        let Some(group) = api.alerting.look(|dispatcher, now_ms| dispatcher.listed_group(key, now_ms)) else {
            continue;
        };
        if !page.shows_muted && !group.muted_by.is_empty() {
            continue;
        }
        let mut one = Group { api, filter, config: &config, routes: &routes, key, group, is_begun: false };
        if page.limit.is_some_and(|limit| written >= limit) {
            // There is a further page only if this group has something to show.
            if one.has_alerts()
                && let Some((place, key)) = last
            {
                sink.continues_at(Cursor::behind(place, key, &config));
                break;
            }
            continue;
        }
        one.write(sink, written > 0, page.limit.is_none())?;
        if one.is_begun {
            (written, last) = (written + 1, Some((place + 1, key)));
        }
    }
    sink.out.push(b']');
    Ok(())
}

/// A group that is being written.
struct Group<'a> {
    api: &'a Api,
    filter: &'a Filter,
    config: &'a Config,
    routes: &'a [bool],
    key: &'a GroupKey,
    group: ListedGroup,
    is_begun: bool,
}

impl Group<'_> {
    fn has_alerts(&self) -> bool {
        self.group.alerts.iter().any(|labels| {
            self.filter.wants_labels(labels)
                && self
                    .api
                    .alerting
                    .look(|dispatcher, now_ms| dispatcher.listed(labels, now_ms))
                    .is_some_and(|listed| self.filter.wants(&listed))
        })
    }

    /// Writes the group with its alerts that are wanted, or nothing if there are none.
    fn write(&mut self, sink: &mut Sink, is_further: bool, sends: bool) -> Result<(), Gone> {
        let alerts = std::mem::take(&mut self.group.alerts);
        let route_labels = self.route_labels(&alerts);
        for batch in alerts.chunks(BATCH) {
            let listed: Vec<_> = self.api.alerting.look(|dispatcher, now_ms| {
                let wanted = batch.iter().filter(|labels| self.filter.wants_labels(labels));
                wanted.filter_map(|labels| dispatcher.listed(labels, now_ms)).collect()
            });
            for listed in listed.iter().filter(|listed| self.filter.wants(listed)) {
                let mut routes = listed.routes.clone();
                routes.retain(|route| self.routes.get(*route).copied().unwrap_or(false));
                sink.out.extend_from_slice(match (self.is_begun, is_further) {
                    (true, _) => b",",
                    (false, true) => b",{\"alerts\":[",
                    (false, false) => b"{\"alerts\":[",
                });
                self.is_begun = true;
                let fingerprint = listed.alert.labels.fingerprint();
                push_alert(&mut sink.out, self.config, fingerprint, listed, &routes, &self.group.muted_by);
            }
            if sends {
                sink.step()?;
            }
        }
        if !self.is_begun {
            return Ok(());
        }
        let out = &mut sink.out;
        out.push(b']');
        push_name(out, "labels");
        push_labels(out, &self.key.labels);
        push_name(out, "receiver");
        push_receiver(out, &self.key.receiver);
        push_name(out, "routeLabels");
        push_labels(out, &route_labels);
        out.push(b'}');
        Ok(())
    }

    /// The labels of its route as its receivers see them.
    fn route_labels(&self, alerts: &[Labels]) -> Labels {
        let Some(route) = self.config.routes.get(self.key.route) else { return Labels::empty() };
        if route.labels.values().all(|value| !value.contains("{{")) {
            return Labels::from_pairs(&route.labels);
        }
        let alerting = &self.api.alerting;
        let (shown, now_ms) = alerting.look(|dispatcher, now_ms| {
            let shown = alerts.iter().take(EXPANDED_ALERTS_MAX);
            (shown.filter_map(|labels| Some(dispatcher.listed(labels, now_ms)?.alert)).collect(), now_ms)
        });
        let url = alerting.external_url();
        trial::route_labels(self.config, route, &self.key.labels, shown, url, now_ms)
    }
}
