//! Targets from what an API says: labels under a prefix, texts out of JSON.

use model::target::ADDRESS_LABEL;
use model::{Labels, LabelsBuilder, TargetGroup};
use serde_json::Value;

/// The labels of one target, or of a group, as they are collected. A label that is set to nothing
/// does not exist.
#[derive(Clone)]
pub(crate) struct Meta {
    prefix: &'static str,
    labels: LabelsBuilder,
}

impl Meta {
    /// No labels yet; names are put behind `prefix`, such as `__meta_hetzner_`.
    pub(crate) fn new(prefix: &'static str) -> Self {
        Meta { prefix, labels: LabelsBuilder::default() }
    }

    /// Sets a label; `name` is what stands behind the prefix.
    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        self.labels.set(&format!("{}{name}", self.prefix), value.as_ref());
        self
    }

    /// Sets a label if there is a value.
    pub(crate) fn set_some(&mut self, name: &str, value: Option<impl AsRef<str>>) -> &mut Self {
        if let Some(value) = value {
            self.set(name, value);
        }
        self
    }

    /// Sets a label that has no prefix.
    pub(crate) fn set_plain(&mut self, name: &str, value: &str) -> &mut Self {
        self.labels.set(name, value);
        self
    }

    /// Sets labels from a JSON object: the name behind the prefix, and where its value is.
    pub(crate) fn copy(&mut self, from: &Value, labels: &[(&str, &str)]) -> &mut Self {
        for (name, path) in labels {
            self.set(name, from.text(path));
        }
        self
    }

    /// A label for each pair, its name made one that labels may have, and one that says it is there.
    pub(crate) fn set_pairs<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        name: &str,
        present: &str,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> &mut Self {
        for (key, value) in pairs {
            let key = sanitized(key.as_ref());
            self.set(&format!("{name}{key}"), value);
            if !present.is_empty() {
                self.set(&format!("{present}{key}"), "true");
            }
        }
        self
    }

    /// A list between separators, with one at each end so that a pattern need not care for the ends.
    /// An empty list sets nothing.
    pub(crate) fn set_list<T: AsRef<str>>(
        &mut self,
        name: &str,
        separator: &str,
        list: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        let mut text = String::new();
        for item in list {
            text.push_str(separator);
            text.push_str(item.as_ref());
        }
        if !text.is_empty() {
            text.push_str(separator);
            self.set(name, text);
        }
        self
    }

    /// Takes over the labels of another.
    pub(crate) fn merge(&mut self, other: &Meta) -> &mut Self {
        for (name, value) in other.labels.iter() {
            self.labels.set(name, value);
        }
        self
    }

    /// Where the target is reached.
    pub(crate) fn address(&mut self, host: &str, port: impl std::fmt::Display) -> &mut Self {
        self.labels.set(ADDRESS_LABEL, &host_port(host, port));
        self
    }

    /// The labels.
    pub(crate) fn build(&self) -> Labels {
        self.labels.build()
    }
}

/// `host:port`, an IPv6 address in brackets.
pub(crate) fn host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// One group of targets without labels of its own.
pub(crate) fn one_group(source: &str, targets: Vec<Labels>) -> Vec<TargetGroup> {
    vec![TargetGroup { source: source.into(), targets, labels: Labels::empty() }]
}

/// A text as the part of a label's name: what such a name cannot have becomes `_`.
pub(crate) fn sanitized(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

/// Reading JSON that may lack anything. Paths are names joined by dots.
pub(crate) trait Json {
    /// What is there, or null.
    fn at(&self, path: &str) -> &Value;
    /// A text, number or truth value as text; anything else is empty.
    fn text(&self, path: &str) -> String;
    /// The items of a list, or none.
    fn items(&self, path: &str) -> &[Value];
    /// Names and texts of an object.
    fn pairs(&self, path: &str) -> Vec<(String, String)>;
    /// The texts of a list.
    fn texts(&self, path: &str) -> Vec<String>;
    /// Whether it is true.
    fn is(&self, path: &str) -> bool;
}

impl Json for Value {
    fn at(&self, path: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        if path.is_empty() {
            return self;
        }
        path.split('.').try_fold(self, |value, name| value.get(name)).unwrap_or(NULL)
    }

    fn text(&self, path: &str) -> String {
        match self.at(path) {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            _ => String::new(),
        }
    }

    fn items(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map_or(&[], Vec::as_slice)
    }

    fn pairs(&self, path: &str) -> Vec<(String, String)> {
        let object = self.at(path).as_object();
        object.into_iter().flatten().map(|(name, value)| (name.clone(), value.text(""))).collect()
    }

    fn texts(&self, path: &str) -> Vec<String> {
        self.items(path).iter().map(|item| item.text("")).collect()
    }

    fn is(&self, path: &str) -> bool {
        self.at(path).as_bool().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_stand_under_a_prefix_and_empty_ones_do_not_exist() {
        let server = json!({"id": 7, "name": "a", "on": true, "net": {"ip": null}, "tags": {"a.b": "c"}});
        let mut meta = Meta::new("__meta_x_");
        meta.copy(&server, &[("id", "id"), ("name", "name"), ("on", "on"), ("ip", "net.ip")]);
        meta.set_pairs("tag_", "tagpresent_", server.pairs("tags"));
        meta.set_list("list", ",", ["a", "b"]).set_list("none", ",", [""; 0]);
        meta.address("fd00::1", 80);
        assert_eq!(
            meta.build().to_string(),
            r#"{__address__="[fd00::1]:80", __meta_x_id="7", __meta_x_list=",a,b,", __meta_x_name="a", __meta_x_on="true", __meta_x_tag_a_b="c", __meta_x_tagpresent_a_b="true"}"#
        );
    }
}
