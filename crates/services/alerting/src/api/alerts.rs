//! `GET /alerts`.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use model::Labels;

use super::params::{Filter, Params};
use super::refusal::Refusal;
use super::stream::{Gone, Sink, answer};
use super::write::{fingerprint_text, push_labels, push_list, push_name, push_text, push_texts, push_time};
use super::{Api, Shared};
use crate::dispatch::Listed;
use crate::settings::Config;

/// How many alerts are looked at in one go.
pub(super) const BATCH: usize = 64;

/// Lists alerts by their fingerprints.
pub(super) async fn list(State(api): Shared, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let params = Params::read(query.as_deref());
    let filter = Filter::read(&params, api.settings.matcher_mode)?;
    let limit = params.limit()?;
    let after = match params.get("cursor") {
        Some(text) => Some(cursor(text)?),
        None => None,
    };
    Ok(answer(move |sink| write(&api, &filter, limit, after, sink)).await)
}

fn cursor(text: &str) -> Result<u64, Refusal> {
    u64::from_str_radix(text, 16)
        .map_err(|_| Refusal::bad(format!("cursor must be what X-Next-Cursor said, found {text:?}")))
}

fn write(
    api: &Api,
    filter: &Filter,
    limit: Option<usize>,
    after: Option<u64>,
    sink: &mut Sink,
) -> Result<(), Gone> {
    let (config, all) =
        api.alerting.look(|dispatcher, _| (dispatcher.config().clone(), dispatcher.alert_labels()));
    let routes = filter.routes(&config);
    let mut wanted: Vec<(u64, Labels)> = all
        .into_iter()
        .filter(|labels| filter.wants_labels(labels))
        .map(|labels| (labels.fingerprint(), labels))
        .filter(|(fingerprint, _)| after.is_none_or(|after| *fingerprint > after))
        .collect();
    wanted.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
    let mut written = 0;
    let mut last = 0;
    sink.out.push(b'[');
    'batches: for batch in wanted.chunks(BATCH) {
        let listed: Vec<(u64, Option<Listed>)> = api.alerting.look(|dispatcher, now_ms| {
            batch
                .iter()
                .map(|(fingerprint, labels)| (*fingerprint, dispatcher.listed(labels, now_ms)))
                .collect()
        });
        for (fingerprint, listed) in listed {
            let Some(listed) = listed.filter(|listed| filter.wants(listed)) else { continue };
            let is_for = |route: &usize| routes.get(*route).copied().unwrap_or(false);
            if filter.asks_for_receivers() && !listed.routes.iter().any(is_for) {
                continue;
            }
            if limit.is_some_and(|limit| written >= limit) {
                sink.continues_at(fingerprint_text(last));
                break 'batches;
            }
            if written > 0 {
                sink.out.push(b',');
            }
            push_alert(&mut sink.out, &config, fingerprint, &listed, &listed.routes, &[]);
            (written, last) = (written + 1, fingerprint);
        }
        // A page is sent whole, since its end decides what its head says.
        if limit.is_none() {
            sink.step()?;
        }
    }
    sink.out.push(b']');
    Ok(())
}

/// Writes an alert as the API shows it, with the receivers of some routes.
pub(super) fn push_alert(
    out: &mut Vec<u8>,
    config: &Config,
    fingerprint: u64,
    listed: &Listed,
    routes: &[usize],
    muted_by: &[String],
) {
    let alert = &listed.alert;
    out.extend_from_slice(b"{\"annotations\":");
    push_labels(out, &alert.annotations);
    push_name(out, "endsAt");
    push_time(out, alert.ends_at_ms);
    push_name(out, "fingerprint");
    push_text(out, &fingerprint_text(fingerprint));
    push_name(out, "receivers");
    push_list(out, routes.iter().filter_map(|route| config.routes.get(*route)), |out, route| {
        push_receiver(out, &route.receiver);
    });
    push_name(out, "startsAt");
    push_time(out, alert.starts_at_ms);
    out.extend_from_slice(b",\"status\":{\"inhibitedBy\":");
    push_texts(out, listed.inhibited_by.iter().map(|by| fingerprint_text(*by)));
    push_name(out, "mutedBy");
    push_texts(out, muted_by);
    push_name(out, "silencedBy");
    push_texts(out, &listed.silenced_by);
    push_name(out, "state");
    let is_suppressed = listed.is_suppressed() || !muted_by.is_empty();
    push_text(out, if is_suppressed { "suppressed" } else { "active" });
    out.push(b'}');
    push_name(out, "updatedAt");
    push_time(out, listed.updated_at_ms);
    if !alert.generator_url.is_empty() {
        push_name(out, "generatorURL");
        push_text(out, &alert.generator_url);
    }
    push_name(out, "labels");
    push_labels(out, &alert.labels);
    out.push(b'}');
}

pub(super) fn push_receiver(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"{\"name\":");
    push_text(out, name);
    out.push(b'}');
}
