//! `promontory import grafana`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Api, Endpoint, Lines, PAGES_MAX, block_on, escaped, refusal, text};

/// How deep data sources are looked for in a dashboard.
const DEPTH_MAX: usize = 64;
/// Dashboards that are named under one data source.
const NAMED_MAX: usize = 3;

/// What to copy.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The Grafana.
    pub from: Endpoint,
    /// Our server.
    pub to: Endpoint,
    /// Data sources that are replaced by others: identifier or name there, identifier here.
    pub data_sources: Vec<(String, String)>,
}

/// What became of things of one kind.
#[derive(Default)]
struct Tally {
    taken: usize,
    there: usize,
    failed: usize,
}

/// Copies folders, dashboards, library elements and playlists. Can be repeated: dashboards are saved as new
/// versions, everything else that is there stays. An error if something could not be taken.
pub fn copy(what: &Copy, say: &mut Lines<'_>) -> Result<(), String> {
    block_on(run(what, say))
}

async fn run(what: &Copy, say: &mut Lines<'_>) -> Result<(), String> {
    let (from, to) = (Api::new(&what.from)?, Api::new(&what.to)?);
    let sources = from.find("/api/datasources").await?.unwrap_or(json!([]));
    let folders = folders(&from, &to, say).await?;
    let elements = elements(&from, &to, what, say).await?;
    let mut used = BTreeMap::new();
    let dashboards = dashboards(&from, &to, what, &mut used, say).await?;
    let playlists = playlists(&from, &to, say).await?;
    for (kind, tally) in [
        ("folders", &folders),
        ("library elements", &elements),
        ("dashboards", &dashboards),
        ("playlists", &playlists),
    ] {
        let there =
            if tally.there > 0 { format!(", {} were there already", tally.there) } else { String::new() };
        let failed = if tally.failed > 0 { format!(", {} failed", tally.failed) } else { String::new() };
        say(format!("{kind}: {} taken{there}{failed}", tally.taken));
    }
    tell_sources(&to, &sources, &used, say).await?;
    tell_rest(&from, say).await;
    match folders.failed + elements.failed + dashboards.failed + playlists.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} things could not be taken")),
    }
}

async fn folders(from: &Api, to: &Api, say: &mut Lines<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    // Those around come before those inside: a folder is asked for what is in it when it was made.
    let mut waiting: Vec<String> = vec![String::new()];
    while let Some(parent) = waiting.pop() {
        let mut page = 1;
        loop {
            let place =
                if parent.is_empty() { String::new() } else { format!("&parentUid={}", escaped(&parent)) };
            let list = from.get(&format!("/api/folders?limit=500&page={page}{place}")).await?;
            let list = list.as_array().cloned().unwrap_or_default();
            for folder in &list {
                let (uid, title) = (text(folder, "uid"), text(folder, "title"));
                if uid.is_empty() || waiting.iter().any(|known| known == uid) {
                    continue;
                }
                let body = json!({"uid": uid, "title": title, "parentUid": parent});
                let (status, answer) = to.post("/api/folders", &body).await?;
                match status {
                    200 => tally.taken += 1,
                    409 | 412 => tally.there += 1,
                    401 | 403 => return Err(refusal(&to.shown, status, &answer)),
                    _ => {
                        tally.failed += 1;
                        say(format!("folder {title:?}: {}", refusal(&to.shown, status, &answer)));
                    }
                }
                waiting.push(uid.to_string());
            }
            if list.len() < 500 || page >= PAGES_MAX {
                break;
            }
            page += 1;
        }
        if tally.taken + tally.there + tally.failed > 100_000 {
            return Err("there are too many folders".into());
        }
    }
    Ok(tally)
}

async fn elements(from: &Api, to: &Api, what: &Copy, say: &mut Lines<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for page in 1..=PAGES_MAX {
        let path = format!("/api/library-elements?perPage=100&page={page}");
        let Some(answer) = from.find(&path).await? else { break };
        let list = answer.pointer("/result/elements").and_then(Value::as_array).cloned().unwrap_or_default();
        for element in &list {
            let uid = text(element, "uid");
            if to.find(&format!("/api/library-elements/{}", escaped(uid))).await?.is_some() {
                tally.there += 1;
                continue;
            }
            let mut model = element.get("model").cloned().unwrap_or(Value::Null);
            replace_sources(&mut model, &what.data_sources, DEPTH_MAX);
            let body = json!({
                "uid": uid, "name": text(element, "name"), "kind": element.get("kind").cloned().unwrap_or(json!(1)),
                "folderUid": text(element, "folderUid"), "model": model,
            });
            let (status, answer) = to.post("/api/library-elements", &body).await?;
            if status == 200 {
                tally.taken += 1;
            } else {
                tally.failed += 1;
                say(format!(
                    "library element {:?}: {}",
                    text(element, "name"),
                    refusal(&to.shown, status, &answer)
                ));
            }
        }
        if list.len() < 100 {
            break;
        }
    }
    Ok(tally)
}

