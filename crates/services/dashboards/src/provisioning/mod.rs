//! Dashboards that files and other sources bring. They live in memory: the source is their home.

pub mod config_map;
pub(crate) mod expand;
pub mod files;
pub mod providers;
mod watched_maps;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;

use crate::card::{Card, Origin, Provided};
use crate::documents::FOLDER_DEPTH_MAX;
use crate::reading::{self, derived_uid};

/// Dashboards that one source may bring.
pub const PROVIDED_MAX: usize = 5_000;
/// Size of all dashboards that one source may bring.
pub const PROVIDED_SIZE_MAX_BYTES: usize = 256 << 20;
/// Problems of one source that are told.
pub const PROBLEMS_MAX: usize = 100;
/// The source of the dashboards that come with the program.
pub(crate) const BUILT_IN: &str = "built-in";

/// A dashboard that a source brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What the source calls it, such as a file's path. One source has each name once.
    pub name: String,
    /// Where it belongs.
    pub folder: GivenFolder,
    /// Its JSON.
    pub text: Arc<str>,
    /// Whether people may change it.
    pub is_editable: bool,
    /// When it was last changed, milliseconds since the epoch.
    pub changed_ms: i64,
}

/// Where a source wants a dashboard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GivenFolder {
    /// The identifier of the innermost folder, if the source says one.
    pub uid: Option<String>,
    /// Titles of folders from the outside to the inside; none for no folder.
    pub titles: Vec<String>,
}

impl GivenFolder {
    /// One folder with this title; none if it is empty.
    pub fn titled(title: &str) -> GivenFolder {
        let titles = if title.trim().is_empty() { Vec::new() } else { vec![title.trim().to_string()] };
        GivenFolder { uid: None, titles }
    }
}

/// Something of a source that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What the source calls it, such as a file's path.
    pub name: String,
    /// Where in it, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Where in the line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    /// Something that is wrong as a whole.
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { name: name.into(), line: None, column: None, message: message.into() }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(out, "{}:{line}:{column}: {}", self.name, self.message),
            _ => write!(out, "{}: {}", self.name, self.message),
        }
    }
}

/// How a source stands.
#[derive(Clone, Debug, Serialize)]
pub struct SourceStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Dashboards that it brings and that are shown.
    pub dashboards: usize,
    /// What of it cannot be used.
    pub problems: Vec<Problem>,
}

/// A folder that a source wants and that nobody has saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProvidedFolder {
    pub(crate) title: Arc<str>,
    pub(crate) parent: Arc<str>,
}

/// What all sources bring together.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) dashboards: HashMap<Arc<str>, Arc<Card>>,
    pub(crate) folders: HashMap<Arc<str>, ProvidedFolder>,
    pub(crate) sources: Vec<SourceStatus>,
}

/// A dashboard that could be read.
struct Good {
    card: Arc<Card>,
    folder: GivenFolder,
}

#[derive(Default)]
struct Source {
    good: BTreeMap<String, Good>,
    problems: Vec<Problem>,
}

/// All sources, in the order in which they go before each other.
#[derive(Default)]
pub(crate) struct Sources(Vec<(Arc<str>, Source)>);

