//! The route tree: which receivers an alert goes to and how it is grouped on the way.

use std::collections::{BTreeMap, BTreeSet};

use config::{Node, Position, Result};
use model::{Labels, Matcher};

use crate::matchers::{self, MatcherMode};

/// A route as the file has it; what it leaves out is `None`.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// Where it stands.
    pub position: Position,
    /// Who is told.
    pub receiver: Option<String>,
    /// How alerts are grouped.
    pub group_by: Option<GroupBy>,
    /// What an alert must meet, from `match`, `match_re` and `matchers`.
    pub matchers: Vec<Matcher>,
    /// Whether later siblings are tried too.
    pub continues: bool,
    /// Routes below.
    pub routes: Vec<RouteConfig>,
    /// How long the first notification of a group waits for more.
    pub group_wait_ms: Option<i64>,
    /// How long a group waits before it is looked at again.
    pub group_interval_ms: Option<i64>,
    /// How long until an unchanged group is told again.
    pub repeat_interval_ms: Option<i64>,
    /// Names of time intervals in which nothing is sent.
    pub mute_time_intervals: Vec<String>,
    /// Names of time intervals outside which nothing is sent.
    pub active_time_intervals: Vec<String>,
    /// Labels that notifications carry about the route itself.
    pub labels: BTreeMap<String, String>,
}

/// The labels that make a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Every label: each alert is a group.
    All,
    /// These.
    Labels(BTreeSet<String>),
}

impl GroupBy {
    /// Appends [`Labels::packed`] of the group an alert belongs to.
    pub fn pack_group(&self, labels: &Labels, into: &mut String) {
        match self {
            GroupBy::All => into.push_str(labels.packed()),
            GroupBy::Labels(names) => {
                Labels::pack(labels.iter().filter(|(name, _)| names.contains(*name)), into);
            }
        }
    }

    /// The group an alert belongs to.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match self {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => labels.filter(|name| names.contains(name)),
        }
    }
}

/// A route with everything it inherits.
#[derive(Clone, Debug)]
pub struct Route {
    /// Who is told.
    pub receiver: String,
    /// How alerts are grouped.
    pub group_by: GroupBy,
    /// What an alert must meet.
    pub matchers: Vec<Matcher>,
    /// Whether later siblings are tried too.
    pub continues: bool,
    /// How long the first notification of a group waits for more.
    pub group_wait_ms: i64,
    /// How long a group waits before it is looked at again.
    pub group_interval_ms: i64,
    /// How long until an unchanged group is told again.
    pub repeat_interval_ms: i64,
    /// Names of time intervals in which nothing is sent. Not inherited.
    pub mute_time_intervals: Vec<String>,
    /// Names of time intervals outside which nothing is sent. Not inherited.
    pub active_time_intervals: Vec<String>,
    /// Labels about the route, a child's over its parent's.
    pub labels: BTreeMap<String, String>,
    /// The matchers from the root down, joined by `/`: part of the group key that receivers see.
    /// Two routes can have the same.
    pub key: String,
    /// The key with the place among the siblings after each part, as Alertmanager's API shows it.
    pub id: String,
    /// What a group's state is kept under: like the key, but siblings with equal matchers are
    /// numbered. Unlike the id it survives a route being added elsewhere.
    pub name: String,
    /// Places of the routes below in [`Routes`].
    pub children: Vec<usize>,
}

/// The tree, flat: the root stands first, a parent before its children.
#[derive(Clone, Debug)]
pub struct Routes(Vec<Route>);

