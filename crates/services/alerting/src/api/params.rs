//! The parameters of a request.

use gocompat::re2::Regex;
use model::{Labels, Matcher};

use super::refusal::Refusal;
use crate::dispatch::Listed;
use crate::matchers::{MatcherMode, all_match};
use crate::settings::Config;

/// The most that one page of a list holds.
const LIMIT_MAX: usize = 10_000;

/// The parameters of a request, in their order.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn read(query: Option<&str>) -> Self {
        Params(form_urlencoded::parse(query.unwrap_or("").as_bytes()).into_owned().collect())
    }

    /// All values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).filter(|v| !v.is_empty())
    }

    /// A switch that is on unless the request says no. Whatever is not yes is no.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_none_or(|value| {
            let yes = ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];
            yes.iter().any(|word| value.eq_ignore_ascii_case(word))
        })
    }

    /// Matchers, each in a parameter of its own.
    pub(crate) fn matchers(&self, name: &str, mode: MatcherMode) -> Result<Vec<Matcher>, String> {
        let mut matchers = Vec::new();
        for text in self.all(name) {
            matchers.extend(mode.parse_matcher(text).map_err(|error| error.to_string())?.matchers);
        }
        Ok(matchers)
    }

    /// How many entries are wanted, if not all.
    pub(crate) fn limit(&self) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.get("limit") else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(limit) if limit > 0 => Ok(Some(limit.min(LIMIT_MAX))),
            _ => Err(Refusal::bad(format!("limit must be a number above 0, found {text:?}"))),
        }
    }
}

/// Which alerts are wanted.
pub(crate) struct Filter {
    pub(crate) matchers: Vec<Matcher>,
    receiver: Option<Regex>,
    receiver_matchers: Vec<Matcher>,
    active: bool,
    silenced: bool,
    inhibited: bool,
}

impl Filter {
    pub(crate) fn read(params: &Params, mode: MatcherMode) -> Result<Filter, Refusal> {
        let receiver = params.get("receiver").map(Regex::anchored).transpose();
        Ok(Filter {
            matchers: params.matchers("filter", mode).map_err(Refusal::bad)?,
            receiver: receiver
                .map_err(|error| Refusal::bad(format!("failed to parse receiver param: {error}")))?,
            receiver_matchers: params
                .matchers("receiver_matchers", mode)
                .map_err(|error| Refusal::bad(format!("failed to parse receiver_matchers param: {error}")))?,
            active: params.is_on("active"),
            silenced: params.is_on("silenced"),
            inhibited: params.is_on("inhibited"),
        })
    }

    /// For each route of a configuration: whether its receiver is wanted.
    pub(crate) fn routes(&self, config: &Config) -> Vec<bool> {
        config.routes.iter().map(|route| self.wants_receiver(&route.receiver, config)).collect()
    }

    /// Whether receivers count at all.
    pub(crate) fn asks_for_receivers(&self) -> bool {
        self.receiver.is_some() || !self.receiver_matchers.is_empty()
    }

    fn wants_receiver(&self, name: &str, config: &Config) -> bool {
        if self.receiver.as_ref().is_some_and(|regex| !regex.is_match(name)) {
            return false;
        }
        if self.receiver_matchers.is_empty() {
            return true;
        }
        let Some(receiver) = config.receiver(name) else { return false };
        all_match(&self.receiver_matchers, &Labels::from_pairs(&receiver.labels))
    }

    /// Whether an alert is wanted by what became of it.
    pub(crate) fn wants(&self, alert: &Listed) -> bool {
        !alert.has_ended
            && (self.active || alert.is_suppressed())
            && (self.silenced || alert.silenced_by.is_empty())
            && (self.inhibited || alert.inhibited_by.is_empty())
    }

    /// Whether an alert is wanted by its labels.
    pub(crate) fn wants_labels(&self, labels: &Labels) -> bool {
        all_match(&self.matchers, labels)
    }
}