impl Sources {
    /// Takes over everything that a source has now. What cannot be read leaves the last good one in place. The
    /// answer is what is not there any more.
    pub(crate) fn set(
        &mut self,
        source: &str,
        given: Vec<Given>,
        mut problems: Vec<Problem>,
    ) -> Vec<Arc<Card>> {
        let at = match self.0.iter().position(|(name, _)| **name == *source) {
            Some(at) => at,
            None => {
                // What comes with the program gives way to everything else.
                let is_last = self.0.last().is_some_and(|(name, _)| **name == *BUILT_IN);
                let at = if is_last { self.0.len() - 1 } else { self.0.len() };
                self.0.insert(at, (source.into(), Source::default()));
                at
            }
        };
        let Some((source, state)) = self.0.get_mut(at) else { return Vec::new() };
        let mut before = std::mem::take(&mut state.good);
        let (mut count, mut size_bytes) = (0, 0);
        for given in given {
            count += 1;
            size_bytes += given.text.len();
            if count > PROVIDED_MAX || size_bytes > PROVIDED_SIZE_MAX_BYTES {
                problems.push(Problem::new(
                    given.name,
                    format!(
                        "left out: a source may bring {PROVIDED_MAX} dashboards of {PROVIDED_SIZE_MAX_BYTES} bytes \
                         together"
                    ),
                ));
                break;
            }
            let old = before.remove(&given.name);
            match good(source, &given, old.as_ref()) {
                Ok(good) => drop(state.good.insert(given.name, good)),
                Err(problem) => {
                    problems.push(problem);
                    if let Some(old) = old {
                        state.good.insert(given.name, old);
                    }
                }
            }
        }
        problems.truncate(PROBLEMS_MAX);
        state.problems = problems;
        before.into_values().map(|good| good.card).collect()
    }

    /// Whether one of them has a dashboard of this identifier.
    pub(crate) fn bring(&self, uid: &str) -> bool {
        self.0.iter().any(|(_, source)| source.good.values().any(|good| *good.card.uid == *uid))
    }

    /// What they bring together; of several with one identifier the first. `saved` finds a folder that somebody
    /// saved, by the folder around it and its title.
    pub(crate) fn view(&self, saved: impl Fn(&str, &str) -> Option<Arc<str>>) -> View {
        let mut view = View::default();
        for (source, state) in &self.0 {
            let mut status =
                SourceStatus { name: source.clone(), dashboards: 0, problems: state.problems.clone() };
            for (name, good) in &state.good {
                if let Some(first) = view.dashboards.get(&good.card.uid) {
                    let first = first.provided().map(|first| first.name.to_string()).unwrap_or_default();
                    if status.problems.len() < PROBLEMS_MAX && **source != *BUILT_IN {
                        let message = format!("left out: {first} has the uid {} too", good.card.uid);
                        status.problems.push(Problem::new(name.clone(), message));
                    }
                    continue;
                }
                let folder = place(&mut view.folders, &good.folder, &saved);
                let card = if good.card.folder == folder {
                    good.card.clone()
                } else {
                    Arc::new(Card { folder, ..Card::clone(&good.card) })
                };
                view.dashboards.insert(card.uid.clone(), card);
                status.dashboards += 1;
            }
            view.sources.push(status);
        }
        view
    }
}

/// The identifier of a folder that is wanted, which is made if nobody saved it.
fn place(
    folders: &mut HashMap<Arc<str>, ProvidedFolder>,
    wanted: &GivenFolder,
    saved: impl Fn(&str, &str) -> Option<Arc<str>>,
) -> Arc<str> {
    let mut parent: Arc<str> = "".into();
    let titles = wanted.titles.iter().take(FOLDER_DEPTH_MAX);
    let last = titles.len().saturating_sub(1);
    for (at, title) in titles.enumerate() {
        let said = wanted.uid.as_deref().filter(|_| at == last).map(Arc::<str>::from);
        let uid = said
            .or_else(|| saved(&parent, title))
            .unwrap_or_else(|| derived_uid(&format!("{parent}/{title}")).into());
        folders.insert(uid.clone(), ProvidedFolder { title: title.as_str().into(), parent });
        parent = uid;
    }
    parent
}