impl RouteConfig {
    /// Decodes a route and those below it. `warn` takes what the reader should know.
    pub fn decode(
        node: &Node,
        mode: MatcherMode,
        warn: &mut dyn FnMut(config::Error),
    ) -> Result<RouteConfig> {
        let mut fields = node.fields("config.plain")?;
        let receiver = fields.optional("receiver", Node::string)?.filter(|name| !name.is_empty());
        let group_by = fields.optional("group_by", |node| group_by(node, mode))?;
        let mut found = match_pairs(fields.take("match"))?;
        found.extend(match_regexes(fields.take("match_re"))?);
        found.extend(matcher_list(fields.take("matchers"), mode, warn)?);
        matchers::sort(&mut found);
        let not_zero = |name: &'static str| {
            move |node: &Node| match node.duration_ms()? {
                0 => Err(node.error(format!("{name} cannot be zero"))),
                duration_ms => Ok(duration_ms),
            }
        };
        let labels = fields.or("labels", BTreeMap::new(), |node| {
            let pairs = node.map(Node::string)?;
            for (name, _) in &pairs {
                if !mode.is_valid_label_name(name) {
                    return Err(node.error(format!("invalid label name {name:?} in route labels")));
                }
            }
            Ok(pairs.into_iter().collect())
        })?;
        let route = RouteConfig {
            position: node.position,
            receiver,
            group_by,
            matchers: found,
            continues: fields.or("continue", false, Node::boolean)?,
            routes: fields.or("routes", Vec::new(), |routes| {
                routes.list(|node| RouteConfig::decode(node, mode, warn))
            })?,
            group_wait_ms: fields.optional("group_wait", Node::duration_ms)?,
            group_interval_ms: fields.optional("group_interval", not_zero("group_interval"))?,
            repeat_interval_ms: fields.optional("repeat_interval", not_zero("repeat_interval"))?,
            mute_time_intervals: fields.or("mute_time_intervals", Vec::new(), Node::strings)?,
            active_time_intervals: fields.or("active_time_intervals", Vec::new(), Node::strings)?,
            labels,
        };
        fields.finish()?;
        Ok(route)
    }

    /// A route that takes everything, for a configuration made by the program itself.
    pub fn catch_all(receiver: &str, group_by: &[&str]) -> RouteConfig {
        let labels = group_by.iter().map(|name| name.to_string()).collect();
        RouteConfig {
            position: Position::default(),
            receiver: Some(receiver.to_string()),
            group_by: Some(GroupBy::Labels(labels)),
            matchers: Vec::new(),
            continues: false,
            routes: Vec::new(),
            group_wait_ms: None,
            group_interval_ms: None,
            repeat_interval_ms: None,
            mute_time_intervals: Vec::new(),
            active_time_intervals: Vec::new(),
            labels: BTreeMap::new(),
        }
    }
}

fn group_by(node: &Node, mode: MatcherMode) -> Result<GroupBy> {
    let (mut all, mut names) = (false, BTreeSet::new());
    for name in node.strings()? {
        if name == "..." {
            all = true;
        } else if !mode.is_valid_label_name(&name) {
            return Err(node.error(format!("invalid label name {name:?} in group_by list")));
        } else if !names.insert(name.clone()) {
            return Err(node.error(format!("duplicated label {name:?} in group_by")));
        }
    }
    match (all, names.is_empty()) {
        (true, false) => {
            Err(node.error("cannot have wildcard group_by (`...`) and other labels at the same time"))
        }
        (true, true) => Ok(GroupBy::All),
        (false, _) => Ok(GroupBy::Labels(names)),
    }
}

/// Decodes `match`: labels and the values they must have.
pub fn match_pairs(node: Option<&Node>) -> Result<Vec<Matcher>> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let pairs = node.map(Node::string)?;
    pairs
        .into_iter()
        .map(|(name, value)| {
            plain_name(node, &name)?;
            Ok(Matcher::equal(name, value))
        })
        .collect()
}

/// Decodes `match_re`: labels and the expressions their values must match as a whole.
pub fn match_regexes(node: Option<&Node>) -> Result<Vec<Matcher>> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let pairs = node.map(Ok)?;
    pairs
        .into_iter()
        .map(|(name, value)| {
            plain_name(node, &name)?;
            if value.is_null() {
                return Err(value.error(format!("invalid regexp value for {name:?}")));
            }
            // The anchors are part of the text in route keys, so they are part of ours.
            let pattern = format!("^(?:{})$", value.string()?);
            Matcher::new(model::MatchOp::Regex, name, pattern).map_err(|error| value.error(error.to_string()))
        })
        .collect()
}

fn plain_name(node: &Node, name: &str) -> Result<()> {
    if model::labels::is_plain_label_name(name) {
        Ok(())
    } else {
        Err(node.error(format!("invalid label name {name:?}")))
    }
}

/// Decodes `matchers`: a list of texts, each with any number of matchers.
pub fn matcher_list(
    node: Option<&Node>,
    mode: MatcherMode,
    warn: &mut dyn FnMut(config::Error),
) -> Result<Vec<Matcher>> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    node.list(|line| {
        let parsed = mode.parse_matchers(&line.string()?).map_err(|error| line.error(error.to_string()))?;
        if let Some(warning) = parsed.warning {
            warn(line.error(warning));
        }
        found.extend(parsed.matchers);
        Ok(())
    })?;
    matchers::sort(&mut found);
    Ok(found)
}

