//! The names that `--enable-feature` takes: all of Prometheus's, each with what it does here.

use roles::{Deltas, Settings};

/// What a feature's name does.
enum Effect {
    /// It switches something on.
    Switch(fn(&mut Settings)),
    /// It is so without the name; the text says how.
    Always(&'static str),
    /// Nothing acts on it; the text says what is missed.
    Absent(&'static str),
}

use Effect::{Absent, Always, Switch};

/// All features of Prometheus 3.14, sorted by name.
const FEATURES: [(&str, Effect); 26] = [
    ("auto-reload-config", Switch(|settings| settings.auto_reload = true)),
    ("concurrent-rule-eval", Always("rules that do not need each other are evaluated at once")),
    ("created-timestamp-zero-ingestion", Switch(|settings| settings.start_timestamps.write_zero = true)),
    ("delayed-compaction", Absent("blocks are cut as soon as they are due")),
    ("exemplar-storage", Always("exemplars are kept")),
    ("extra-scrape-metrics", Switch(|settings| settings.scrape_features.extra_scrape_metrics = true)),
    ("fast-startup", Always("queries are answered while the log is read")),
    ("memory-snapshot-on-shutdown", Always("the log is read in far less time than it took to write")),
    ("metadata-wal-records", Always("metadata of metrics is logged")),
    ("native-histograms", Always("native histograms are always taken")),
    ("old-ui", Absent("there is one page")),
    ("ooo-native-histograms", Always("native histograms are always taken")),
    ("otlp-deltatocumulative", Switch(|settings| settings.push.deltas = Deltas::Accumulate)),
    ("otlp-native-delta-ingestion", Switch(|settings| settings.push.deltas = Deltas::Keep)),
    ("promql-binop-fill-modifiers", Switch(|settings| settings.features.fill_modifiers = true)),
    ("promql-delayed-name-removal", Switch(|settings| settings.delayed_name_removal = true)),
    ("promql-duration-expr", Switch(|settings| settings.features.duration_expressions = true)),
    ("promql-experimental-functions", Switch(|settings| settings.features.experimental_functions = true)),
    ("promql-extended-range-selectors", Switch(|settings| settings.features.extended_range_selectors = true)),
    ("promql-per-step-stats", Always("stats=all counts samples of each step")),
    ("st-storage", Switch(|settings| settings.start_timestamps.store = true)),
    ("st-synthesis", Switch(|settings| settings.scrape_features.synthesized_starts = true)),
    ("type-and-unit-labels", Switch(|settings| settings.type_and_unit_labels = true)),
    ("use-start-timestamps", Switch(|settings| settings.use_start_timestamps = true)),
    ("use-uncached-io", Absent("blocks are written through the page cache")),
    ("xor2-encoding", Switch(|settings| settings.store.xor2 = true)),
];

/// Switches on what the names say; an error where they contradict each other. A name that nobody knows does not keep a server from starting,
/// since Prometheus goes on after it too; it is named among the notes of the start.
pub(crate) fn enable(names: &[String], settings: &mut Settings) -> Result<(), String> {
    let deltas = ["otlp-native-delta-ingestion", "otlp-deltatocumulative"];
    if deltas.iter().all(|feature| names.iter().any(|name| name == feature)) {
        return Err(format!(
            "--enable-feature: cannot enable {} and {} at the same time",
            deltas[0], deltas[1]
        ));
    }
    for name in names.iter().filter(|name| !name.is_empty()) {
        let found =
            FEATURES.binary_search_by(|(known, _)| (*known).cmp(name)).ok().and_then(|at| FEATURES.get(at));
        match found.map(|(_, effect)| effect) {
            Some(Switch(switch)) => switch(settings),
            Some(Always(how)) => settings.notes.push(format!("--enable-feature={name} is not needed: {how}")),
            Some(Absent(what)) => {
                settings.notes.push(format!("--enable-feature={name} is not acted on: {what}"));
            }
            None => settings.notes.push(format!("--enable-feature={name}: there is no such feature")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use roles::Mode;

    use super::*;

    #[test]
    fn every_feature_switches_something_or_says_why_not() {
        assert!(FEATURES.is_sorted_by(|(a, _), (b, _)| a < b));
        for (name, effect) in &FEATURES {
            let mut settings = Settings::new(Mode::Prometheus);
            // Prometheus 3.14 has these on from the start; the switch must turn them on all the same.
            settings.features.duration_expressions = false;
            let before = format!("{settings:?}");
            enable(&[(*name).to_string()], &mut settings).unwrap();
            assert_ne!(format!("{settings:?}"), before, "{name}");
            assert_eq!(settings.notes.is_empty(), matches!(effect, Switch(_)), "{name}");
        }
    }

    #[test]
    fn deltas_are_either_added_up_or_kept() {
        let names = ["otlp-deltatocumulative".to_string(), "otlp-native-delta-ingestion".to_string()];
        let error = enable(&names, &mut Settings::new(Mode::Prometheus)).unwrap_err();
        assert!(error.contains("at the same time"), "{error}");
    }

    #[test]
    fn an_unknown_feature_is_named_and_the_others_act() {
        let mut settings = Settings::new(Mode::Prometheus);
        enable(&["native-histogramms".into(), "promql-binop-fill-modifiers".into()], &mut settings).unwrap();
        assert_eq!(settings.notes, ["--enable-feature=native-histogramms: there is no such feature"]);
        assert!(settings.features.fill_modifiers);
    }
}