fn good(source: &Arc<str>, given: &Given, old: Option<&Good>) -> Result<Good, Problem> {
    if let Some(old) = old
        && let Some(provided) = old.card.provided()
        && provided.is_editable == given.is_editable
        && Arc::ptr_eq(&provided.text, &given.text)
    {
        return Ok(Good { card: old.card.clone(), folder: given.folder.clone() });
    }
    let hash = reading::fnv(given.text.as_bytes());
    if let Some(old) = old
        && let Some(provided) = old.card.provided()
        && (provided.hash, provided.is_editable) == (hash, given.is_editable)
    {
        return Ok(Good { card: old.card.clone(), folder: given.folder.clone() });
    }
    let read = reading::read_text(&given.text).map_err(|(place, error)| Problem {
        name: given.name.clone(),
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        message: error.to_string(),
    })?;
    let uid = read.uid.unwrap_or_else(|| derived_uid(&format!("{source}/{}", given.name)));
    let version = old.map_or(1, |old| old.card.version + 1);
    let mut folder = given.folder.clone();
    if let (None, Some(uid)) = (&folder.uid, read.folder)
        && !folder.titles.is_empty()
    {
        folder.uid = Some(uid);
    }
    let card = Card {
        uid: uid.into(),
        title: read.title.into(),
        tags: reading::tags(&read.spec),
        folder: "".into(),
        version,
        created_ms: old.map_or(given.changed_ms, |old| old.card.created_ms),
        created_by: source.clone(),
        updated_ms: given.changed_ms,
        updated_by: source.clone(),
        api_version: read.api_version.map(Into::into),
        grants: None,
        library_panels: reading::library_panels(&read.spec),
        origin: Origin::Provided(Arc::new(Provided {
            name: given.name.as_str().into(),
            text: given.text.clone(),
            hash,
            is_editable: given.is_editable,
        })),
    };
    Ok(Good { card: Arc::new(card), folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, text: &str) -> Given {
        Given {
            name: name.into(),
            folder: GivenFolder::titled("F"),
            text: text.into(),
            is_editable: false,
            changed_ms: 5,
        }
    }

    fn titles(sources: &Sources) -> Vec<String> {
        let mut titles: Vec<String> =
            sources.view(|_, _| None).dashboards.values().map(|card| card.title.to_string()).collect();
        titles.sort();
        titles
    }

    #[test]
    fn a_broken_file_leaves_the_last_good_one_and_is_named_with_its_place() {
        let mut sources = Sources::default();
        sources.set("s", vec![given("a.json", r#"{"uid":"a","title":"A"}"#)], Vec::new());
        sources.set("s", vec![given("a.json", "{\n \"uid\": }")], Vec::new());
        assert_eq!(titles(&sources), ["A"]);
        let status = &sources.view(|_, _| None).sources[0];
        assert_eq!(status.problems[0].to_string(), "a.json:2:9: this is no JSON: expected value");
        let gone = sources.set("s", Vec::new(), Vec::new());
        assert_eq!(gone.len(), 1);
        assert!(titles(&sources).is_empty());
    }

    #[test]
    fn of_two_with_one_uid_the_first_stands_and_the_second_is_named() {
        let mut sources = Sources::default();
        sources.set(BUILT_IN, vec![given("own.json", r#"{"uid":"a","title":"Own"}"#)], Vec::new());
        let files = vec![
            given("a.json", r#"{"uid":"a","title":"First"}"#),
            given("b.json", r#"{"uid":"a","title":"Second"}"#),
        ];
        sources.set("files", files, Vec::new());
        assert_eq!(titles(&sources), ["First"]);
        let status = &sources.view(|_, _| None).sources[0];
        assert_eq!(status.problems[0].to_string(), "b.json: left out: a.json has the uid a too");
    }

    #[test]
    fn folders_that_nobody_saved_are_made_and_those_that_are_there_used() {
        let mut sources = Sources::default();
        let nested = GivenFolder { uid: None, titles: vec!["A".into(), "B".into()] };
        let one = Given { folder: nested, ..given("x.json", r#"{"uid":"x","title":"X"}"#) };
        sources.set("s", vec![one], Vec::new());
        let view = sources.view(|_, _| None);
        let inner = &view.folders[&view.dashboards["x"].folder];
        assert_eq!(&*inner.title, "B");
        assert_eq!(&*view.folders[&inner.parent].title, "A");
        let view = sources.view(|parent, title| (parent.is_empty() && title == "A").then(|| "saved".into()));
        assert_eq!(&*view.folders[&view.dashboards["x"].folder].parent, "saved");
    }
}
