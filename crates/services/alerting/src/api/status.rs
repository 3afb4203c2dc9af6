//! `GET /status` and `GET /receivers`.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use model::Labels;

use super::Shared;
use super::params::Params;
use super::refusal::Refusal;
use super::stream::answer;
use super::write::{push_list, push_name, push_pairs, push_text, push_time};
use crate::matchers::all_match;

/// Says how the service stands.
pub(super) async fn status(State(api): Shared) -> Response {
    answer(move |sink| {
        let out = &mut sink.out;
        let members = api.replicas.members();
        out.extend_from_slice(b"{\"cluster\":{");
        if !members.name.is_empty() {
            out.extend_from_slice(b"\"name\":");
            push_text(out, &members.name);
            out.push(b',');
        }
        out.extend_from_slice(b"\"peers\":");
        push_list(out, &members.list, |out, member| {
            out.extend_from_slice(b"{\"address\":");
            push_text(out, &member.address);
            push_name(out, "name");
            push_text(out, &member.name);
            out.push(b'}');
        });
        push_name(out, "status");
        push_text(out, members.status.as_str());
        out.push(b'}');
        out.extend_from_slice(b",\"config\":{\"original\":");
        push_text(out, api.alerting.config().shown());
        out.push(b'}');
        push_name(out, "uptime");
        push_time(out, api.started_at_ms);
        out.extend_from_slice(b",\"versionInfo\":");
        push_pairs(
            out,
            [
                ("branch", ""),
                ("buildDate", ""),
                ("buildUser", ""),
                ("goVersion", ""),
                ("revision", ""),
                ("version", api.version),
            ],
        );
        out.push(b'}');
        Ok(())
    })
    .await
}

/// Lists who can be told.
pub(super) async fn receivers(State(api): Shared, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let params = Params::read(query.as_deref());
    let matchers = params
        .matchers("receiver_matchers", api.settings.matcher_mode)
        .map_err(|error| Refusal::bad(format!("failed to parse receiver_matchers param: {error}")))?;
    Ok(answer(move |sink| {
        let config = api.alerting.config();
        let wanted = config
            .receivers
            .iter()
            .filter(|receiver| all_match(&matchers, &Labels::from_pairs(&receiver.labels)));
        push_list(&mut sink.out, wanted, |out, receiver| {
            out.extend_from_slice(b"{\"labels\":");
            push_pairs(out, receiver.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            push_name(out, "name");
            push_text(out, &receiver.name);
            out.push(b'}');
        });
        Ok(())
    })
    .await)
}