/// Copies dashboards, and notes which data sources they use: titles of dashboards by data source.
async fn dashboards(
    from: &Api,
    to: &Api,
    what: &Copy,
    used: &mut BTreeMap<String, Vec<String>>,
    say: &mut Lines<'_>,
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let found = from.search("type=dash-db").await?;
    let count = found.len();
    for (at, hit) in found.iter().enumerate() {
        let (uid, title) = (text(hit, "uid"), text(hit, "title"));
        if at % 50 == 0 && at > 0 {
            say(format!("{at} of {count} dashboards"));
        }
        match one(from, to, what, uid, used).await {
            Ok(true) => tally.taken += 1,
            Ok(false) => tally.there += 1,
            Err(error) => {
                tally.failed += 1;
                say(format!("dashboard {title:?} ({uid}): {error}"));
            }
        }
    }
    Ok(tally)
}

/// Copies a dashboard; false if a file or the program itself brings one of that name here.
async fn one(
    from: &Api,
    to: &Api,
    what: &Copy,
    uid: &str,
    used: &mut BTreeMap<String, Vec<String>>,
) -> Result<bool, String> {
    let read = from.get(&format!("/api/dashboards/uid/{}", escaped(uid))).await?;
    let mut dashboard = read.get("dashboard").cloned().unwrap_or(Value::Null);
    let meta = read.get("meta").cloned().unwrap_or(Value::Null);
    replace_sources(&mut dashboard, &what.data_sources, DEPTH_MAX);
    let title = text(&dashboard, "title").to_string();
    note_sources(&dashboard, DEPTH_MAX, &mut |source| {
        let titles = used.entry(source.to_string()).or_default();
        if titles.last() != Some(&title) {
            titles.push(title.clone());
        }
    });
    let Some(fields) = dashboard.as_object_mut() else { return Err("it has no JSON".into()) };
    fields.remove("id");
    let is_v2 = fields.contains_key("elements") && fields.contains_key("layout");
    let mut body = match is_v2 {
        // Its identifier stands beside it.
        true => json!({"dashboard": {
            "kind": "Dashboard", "apiVersion": format!("dashboard.grafana.app/{}", text(&meta, "apiVersion")),
            "metadata": {"name": uid}, "spec": dashboard,
        }}),
        false => {
            fields.insert("uid".into(), json!(uid));
            json!({"dashboard": dashboard})
        }
    };
    body["folderUid"] = json!(text(&meta, "folderUid"));
    body["overwrite"] = json!(true);
    body["message"] = json!(format!("Imported from {}", from.shown));
    match to.post("/api/dashboards/db", &body).await? {
        (200, _) => Ok(true),
        (400, answer) if text(&answer, "message") == "Cannot save provisioned dashboard" => Ok(false),
        (status, answer) => Err(refusal(&to.shown, status, &answer)),
    }
}

async fn playlists(from: &Api, to: &Api, say: &mut Lines<'_>) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let list = from.find("/api/playlists").await.ok().flatten().unwrap_or(json!([]));
    for playlist in list.as_array().into_iter().flatten() {
        let uid = text(playlist, "uid");
        let Some(whole) = from.find(&format!("/api/playlists/{}", escaped(uid))).await? else { continue };
        let (status, answer) = to.post("/api/playlists", &whole).await?;
        match status {
            200 => tally.taken += 1,
            409 => tally.there += 1,
            _ => {
                tally.failed += 1;
                say(format!(
                    "playlist {:?}: {}",
                    text(playlist, "name"),
                    refusal(&to.shown, status, &answer)
                ));
            }
        }
    }
    Ok(tally)
}

