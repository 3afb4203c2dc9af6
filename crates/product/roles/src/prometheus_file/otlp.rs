//! `otlp`: how metrics of OpenTelemetry become series.

use config::{Node, Result};
use ingest::{OtlpSettings, TranslationStrategy};
use scrape::{GlobalConfig, NameValidation};

pub(super) fn decode(node: &Node, global: &GlobalConfig) -> Result<OtlpSettings> {
    let mut fields = node.fields("config.plain")?;
    let default = OtlpSettings::default();
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
    let otlp = OtlpSettings {
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
