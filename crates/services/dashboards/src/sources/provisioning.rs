//! Grafana's files with data sources: `provisioning/datasources/*.yaml`.

use std::path::Path;

use config::Node;
use config::yaml::Value as Yaml;
use serde_json::{Map, Number, Value};

use super::definition::{
    Credentials, DATA_SOURCES_MAX, Definition, Origin, Source, read_secrets, read_uid, uid_of_name,
};
use crate::provisioning::Problem;
use crate::provisioning::expand::expand;
use crate::provisioning::providers::read_each;

/// What the files of a folder say.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) sources: Vec<Source>,
    /// Names of saved ones that shall go.
    pub(crate) deleted: Vec<String>,
    pub(crate) problems: Vec<Problem>,
}

/// Reads the files of a folder, or of `datasources` in it. Blocks.
pub(crate) fn read_dir(dir: &Path) -> Found {
    let (mut sources, mut deleted) = (Vec::<Source>::new(), Vec::new());
    let problems = read_each(dir, "datasources", |file, text, problems| {
        let shown = file.display().to_string();
        let (found, gone) = parse(text)?;
        for source in found {
            let taken = sources
                .iter()
                .find(|known| known.uid == source.uid || known.definition.name == source.definition.name);
            if let Some(taken) = taken {
                let message = format!(
                    "left out: the data source {:?} has the name or uid of {:?} too",
                    source.definition.name, taken.definition.name
                );
                problems.push(Problem::new(shown.clone(), message));
            } else if sources.len() < DATA_SOURCES_MAX {
                sources.push(source);
            }
        }
        deleted.extend(gone.into_iter().take(DATA_SOURCES_MAX));
        Ok(())
    });
    Found { sources, deleted, problems }
}

/// Reads one file: its data sources, and the names of those that shall go. A file of something else has neither.
pub(crate) fn parse(text: &str) -> config::Result<(Vec<Source>, Vec<String>)> {
    let root = Node::parse(text)?;
    let list = |name: &str| root.get(name).filter(|list| !list.is_null());
    let sources = match list("datasources") {
        Some(list) => list.list(source)?,
        None => Vec::new(),
    };
    let deleted = match list("deleteDatasources") {
        Some(list) => list.list(|node| match node.get("name") {
            Some(name) => name.string(),
            None => Err(node.error("a data source to delete needs a name")),
        })?,
        None => Vec::new(),
    };
    Ok((sources, deleted))
}

fn source(node: &Node) -> config::Result<Source> {
    let Value::Object(mut said) = json(node)? else {
        return Err(node.error("a data source must be a list of fields"));
    };
    for name in ["basicAuth", "withCredentials", "isDefault"] {
        // What comes from the environment is a text.
        if let Some(Value::String(text)) = said.get(name) {
            let is_on = matches!(text.as_str(), "true" | "1");
            said.insert(name.into(), Value::Bool(is_on));
        }
    }
    said.remove("version");
    let wrong = |error: crate::Error| node.error(error.to_string());
    let definition = Definition::read(&said).map_err(wrong)?;
    let secrets = read_secrets(&said).map_err(wrong)?;
    let uid = read_uid(&said).map_err(wrong)?.unwrap_or_else(|| uid_of_name(&definition.name));
    Ok(Source {
        uid: uid.into(),
        definition: definition.into(),
        credentials: Credentials::Open(secrets),
        origin: Origin::File,
        revision: 0,
    })
}

/// What YAML says, as JSON, with values of the environment and of files in its texts.
fn json(node: &Node) -> config::Result<Value> {
    Ok(match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Binary(_) => return Err(node.error("expected a text, found bytes")),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json).collect::<config::Result<_>>()?),
        Yaml::Mapping(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| Ok((name.string()?, json(value)?)));
            Value::Object(pairs.collect::<config::Result<Map<_, _>>>()?)
        }
        Yaml::Scalar { text, plain } => {
            if *plain {
                if let Ok(boolean) = node.boolean() {
                    return Ok(Value::Bool(boolean));
                }
                if let Ok(number) = serde_json::from_str::<Number>(text) {
                    return Ok(Value::Number(number));
                }
            }
            Value::String(expand(text).map_err(|message| node.error(message))?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grafanas_files_are_read_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("token");
        std::fs::write(&token, "Bearer abc\n").unwrap();
        let text = format!(
            r"
apiVersion: 1
deleteDatasources:
  - {{name: Old, orgId: 1}}
datasources:
  - name: Mimir
    type: prometheus
    access: proxy
    orgId: 1
    uid: mimir
    url: http://mimir/prometheus
    basicAuth: true
    basicAuthUser: me
    isDefault: true
    version: 1
    editable: false
    jsonData:
      timeInterval: 30s
      httpHeaderName1: Authorization
      tlsSkipVerify: true
    secureJsonData:
      basicAuthPassword: 'hunter2'
      httpHeaderValue1: $__file{{{}}}
  - name: Tempo
    type: tempo
",
            token.display()
        );
        let (sources, deleted) = parse(&text).unwrap();
        assert_eq!(deleted, ["Old"]);
        let mimir = &sources[0];
        assert_eq!((&*mimir.uid, mimir.definition.basic_auth_user.as_str()), ("mimir", "me"));
        assert!(mimir.definition.is_default && mimir.definition.is_on("tlsSkipVerify"));
        let Credentials::Open(secrets) = &mimir.credentials else { panic!("not from a file") };
        assert_eq!(secrets["httpHeaderValue1"].expose(), "Bearer abc");
        assert_eq!(secrets["basicAuthPassword"].expose(), "hunter2");
        assert_eq!(&*sources[1].uid, uid_of_name("Tempo"));
        assert!(parse("providers: []\n").unwrap().0.is_empty());
    }

    #[test]
    fn a_mistake_is_named_with_its_place_and_without_secrets() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("datasources")).unwrap();
        let file = dir.path().join("datasources/a.yaml");
        std::fs::write(&file, "datasources:\n  - name: A\n    secureJsonData: {password: hunter2}\n")
            .unwrap();
        let found = read_dir(dir.path());
        let problem = found.problems[0].to_string();
        assert!(problem.contains("a.yaml:2:") && problem.contains("needs a type"), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
}