/// Says which data sources dashboards use that are not here.
async fn tell_sources(
    to: &Api,
    sources: &Value,
    used: &BTreeMap<String, Vec<String>>,
    say: &mut Lines<'_>,
) -> Result<(), String> {
    let here = to.find("/api/datasources").await.ok().flatten().unwrap_or(json!([]));
    let is_here = |key: &str| {
        matches!(
            key,
            "promontory"
                | "promontory-alertmanager"
                | "grafana"
                | "-- Grafana --"
                | "-- Mixed --"
                | "-- Dashboard --"
        ) || here
            .as_array()
            .into_iter()
            .flatten()
            .any(|ours| text(ours, "uid") == key || text(ours, "name") == key)
    };
    for (key, titles) in used {
        if is_here(key) {
            continue;
        }
        let mut theirs = sources.as_array().into_iter().flatten();
        let theirs = theirs.find(|source| text(source, "uid") == key || text(source, "name") == key);
        let named = match theirs {
            Some(source) => {
                format!("{} ({}, uid {})", text(source, "name"), text(source, "type"), text(source, "uid"))
            }
            None => key.clone(),
        };
        let shown: Vec<&str> = titles.iter().take(NAMED_MAX).map(String::as_str).collect();
        let more = if titles.len() > NAMED_MAX {
            format!(" and {} more", titles.len() - NAMED_MAX)
        } else {
            String::new()
        };
        say(format!(
            "data source {named} is not here; {}{more} use it: add it, or repeat with --data-source {key}=promontory",
            shown.join(", ")
        ));
    }
    Ok(())
}

/// Says what is left behind.
async fn tell_rest(from: &Api, say: &mut Lines<'_>) {
    for (path, what) in [
        ("/api/v1/provisioning/alert-rules", "alert rules"),
        ("/api/v1/provisioning/contact-points", "contact points"),
        ("/api/org/users", "users"),
    ] {
        // Whoever asks may not be allowed to know, or there is no such thing.
        let count =
            from.find(path).await.ok().flatten().and_then(|list| Some(list.as_array()?.len())).unwrap_or(0);
        if count > 0 {
            say(format!("not taken: {count} {what}"));
        }
    }
    say("not taken: passwords of data sources, permissions, annotations, older versions".into());
}

/// Calls with each data source that a dashboard names; variables are none.
fn note_sources(value: &Value, depth: usize, note: &mut impl FnMut(&str)) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                let named = match (key.as_str(), inner) {
                    ("datasource", Value::String(name)) => Some(name.as_str()),
                    ("datasource", Value::Object(source)) => {
                        source.get("uid").or(source.get("name")).and_then(Value::as_str)
                    }
                    _ => None,
                };
                match named {
                    Some(name) if !name.is_empty() && !name.starts_with('$') && name != "default" => {
                        note(name)
                    }
                    _ => note_sources(inner, depth - 1, note),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| note_sources(inner, depth - 1, note)),
        _ => {}
    }
}

/// Puts other data sources in place of some.
fn replace_sources(value: &mut Value, replaced: &[(String, String)], depth: usize) {
    if depth == 0 || replaced.is_empty() {
        return;
    }
    let new = |name: &str| replaced.iter().find(|(old, _)| old == name).map(|(_, new)| json!(new));
    match value {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                if key == "datasource" {
                    let found = match &*inner {
                        Value::String(name) => new(name).map(|uid| json!({"uid": uid})),
                        Value::Object(source) => {
                            let named = source.get("uid").or(source.get("name")).and_then(Value::as_str);
                            named.and_then(new).map(|uid| match source.get("type") {
                                Some(kind) => json!({"type": kind, "uid": uid}),
                                None => json!({"uid": uid}),
                            })
                        }
                        _ => None,
                    };
                    if let Some(found) = found {
                        *inner = found;
                        continue;
                    }
                }
                replace_sources(inner, replaced, depth - 1);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| replace_sources(inner, replaced, depth - 1)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_sources_are_found_and_replaced_wherever_they_stand() {
        let mut dashboard = json!({
            "panels": [
                {"datasource": {"type": "prometheus", "uid": "old"}, "targets": [{"datasource": "Old name"}]},
                {"datasource": {"uid": "${datasource}"}},
                {"datasource": null},
            ],
        });
        let mut seen = Vec::new();
        note_sources(&dashboard, DEPTH_MAX, &mut |name| seen.push(name.to_string()));
        assert_eq!(seen, ["old", "Old name"]);
        let replaced = [("old".into(), "promontory".into()), ("Old name".into(), "promontory".into())];
        replace_sources(&mut dashboard, &replaced, DEPTH_MAX);
        assert_eq!(
            dashboard["panels"][0],
            json!({"datasource": {"type": "prometheus", "uid": "promontory"}, "targets": [{"datasource": {"uid": "promontory"}}]})
        );
        assert_eq!(dashboard["panels"][1]["datasource"]["uid"], "${datasource}");
    }
}
