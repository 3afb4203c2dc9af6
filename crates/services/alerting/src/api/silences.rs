//! `GET` and `POST /silences`, `GET` and `DELETE /silence/{id}`.
//!
//! `POST` takes one parameter of our own: `force=true` confirms a silence that would match almost
//! everything that fires.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use model::MatchOp;
use serde_json::{Map, Value};

use super::Shared;
use super::intake::is_json;
use super::params::Params;
use super::refusal::{MISSING, Refusal, TOO_FEW, WRONG_TYPE};
use super::stream::answer;
use super::write::{push_list, push_name, push_pairs, push_text, push_time, read_time};
use crate::silences::{Draft, MatcherText, SilenceError, SilenceFilter, SilenceState, SilenceView};

/// The largest body of a silence.
const BODY_SIZE_MAX_BYTES: usize = 4 << 20;

/// Where a page ended. The place stays, even if the silence there ends meanwhile or is forgotten.
struct Place {
    state: SilenceState,
    time_ms: i64,
    id: String,
}

impl Place {
    fn text_of(view: &SilenceView) -> String {
        let (state, time_ms, id) = view.place();
        format!("{}.{time_ms}.{id}", state.as_str())
    }

    fn read(text: &str) -> Result<Place, Refusal> {
        let mut parts = text.splitn(3, '.');
        let state = match parts.next() {
            Some("active") => Some(SilenceState::Active),
            Some("pending") => Some(SilenceState::Pending),
            Some("expired") => Some(SilenceState::Expired),
            _ => None,
        };
        let time_ms = parts.next().and_then(|text| text.parse().ok());
        match (state, time_ms, parts.next()) {
            (Some(state), Some(time_ms), Some(id)) => Ok(Place { state, time_ms, id: id.to_string() }),
            _ => Err(Refusal::bad(format!("cursor must be what X-Next-Cursor said, found {text:?}"))),
        }
    }

    fn as_tuple(&self) -> (SilenceState, i64, &str) {
        (self.state, self.time_ms, &self.id)
    }
}

/// Lists silences: active ones first, then pending ones, then expired ones.
pub(super) async fn list(State(api): Shared, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let params = Params::read(query.as_deref());
    let states = [
        ("active", SilenceState::Active),
        ("pending", SilenceState::Pending),
        ("expired", SilenceState::Expired),
    ];
    let states: Vec<SilenceState> =
        states.into_iter().filter(|(name, _)| params.is_on(name)).map(|(_, state)| state).collect();
    let has_none = states.is_empty();
    let filter = SilenceFilter {
        states,
        matchers: params.matchers("filter", api.settings.matcher_mode).map_err(Refusal::bad)?,
        matches: None,
    };
    let limit = params.limit()?;
    let after = params.get("cursor").map(Place::read).transpose()?;
    Ok(answer(move |sink| {
        // Without any state nothing is wanted, which the filter has no word for.
        let views = if has_none { Vec::new() } else { api.alerting.silences(&filter) };
        let begin = after.map_or(0, |after| views.partition_point(|view| view.place() <= after.as_tuple()));
        let wanted = views.get(begin..).unwrap_or(&[]);
        let page = &wanted[..limit.unwrap_or(usize::MAX).min(wanted.len())];
        if let Some(last) = page.last().filter(|_| page.len() < wanted.len()) {
            sink.continues_at(Place::text_of(last));
        }
        sink.out.push(b'[');
        for (at, view) in page.iter().enumerate() {
            if at > 0 {
                sink.out.push(b',');
            }
            push_silence(&mut sink.out, view);
            if limit.is_none() {
                sink.step()?;
            }
        }
        sink.out.push(b']');
        Ok(())
    })
    .await)
}

/// Shows one silence.
pub(super) async fn get(State(api): Shared, Path(id): Path<String>) -> Result<Response, Refusal> {
    is_uuid(&id)?;
    let view = api.alerting.silence(&id).ok_or_else(Refusal::not_found)?;
    Ok(answer(move |sink| {
        push_silence(&mut sink.out, &view);
        Ok(())
    })
    .await)
}

