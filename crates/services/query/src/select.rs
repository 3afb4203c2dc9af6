//! Series and labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use gocompat::quote::quote;
use model::storage::{ByteLimit, Select, StorageError, TimeRange, Want};
use model::{LabelTable, Matcher};

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, blocking, limited};
use crate::json::{write_list, write_pairs, write_string};
use crate::params::Params;

/// What the series that a request selects may take in memory.
pub(crate) const SELECTION_MAX_BYTES: u64 = 512 << 20;

pub(crate) async fn series(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let (limit, range) = (params.limit()?, params.range()?);
    let selectors = params.matchers().map_err(|error| ApiError::parameter("match[]", error))?;
    let reader = api.deps.reader.clone();
    let slot = api.read_slots.clone().acquire_owned().await;
    let slot = slot.map_err(|_| ApiError::new(ErrorType::Unavailable, "stopping"))?;
    blocking(move || {
        let _slot = slot;
        let mut table = LabelTable::new();
        let meter = ByteLimit::new(SELECTION_MAX_BYTES);
        let selectors = if range.end_ms < range.start_ms { Vec::new() } else { selectors };
        let (mut sets, mut warnings) = (Vec::new(), Vec::new());
        for matchers in &selectors {
            let request = Select { range, matchers, want: Want::Labels, meter: &meter };
            let selection = reader.select(&request, &mut table)?;
            sets.extend(selection.sets);
            warnings.extend(selection.warnings);
        }
        warnings.sort();
        warnings.dedup();
        sets.sort_unstable();
        sets.dedup();
        let mut order = table.order(&sets);
        limited(&mut order, limit, &mut warnings);
        let series = order.into_iter().filter_map(|at| sets.get(at as usize));
        Ok::<_, StorageError>(listed(series, &warnings, |out, set| write_pairs(out, table.iter(*set))))
    })
    .await
}

/// A successful answer that is a list, with warnings.
fn listed<T>(
    items: impl IntoIterator<Item = T>,
    warnings: &[String],
    write: impl FnMut(&mut Vec<u8>, T),
) -> Response {
    let mut body = br#"{"status":"success","data":"#.to_vec();
    write_list(&mut body, items, write);
    if !warnings.is_empty() {
        body.extend_from_slice(br#","warnings":"#);
        write_list(&mut body, warnings, |out, warning| write_string(out, warning));
    }
    body.push(b'}');
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(crate) async fn labels(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    names(&api, &params, None).await
}

pub(crate) async fn label_values(
    State(api): State<Arc<Api>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Answer {
    let Ok(Path(name)) = name else {
        // The one way to get here: the name, without its percent signs, is no UTF-8.
        let name = request.uri().path().split('/').nth_back(1).unwrap_or("");
        return Err(ApiError::bad_data(format!("invalid label name: {}", quote(name))));
    };
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    // Names that are not plain may come escaped: `U__my_2e_label`.
    let name = unescape_name(&name);
    if name.is_empty() {
        return Err(ApiError::bad_data("invalid label name: \"\""));
    }
    names(&api, &params, Some(name)).await
}

async fn names(api: &Api, params: &Params, of: Option<String>) -> Answer {
    let (limit, range) = (params.limit()?, params.range()?);
    let selectors = params.matchers().map_err(ApiError::bad_data)?;
    let mut found = match range.end_ms < range.start_ms {
        true => Vec::new(),
        false => union(api, range, selectors, of).await?,
    };
    let mut warnings = Vec::new();
    limited(&mut found, limit, &mut warnings);
    Ok(listed(&found, &warnings, |out, text| write_string(out, text)))
}

/// Label names, or the values of a label, of the series that match one of the selectors; of all
/// series if there is none. Sorted.
pub(crate) async fn union(
    api: &Api,
    range: TimeRange,
    mut selectors: Vec<Vec<Matcher>>,
    of: Option<String>,
) -> Result<Vec<String>, ApiError> {
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    let reader = api.deps.reader.clone();
    blocking(move || {
        let mut lists = selectors.iter().map(|matchers| match &of {
            Some(name) => reader.label_values(name, range, matchers),
            None => reader.label_names(range, matchers),
        });
        let first = lists.next().transpose()?.unwrap_or_default();
        let mut all: BTreeSet<String> = BTreeSet::new();
        let mut single = true;
        for list in lists {
            single = false;
            all.extend(list?);
        }
        if single {
            return Ok::<_, StorageError>(first);
        }
        all.extend(first);
        Ok(all.into_iter().collect())
    })
    .await
}

/// Undoes the escaping of names that are not plain: `U__`, then `_HEX_` for a character and `__`
/// for an underscore. What is not escaped so stays as it is.
fn unescape_name(name: &str) -> String {
    let Some(mut rest) = name.strip_prefix("U__") else { return name.to_string() };
    let mut out = String::with_capacity(rest.len());
    while let Some((plain, after)) = rest.split_once('_') {
        out.push_str(plain);
        if let Some(after) = after.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let decoded = after.split_once('_').and_then(|(hex, after)| {
            let code = u32::from_str_radix(hex, 16).ok()?;
            Some((char::from_u32(code)?, after))
        });
        let Some((character, after)) = decoded else { return name.to_string() };
        out.push(character);
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read_and_others_left_alone() {
        for (escaped, name) in [
            ("U__my_2e_label", "my.label"),
            ("U__a__b", "a_b"),
            ("job", "job"),
            ("U__broken_zz", "U__broken_zz"),
        ] {
            assert_eq!(unescape_name(escaped), name);
        }
    }
}
