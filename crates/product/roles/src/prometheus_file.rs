//! Interim.
use std::path::Path;

use config::http_client::PathBase;
use config::{Error, Node, Position};
use rules::file::Defaults;

/// A `prometheus.yml`.
pub struct PrometheusFile {
    /// `global`.
    pub global: scrape::GlobalConfig,
    /// Jobs.
    pub jobs: Vec<scrape::Job>,
    /// Rule groups.
    pub rules: Vec<rules::GroupSpec>,
    /// Not acted on.
    pub not_acted_on: Vec<(Position, String)>,
    root: Node,
}

impl PrometheusFile {
    /// Loads.
    pub fn load(path: &Path, features: &promql::Features) -> Result<Self, Vec<Error>> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| vec![Error::new(e.to_string()).in_file(&shown)])?;
        let base = PathBase::of_file(path);
        let load = || -> config::Result<(scrape::GlobalConfig, Vec<scrape::Job>, Vec<String>, Node)> {
            let root = Node::parse(&text)?;
            let mut fields = root.fields("config.plain")?;
            let global = fields.or("global", scrape::GlobalConfig::default(), |n| scrape::GlobalConfig::decode(n, &base))?;
            let jobs = scrape::Job::decode_all(&mut fields, &global, &base)?;
            let files = fields.or("rule_files", Vec::new(), Node::strings)?;
            fields.take("alerting");
            fields.finish()?;
            Ok((global, jobs, files, root.clone()))
        };
        let (global, jobs, files, root) = load().map_err(|e| vec![e.in_file(&shown)])?;
        let mut groups = Vec::new();
        for file in files {
            let file = base.join(&file);
            let name = file.display().to_string();
            let text = std::fs::read_to_string(&file).map_err(|e| vec![Error::new(e.to_string()).in_file(&name)])?;
            let defaults = Defaults { interval_ms: global.evaluation_interval_ms, query_offset_ms: 0 };
            groups.extend(rules::parse_file(&name, &text, defaults, features)?);
        }
        Ok(PrometheusFile { global, jobs, rules: groups, not_acted_on: Vec::new(), root })
    }

    /// Renders.
    pub fn render(&self) -> String {
        config::render::render(&self.root)
    }
}