/// Ends one silence.
pub(super) async fn expire(State(api): Shared, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    is_uuid(&id)?;
    match api.alerting.expire_silence(&id).await {
        Ok(()) => {
            tracing::info!(silence = id, "silence expired");
            Ok(StatusCode::OK)
        }
        Err(SilenceError::NotFound) => Err(Refusal::not_found()),
        Err(error) => Err(Refusal::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

/// Makes or changes a silence.
pub(super) async fn post(State(api): Shared, request: Request) -> Result<Response, Refusal> {
    is_json(request.headers())?;
    let params = Params::read(request.uri().query());
    let is_forced = params.get("force").is_some() && params.is_on("force");
    let draft = draft(request.into_body()).await?;
    let (created_by, comment) = (draft.created_by.clone(), draft.comment.clone());
    let id = api.alerting.set_silence(draft, is_forced).await.map_err(|error| match &error {
        SilenceError::NotFound => Refusal::text(StatusCode::NOT_FOUND, error.to_string()),
        SilenceError::Stopping => Refusal::text(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        _ => Refusal::bad(error.to_string()),
    })?;
    tracing::info!(silence = id, created_by, comment, "silence set");
    Ok(answer(move |sink| {
        push_pairs(&mut sink.out, [("silenceID", id.as_str())]);
        Ok(())
    })
    .await)
}

/// Ids are UUIDs, and nothing else is looked up.
fn is_uuid(id: &str) -> Result<(), Refusal> {
    let groups: Vec<usize> = id.split('-').map(str::len).collect();
    let is_hex = id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_hex && (groups == [8, 4, 4, 4, 12] || groups == [32]) {
        return Ok(());
    }
    Err(Refusal::invalid(WRONG_TYPE, format!("silenceID in path must be of type uuid: {id:?}")))
}

async fn draft(body: Body) -> Result<Draft, Refusal> {
    let unreadable = |why: &str| Refusal::unreadable("silence", why);
    let body = Limited::new(body, BODY_SIZE_MAX_BYTES).collect().await;
    let body = body.map_err(|error| unreadable(&error.to_string()))?.to_bytes();
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::invalid(MISSING, "silence in body is required"));
    }
    let value: Value = serde_json::from_slice(&body).map_err(|error| unreadable(&error.to_string()))?;
    let Value::Object(fields) = value else { return Err(unreadable("a silence is an object")) };
    read_draft(&fields)
}

/// Reads a silence; what is missing is named in the order in which Alertmanager looks.
fn read_draft(fields: &Map<String, Value>) -> Result<Draft, Refusal> {
    let comment = required_text(fields, "comment", "comment")?;
    let created_by = required_text(fields, "createdBy", "createdBy")?;
    let ends_at_ms = required_time(fields, "endsAt")?;
    let matchers = match fields.get("matchers") {
        None | Some(Value::Null) => {
            return Err(Refusal::invalid(MISSING, "matchers in body is required"));
        }
        Some(Value::Array(list)) if list.is_empty() => {
            return Err(Refusal::invalid(TOO_FEW, "matchers in body should have at least 1 items"));
        }
        Some(Value::Array(list)) => {
            list.iter().enumerate().map(|(at, value)| matcher(at, value)).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(wrong("matchers", "a list", other)),
    };
    let starts_at_ms = required_time(fields, "startsAt")?;
    let mut annotations = BTreeMap::new();
    match fields.get("annotations") {
        None | Some(Value::Null) => {}
        Some(Value::Object(pairs)) => {
            for (name, value) in pairs {
                let Value::String(text) = value else { return Err(wrong("annotations", "strings", value)) };
                annotations.insert(name.clone(), text.clone());
            }
        }
        Some(other) => return Err(wrong("annotations", "an object", other)),
    }
    Ok(Draft {
        id: text(fields, "id", "id")?.unwrap_or_default(),
        matcher_sets: vec![matchers],
        starts_at_ms: Some(starts_at_ms),
        ends_at_ms: Some(ends_at_ms),
        created_by,
        comment,
        annotations,
    })
}

fn wrong(name: &str, expected: &str, found: &Value) -> Refusal {
    let found: String = found.to_string().chars().take(60).collect();
    Refusal::unreadable("silence", &format!("{name} must be {expected}, found {found}"))
}

fn text(fields: &Map<String, Value>, field: &str, name: &str) -> Result<Option<String>, Refusal> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(name, "a string", other)),
    }
}

fn required_text(fields: &Map<String, Value>, field: &str, name: &str) -> Result<String, Refusal> {
    text(fields, field, name)?.ok_or_else(|| Refusal::invalid(MISSING, format!("{name} in body is required")))
}

fn required_time(fields: &Map<String, Value>, field: &str) -> Result<i64, Refusal> {
    let text = required_text(fields, field, field)?;
    read_time(&text).ok_or_else(|| {
        Refusal::unreadable(
            "silence",
            &format!("{field} must be a time such as 2006-01-02T15:04:05.000Z, found {text:?}"),
        )
    })
}

fn matcher(at: usize, value: &Value) -> Result<MatcherText, Refusal> {
    let Value::Object(fields) = value else { return Err(wrong("a matcher", "an object", value)) };
    let switch = |field: &str| match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(is_on)) => Ok(Some(*is_on)),
        Some(other) => Err(wrong(&format!("matchers.{at}.{field}"), "true or false", other)),
    };
    let is_regex = switch("isRegex")?
        .ok_or_else(|| Refusal::invalid(MISSING, format!("matchers.{at}.isRegex in body is required")))?;
    let name = required_text(fields, "name", &format!("matchers.{at}.name"))?;
    let value = required_text(fields, "value", &format!("matchers.{at}.value"))?;
    let op = match (is_regex, switch("isEqual")?.unwrap_or(true)) {
        (false, true) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Regex,
        (true, false) => MatchOp::NotRegex,
    };
    Ok(MatcherText { name, op, value })
}

fn push_silence(out: &mut Vec<u8>, view: &SilenceView) {
    let silence = &view.silence;
    let switch = |is_on: bool| if is_on { &b"true"[..] } else { b"false" };
    out.extend_from_slice(b"{\"id\":");
    push_text(out, &silence.id);
    out.extend_from_slice(b",\"status\":{\"state\":");
    push_text(out, view.state.as_str());
    out.push(b'}');
    push_name(out, "updatedAt");
    push_time(out, silence.updated_at_ms);
    push_name(out, "annotations");
    push_pairs(out, silence.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    push_name(out, "comment");
    push_text(out, &silence.comment);
    push_name(out, "createdBy");
    push_text(out, &silence.created_by);
    push_name(out, "endsAt");
    push_time(out, silence.ends_at_ms);
    push_name(out, "matchers");
    // The API knows one set; further ones come from snapshots of Alertmanager alone.
    push_list(out, silence.matcher_sets.first().into_iter().flatten(), |out, matcher| {
        out.extend_from_slice(b"{\"isEqual\":");
        out.extend_from_slice(switch(!matcher.op.is_negative()));
        push_name(out, "isRegex");
        out.extend_from_slice(switch(matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex)));
        push_name(out, "name");
        push_text(out, &matcher.name);
        push_name(out, "value");
        push_text(out, &matcher.value);
        out.push(b'}');
    });
    push_name(out, "startsAt");
    push_time(out, silence.starts_at_ms);
    out.push(b'}');
}
