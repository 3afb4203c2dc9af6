//! Files of tests.

use std::path::{Path, PathBuf};

use config::http_client::PathBase;
use config::{Node, Result};
use model::Labels;

/// Time between evaluations where a file does not say.
const INTERVAL_DEFAULT_MS: i64 = 60_000;

/// A file of tests.
pub(super) struct File {
    pub(super) name: String,
    pub(super) rule_files: Vec<PathBuf>,
    pub(super) interval_ms: i64,
    pub(super) group_order: Vec<String>,
    pub(super) fuzzy: bool,
    pub(super) tests: Vec<Test>,
}

/// Series, and what shall come of them.
pub(super) struct Test {
    pub(super) name: String,
    /// Time between the values of the series.
    pub(super) interval_ms: i64,
    /// The time of the first values, milliseconds since the epoch.
    pub(super) start_ms: i64,
    pub(super) series: Vec<Series>,
    pub(super) alerts: Vec<AlertTest>,
    pub(super) exprs: Vec<ExprTest>,
    pub(super) external_labels: Labels,
    pub(super) external_url: String,
}

/// A series as it is written, and where.
pub(super) struct Series {
    pub(super) text: String,
    pub(super) place: Node,
}

/// Alerts of a name that shall fire at a time.
pub(super) struct AlertTest {
    pub(super) at_ms: i64,
    pub(super) name: String,
    /// Labels, without the name, and annotations.
    pub(super) expected: Vec<(Labels, Labels)>,
}

/// What an expression shall yield at a time.
pub(super) struct ExprTest {
    pub(super) at_ms: i64,
    pub(super) expr: String,
    pub(super) expected: Vec<ExpectedSample>,
}

/// A sample as it is written.
pub(super) struct ExpectedSample {
    pub(super) labels: String,
    pub(super) value: f64,
    /// Instead of the value, if it is not empty.
    pub(super) histogram: String,
}

/// Reads a file; the error is one line for a person.
pub(super) fn read(path: &Path) -> std::result::Result<File, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse(path, &text).map_err(|error| error.in_file(&path.display().to_string()).to_string())
}

fn parse(path: &Path, text: &str) -> Result<File> {
    let root = Node::parse(text)?;
    let base = PathBase::of_file(path);
    let mut fields = root.fields("main.unitTestFile")?;
    let rule_files = fields.or("rule_files", Vec::new(), Node::strings)?;
    let interval_ms = fields.or("evaluation_interval", 0, Node::duration_ms)?;
    let group_order = fields.or("group_eval_order", Vec::new(), Node::strings)?;
    let fuzzy = fields.or("fuzzy_compare", false, Node::boolean)?;
    let interval_ms = if interval_ms > 0 { interval_ms } else { INTERVAL_DEFAULT_MS };
    let tests = fields.or("tests", Vec::new(), |node| node.list(|node| test(node, interval_ms)))?;
    let order_node = fields.peek("group_eval_order").unwrap_or(&root);
    for (at, name) in group_order.iter().enumerate() {
        if group_order[..at].contains(name) {
            return Err(order_node.error(format!("group name repeated in evaluation order: {name}")));
        }
    }
    fields.finish()?;
    let rule_files = rule_files.iter().map(|file| base.join(file)).collect();
    Ok(File { name: path.display().to_string(), rule_files, interval_ms, group_order, fuzzy, tests })
}

fn test(node: &Node, default_interval_ms: i64) -> Result<Test> {
    let mut fields = node.fields("main.testGroup")?;
    let interval_ms = fields.or("interval", 0, Node::duration_ms)?;
    let test = Test {
        name: fields.or("name", String::new(), Node::string)?,
        interval_ms: if interval_ms > 0 { interval_ms } else { default_interval_ms },
        start_ms: fields.or("start_timestamp", 0, time_ms)?,
        series: fields.or("input_series", Vec::new(), |node| node.list(series))?,
        alerts: fields.or("alert_rule_test", Vec::new(), |node| node.list(alert_test))?,
        exprs: fields.or("promql_expr_test", Vec::new(), |node| node.list(expr_test))?,
        external_labels: fields.or("external_labels", Labels::empty(), Node::labels)?,
        external_url: fields.or("external_url", String::new(), Node::string)?,
    };
    fields.finish()?;
    Ok(test)
}

/// RFC 3339, or seconds since the epoch.
fn time_ms(node: &Node) -> Result<i64> {
    let text = node.string()?;
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    seconds
        .map(|seconds| (seconds * 1000.0).round() as i64)
        .or_else(|| gocompat::layout::parse_rfc3339_ms(&text))
        .ok_or_else(|| node.error(format!("cannot parse {text:?} to a valid timestamp")))
}

fn series(node: &Node) -> Result<Series> {
    let mut fields = node.fields("main.series")?;
    let series_node = fields.take("series");
    let name = series_node.map(Node::string).transpose()?.unwrap_or_default();
    let values = fields.or("values", String::new(), Node::string)?;
    fields.finish()?;
    Ok(Series { text: format!("{name} {values}"), place: series_node.unwrap_or(node).clone() })
}

fn alert_test(node: &Node) -> Result<AlertTest> {
    let mut fields = node.fields("main.alertTestCase")?;
    let at_ms = fields.or("eval_time", 0, Node::duration_ms)?;
    let name = fields.or("alertname", String::new(), Node::string)?;
    let expected = fields.or("exp_alerts", Vec::new(), |node| {
        node.list(|node| {
            let mut fields = node.fields("main.alert")?;
            let labels = fields.or("exp_labels", Labels::empty(), Node::labels)?;
            let annotations = fields.or("exp_annotations", Labels::empty(), Node::labels)?;
            fields.finish()?;
            Ok((labels, annotations))
        })
    })?;
    fields.finish()?;
    Ok(AlertTest { at_ms, name, expected })
}

fn expr_test(node: &Node) -> Result<ExprTest> {
    let mut fields = node.fields("main.promqlTestCase")?;
    let expr = fields.or("expr", String::new(), Node::string)?;
    let at_ms = fields.or("eval_time", 0, Node::duration_ms)?;
    let expected = fields.or("exp_samples", Vec::new(), |node| {
        node.list(|node| {
            let mut fields = node.fields("main.sample")?;
            let sample = ExpectedSample {
                labels: fields.or("labels", String::new(), Node::string)?,
                value: fields.or("value", 0.0, number)?,
                histogram: fields.or("histogram", String::new(), Node::string)?,
            };
            fields.finish()?;
            Ok(sample)
        })
    })?;
    fields.finish()?;
    Ok(ExprTest { at_ms, expr, expected })
}

/// A number as YAML writes it, infinite ones included.
fn number(node: &Node) -> Result<f64> {
    match node.string()?.to_ascii_lowercase().as_str() {
        ".inf" | "+.inf" => Ok(f64::INFINITY),
        "-.inf" => Ok(f64::NEG_INFINITY),
        ".nan" => Ok(f64::NAN),
        _ => node.float(),
    }
}
