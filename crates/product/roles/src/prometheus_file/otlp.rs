//! `otlp`: how metrics of OpenTelemetry become series.

use config::{Node, Result};
use scrape::{GlobalConfig, NameValidation};

/// The `otlp` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Otlp {
    /// Whether every attribute of a resource becomes a label.
    pub promote_all_resource_attributes: bool,
    /// Attributes of resources that become labels.
    pub promote_resource_attributes: Vec<String>,
    /// Attributes of resources that do not, if all others do.
    pub ignore_resource_attributes: Vec<String>,
    /// What becomes of names.
    pub translation_strategy: TranslationStrategy,
    /// Whether `service.name` and its like stay in `target_info`.
    pub keep_identifying_resource_attributes: bool,
    /// Whether classic histograms become native ones.
    pub convert_histograms_to_nhcb: bool,
    /// Whether name, version and attributes of the scope become labels.
    pub promote_scope_metadata: bool,
    /// Whether `key` is put before names that begin with an underscore.
    pub label_name_underscore_sanitization: bool,
    /// Whether several underscores in a row stay.
    pub label_name_preserve_multiple_underscores: bool,
}

impl Default for Otlp {
    fn default() -> Self {
        Otlp {
            promote_all_resource_attributes: false,
            promote_resource_attributes: Vec::new(),
            ignore_resource_attributes: Vec::new(),
            translation_strategy: TranslationStrategy::default(),
            keep_identifying_resource_attributes: false,
            convert_histograms_to_nhcb: false,
            promote_scope_metadata: false,
            label_name_underscore_sanitization: true,
            label_name_preserve_multiple_underscores: true,
        }
    }
}

/// What becomes of names of metrics and attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TranslationStrategy {
    #[default]
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    NoUtf8EscapingWithSuffixes,
    NoTranslation,
}

pub(super) fn decode(node: &Node, global: &GlobalConfig) -> Result<Otlp> {
    let mut fields = node.fields("config.plain")?;
    let default = Otlp::default();
    let promote_all = fields.or("promote_all_resource_attributes", false, Node::boolean)?;
    let promote = fields.take("promote_resource_attributes");
    let ignore = fields.take("ignore_resource_attributes");
    let is_filled =
        |list: Option<&Node>| list.is_some_and(|list| list.strings().is_ok_and(|texts| !texts.is_empty()));
    if promote_all && is_filled(promote) {
        return Err(promote.unwrap_or(node).error(
            "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously",
        ));
    }
    if !promote_all && is_filled(ignore) {
        return Err(ignore.unwrap_or(node).error(
            "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' is true",
        ));
    }
    let otlp = Otlp {
        promote_all_resource_attributes: promote_all,
        promote_resource_attributes: attributes(promote, "promote_resource_attributes", "promoted")?,
        ignore_resource_attributes: attributes(ignore, "ignore_resource_attributes", "ignored")?,
        translation_strategy: fields.or("translation_strategy", TranslationStrategy::default(), |node| {
            strategy(node, global.name_validation)
        })?,
        keep_identifying_resource_attributes: fields.or(
            "keep_identifying_resource_attributes",
            false,
            Node::boolean,
        )?,
        convert_histograms_to_nhcb: fields.or("convert_histograms_to_nhcb", false, Node::boolean)?,
        promote_scope_metadata: fields.or("promote_scope_metadata", false, Node::boolean)?,
        label_name_underscore_sanitization: fields.or(
            "label_name_underscore_sanitization",
            default.label_name_underscore_sanitization,
            Node::boolean,
        )?,
        label_name_preserve_multiple_underscores: fields.or(
            "label_name_preserve_multiple_underscores",
            default.label_name_preserve_multiple_underscores,
            Node::boolean,
        )?,
    };
    fields.finish()?;
    Ok(otlp)
}

fn attributes(list: Option<&Node>, field: &str, adjective: &str) -> Result<Vec<String>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let mut names: Vec<String> = Vec::new();
    list.list(|item| {
        let text = item.string()?;
        let name = text.trim();
        let wrong = |what: String| Err(item.error(format!("invalid '{field}': {what}")));
        if name.is_empty() {
            return wrong(format!("empty {adjective} OTel resource attribute"));
        }
        if names.iter().any(|known| known == name) {
            return wrong(format!("duplicated {adjective} OTel resource attribute {name:?}"));
        }
        names.push(name.to_string());
        Ok(())
    })?;
    Ok(names)
}

fn strategy(node: &Node, validation: NameValidation) -> Result<TranslationStrategy> {
    let name = node.string()?;
    let strategy = match name.as_str() {
        "" | "UnderscoreEscapingWithSuffixes" => TranslationStrategy::UnderscoreEscapingWithSuffixes,
        "UnderscoreEscapingWithoutSuffixes" => TranslationStrategy::UnderscoreEscapingWithoutSuffixes,
        "NoUTF8EscapingWithSuffixes" => TranslationStrategy::NoUtf8EscapingWithSuffixes,
        "NoTranslation" => TranslationStrategy::NoTranslation,
        _ => {
            return Err(node.error(format!(
                "unsupported OTLP translation strategy {name:?}; allowed are UnderscoreEscapingWithSuffixes, \
                 UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes, NoTranslation"
            )));
        }
    };
    let keeps_utf8 = matches!(
        strategy,
        TranslationStrategy::NoUtf8EscapingWithSuffixes | TranslationStrategy::NoTranslation
    );
    if keeps_utf8 && validation == NameValidation::Legacy {
        return Err(
            node.error(format!("OTLP translation strategy {name:?} is not allowed when UTF8 is disabled"))
        );
    }
    Ok(strategy)
}
