//! How answers are shown: simple, extended, or as the API's JSON.

use gocompat::layout;
use model::{MatchOp, Matcher};
use serde_json::Value;

use alerting::matchers::{Written, key_of};

/// The layout of dates unless another is wanted.
const DATE_LAYOUT: &str = "2006-01-02 15:04:05 MST";

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Simple,
    Extended,
    Json,
}

/// How answers are shown.
pub(super) struct Output {
    form: Form,
    date_layout: String,
}

impl Output {
    pub(super) fn new(form: Option<&str>, date_layout: Option<String>) -> Result<Output, String> {
        let form = match form {
            None | Some("simple") => Form::Simple,
            Some("extended") => Form::Extended,
            Some("json") => Form::Json,
            Some(other) => {
                return Err(format!("enum value must be one of simple,extended,json, got '{other}'"));
            }
        };
        Ok(Output { form, date_layout: date_layout.unwrap_or_else(|| DATE_LAYOUT.into()) })
    }

    fn date(&self, value: &Value) -> String {
        let text = value.as_str().unwrap_or("");
        match layout::parse_rfc3339(text) {
            Ok(time) => layout::format(&time, &self.date_layout),
            Err(_) => text.to_string(),
        }
    }

    pub(super) fn alerts(&self, alerts: &Value) {
        let mut list: Vec<&Value> = alerts.as_array().into_iter().flatten().collect();
        match self.form {
            Form::Json => println!("{alerts}"),
            Form::Simple => {
                list.sort_by_key(|alert| time_ms(&alert["startsAt"]));
                let mut table = String::from("Alertname\tStarts At\tSummary\tState\t\n");
                for alert in list {
                    let name = text(&alert["labels"]["alertname"]);
                    let summary = text(&alert["annotations"]["summary"]);
                    let state = text(&alert["status"]["state"]);
                    table.push_str(&row(&[name, &self.date(&alert["startsAt"]), summary, state]));
                }
                print!("{}", tabbed(&table));
            }
            Form::Extended => {
                list.sort_by_key(|alert| time_ms(&alert["startsAt"]));
                let mut table =
                    String::from("Labels\tAnnotations\tStarts At\tEnds At\tGenerator URL\tState\t\n");
                for alert in list {
                    table.push_str(&row(&[
                        &pairs(&alert["labels"]),
                        &pairs(&alert["annotations"]),
                        &self.date(&alert["startsAt"]),
                        &self.date(&alert["endsAt"]),
                        text(&alert["generatorURL"]),
                        text(&alert["status"]["state"]),
                    ]));
                }
                print!("{}", tabbed(&table));
            }
        }
    }

    pub(super) fn silences(&self, mut silences: Vec<Value>) {
        if self.form == Form::Json {
            return println!("{}", Value::Array(silences));
        }
        silences.sort_by_key(|silence| time_ms(&silence["endsAt"]));
        let mut table = String::from(match self.form {
            Form::Extended => "ID\tMatchers\tStarts At\tEnds At\tUpdated At\tCreated By\tComment\t\n",
            _ => "ID\tMatchers\tEnds At\tCreated By\tComment\t\n",
        });
        for silence in &silences {
            let matchers: Vec<Matcher> =
                silence["matchers"].as_array().into_iter().flatten().filter_map(matcher).collect();
            let ends_at = self.date(&silence["endsAt"]);
            let (id, by, why) =
                (text(&silence["id"]), text(&silence["createdBy"]), text(&silence["comment"]));
            table.push_str(&match self.form {
                Form::Extended => {
                    let dates = (self.date(&silence["startsAt"]), self.date(&silence["updatedAt"]));
                    row(&[id, &key_of(&matchers), &dates.0, &ends_at, &dates.1, by, why])
                }
                _ => {
                    let shown: Vec<String> = matchers.iter().map(|m| Written(m).to_string()).collect();
                    row(&[id, &shown.join(" "), &ends_at, by, why])
                }
            });
        }
        print!("{}", tabbed(&table));
    }

    pub(super) fn config(&self, status: &Value) {
        match self.form {
            Form::Json => println!("{status}"),
            Form::Simple => println!("{}", text(&status["config"]["original"])),
            Form::Extended => {
                println!("{}", text(&status["config"]["original"]));
                for name in ["buildUser", "goVersion", "revision", "version", "branch", "buildDate"] {
                    println!("{name} {}", text(&status["versionInfo"][name]));
                }
                println!("uptime {}", text(&status["uptime"]));
            }
        }
    }

    pub(super) fn cluster(&self, cluster: &Value) {
        let mut table = format!(
            "Cluster Status:\t{}\nNode Name:\t{}\n",
            text(&cluster["status"]),
            text(&cluster["name"])
        );
        match self.form {
            Form::Json => return println!("{cluster}"),
            Form::Simple => {}
            Form::Extended => {
                table.push_str("\nAddress\tName\n");
                let mut peers: Vec<&Value> = cluster["peers"].as_array().into_iter().flatten().collect();
                peers.sort_by_key(|peer| text(&peer["address"]).parse::<std::net::SocketAddr>().ok());
                for peer in peers {
                    table.push_str(&row(&[text(&peer["address"]), text(&peer["name"])]));
                }
            }
        }
        print!("{}", tabbed(&table));
    }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// A time of the API; none is the earliest.
pub(super) fn time_ms(value: &Value) -> i64 {
    super::parse_time_ms(text(value)).unwrap_or(i64::MIN)
}

fn pairs(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let mut shown: Vec<String> = pairs.map(|(name, value)| format!("{name}=\"{}\"", text(value))).collect();
    shown.sort();
    shown.join(" ")
}

fn matcher(value: &Value) -> Option<Matcher> {
    let is = |name: &str, default: bool| value[name].as_bool().unwrap_or(default);
    let op = match (is("isRegex", false), is("isEqual", true)) {
        (false, true) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Regex,
        (true, false) => MatchOp::NotRegex,
    };
    Matcher::new(op, text(&value["name"]), text(&value["value"])).ok()
}

fn row(cells: &[&str]) -> String {
    format!("{}\t\n", cells.join("\t"))
}

/// Aligns columns as Go's tabwriter does: a cell ends with a tab and is as wide as the widest of its
/// column in the lines around it, and two more.
fn tabbed(table: &str) -> String {
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split('\t').collect()).collect();
    let mut out = String::new();
    for (at, cells) in lines.iter().enumerate() {
        let Some((last, ended)) = cells.split_last() else { continue };
        for (column, cell) in ended.iter().enumerate() {
            let has = |line: &&Vec<&str>| line.len() > column + 1;
            let before = lines[..at].iter().rev().take_while(has);
            let around = before.chain(lines[at..].iter().take_while(has));
            let width = around.filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
            let fill = width.unwrap_or(0) + 2 - cell.chars().count();
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', fill));
        }
        out.push_str(last);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = "a\tlong one\tc\t\nbbb\tx\t\t\n";
        assert_eq!(tabbed(table), "a    long one  c  \nbbb  x            \n");
        assert_eq!(
            tabbed("Status:\tready\nName:\tx\n\nAddress\tName\n"),
            "Status:  ready\nName:    x\n\nAddress  Name\n"
        );
    }
}