impl Routes {
    /// The tree with everything inherited.
    pub fn new(root: &RouteConfig) -> Routes {
        let mut routes = Vec::new();
        add(&mut routes, root, None, 0, 0);
        Routes(routes)
    }

    /// All routes, depth first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// The route at a place.
    pub fn get(&self, at: usize) -> Option<&Route> {
        self.0.get(at)
    }

    /// Places of the routes an alert goes to: depth first, left to right; a route itself only if
    /// none below it matches; siblings after a match only if that one continues.
    pub fn matching(&self, labels: &Labels) -> Vec<usize> {
        let mut found = Vec::new();
        self.walk(0, labels, &mut found);
        found
    }

    fn walk(&self, at: usize, labels: &Labels, found: &mut Vec<usize>) -> bool {
        let Some(route) = self.0.get(at) else { return false };
        if !matchers::all_match(&route.matchers, labels) {
            return false;
        }
        let before = found.len();
        for &child in &route.children {
            let matched = self.walk(child, labels, found);
            if matched && !self.0.get(child).is_some_and(|child| child.continues) {
                break;
            }
        }
        if found.len() == before {
            found.push(at);
        }
        true
    }
}

/// Adds a route and those below it; `place` counts siblings, `twin` those before it with equal matchers.
fn add(
    routes: &mut Vec<Route>,
    config: &RouteConfig,
    parent: Option<usize>,
    place: usize,
    twin: usize,
) -> usize {
    let inherited = parent.and_then(|at| routes.get(at)).cloned();
    let own = matchers::key_of(&config.matchers);
    let (key, id, name) = match &inherited {
        None => (own.clone(), own.clone(), own),
        Some(parent) => {
            let number = if twin == 0 { String::new() } else { format!("#{twin}") };
            (
                format!("{}/{own}", parent.key),
                format!("{}/{own}/{place}", parent.id),
                format!("{}/{own}{number}", parent.name),
            )
        }
    };
    let base = inherited.as_ref();
    let mut labels = base.map(|route| route.labels.clone()).unwrap_or_default();
    labels.extend(config.labels.clone());
    let at = routes.len();
    routes.push(Route {
        receiver: config
            .receiver
            .clone()
            .or_else(|| base.map(|route| route.receiver.clone()))
            .unwrap_or_default(),
        group_by: config
            .group_by
            .clone()
            .or_else(|| base.map(|route| route.group_by.clone()))
            .unwrap_or(GroupBy::Labels(BTreeSet::new())),
        matchers: config.matchers.clone(),
        continues: config.continues,
        group_wait_ms: config.group_wait_ms.or(base.map(|route| route.group_wait_ms)).unwrap_or(30_000),
        group_interval_ms: config
            .group_interval_ms
            .or(base.map(|route| route.group_interval_ms))
            .unwrap_or(300_000),
        repeat_interval_ms: config
            .repeat_interval_ms
            .or(base.map(|route| route.repeat_interval_ms))
            .unwrap_or(14_400_000),
        mute_time_intervals: config.mute_time_intervals.clone(),
        active_time_intervals: config.active_time_intervals.clone(),
        labels,
        key,
        id,
        name,
        children: Vec::new(),
    });
    let mut seen: Vec<String> = Vec::new();
    for (place, child) in config.routes.iter().enumerate() {
        let own = matchers::key_of(&child.matchers);
        let twin = seen.iter().filter(|other| **other == own).count();
        seen.push(own);
        let child = add(routes, child, Some(at), place, twin);
        if let Some(route) = routes.get_mut(at) {
            route.children.push(child);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_with_equal_matchers_have_names_of_their_own() {
        let yaml =
            "receiver: a\nroutes: [{matchers: [x=1], continue: true}, {matchers: [y=1]}, {matchers: [x=1]}]";
        let config = RouteConfig::decode(&Node::parse(yaml).unwrap(), MatcherMode::Fallback, &mut |_| {});
        let routes = Routes::new(&config.unwrap());
        let names: Vec<&str> = routes.iter().map(|route| route.name.as_str()).collect();
        assert_eq!(names, ["{}", "{}/{x=\"1\"}", "{}/{y=\"1\"}", "{}/{x=\"1\"}#1"]);
        assert_eq!(routes.matching(&Labels::from_pairs([("x", "1")])), [1, 3]);
    }
}
