//! ConfigMaps with dashboards, as k8s-sidecar reads them: labelled `grafana_dashboard: "1"`, each key of the data a
//! file, the folder in an annotation.

use std::collections::BTreeMap;

use super::{Given, GivenFolder, Problem};

/// The label of ConfigMaps with dashboards, and its value.
pub const LABEL: (&str, &str) = ("grafana_dashboard", "1");
/// Annotations that name the folder, the first that is there counts.
pub const FOLDER_ANNOTATIONS: [&str; 2] = ["grafana_folder", "k8s-sidecar-target-directory"];
/// Where charts tell the sidecar to write to.
const SIDECAR_DIR: &str = "/tmp/dashboards";

/// The dashboards of one ConfigMap, and what of it cannot be used.
pub fn read(
    namespace: &str,
    name: &str,
    annotations: &BTreeMap<String, String>,
    data: &BTreeMap<String, String>,
    changed_ms: i64,
) -> (Vec<Given>, Vec<Problem>) {
    let said = FOLDER_ANNOTATIONS.iter().find_map(|known| annotations.get(*known));
    let folder = said.map(|said| folder_of(said)).unwrap_or_default();
    let (mut given, mut problems) = (Vec::new(), Vec::new());
    for (key, text) in data {
        let name = format!("{namespace}/{name}/{key}");
        if key.ends_with(".json") {
            given.push(Given {
                name,
                folder: folder.clone(),
                text: text.as_str().into(),
                is_editable: false,
                changed_ms,
            });
        } else if key.ends_with(".url") {
            problems.push(Problem::new(name, "left out: dashboards are not fetched from addresses"));
        }
    }
    (given, problems)
}

fn folder_of(said: &str) -> GivenFolder {
    let inside = match (said.strip_prefix(SIDECAR_DIR), said.starts_with('/')) {
        (Some(inside), _) => inside,
        // Some other folder of the sidecar's: its last part is what people call it.
        (None, true) => said.trim_end_matches('/').rsplit('/').next().unwrap_or(""),
        (None, false) => said,
    };
    let parts = inside.split('/').map(str::trim).filter(|part| !matches!(*part, "" | "." | ".."));
    GivenFolder { uid: None, titles: parts.map(str::to_string).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect()
    }

    #[test]
    fn each_json_key_is_a_dashboard_in_the_folder_of_the_annotation() {
        let data = map(&[("a.json", "{}"), ("b.json", "[]"), ("readme", "x"), ("c.json.url", "http://x")]);
        for (annotation, value, expected) in [
            ("grafana_folder", "Ops", vec!["Ops"]),
            ("k8s-sidecar-target-directory", "/tmp/dashboards/Kubernetes/Nodes", vec!["Kubernetes", "Nodes"]),
            ("k8s-sidecar-target-directory", "/var/lib/grafana/dashboards/Kubernetes", vec!["Kubernetes"]),
            ("grafana_folder", "../../etc", vec!["etc"]),
            ("unrelated", "x", vec![]),
        ] {
            let (given, problems) = read("ns", "cm", &map(&[(annotation, value)]), &data, 7);
            assert_eq!(given.len(), 2);
            assert_eq!((given[0].name.as_str(), given[0].text.as_ref()), ("ns/cm/a.json", "{}"));
            assert_eq!(given[0].folder.titles, expected);
            assert_eq!(problems.len(), 1, "addresses are not followed");
        }
    }
}
