use super::*;
use crate::notification::{Integration, Notification, Reason, Told};
use crate::receivers::webhook::Webhook;
use model::{Alert, Labels};

fn told(name: &str, instance: &str, is_resolved: bool) -> Told {
    let alert = Alert {
        labels: Labels::from_pairs([("alertname", name), ("instance", instance), ("severity", "warning")]),
        annotations: Labels::from_pairs([("summary", "<b>hot</b> & \"bad\"")]),
        starts_at_ms: 1_704_096_930_000,
        ends_at_ms: 1_704_096_990_500,
        generator_url: "http://p/graph?a=1&b='2'".into(),
    };
    Told { alert: Arc::new(alert), is_resolved }
}

fn notification(alerts: Vec<Told>) -> Notification {
    Notification {
        integration: Arc::new(Integration {
            name: "team.a/webhook[0]".into(),
            receiver: "team.a".into(),
            notifier: Arc::new(Webhook::at("http://x")),
            templates: Arc::default(),
        }),
        group_key: "{}:{}".into(),
        group_labels: Labels::from_pairs([("alertname", "Hot")]),
        route_labels: Default::default(),
        reason: Reason::First,
        alerts,
        memory: Default::default(),
    }
}

fn data(alerts: Vec<Told>) -> Data {
    Data::of(&notification(alerts), "http://am").at(1_704_097_000_000)
}

fn two() -> Data {
    data(vec![told("Hot", "a", false), told("Hot", "b", true)])
}

#[track_caller]
fn expands(template: &str, expected: &str) {
    assert_eq!(Templates::default().text(template, &two()), Ok(expected.to_string()), "{template}");
}

#[test]
fn data_reads_as_alertmanager_users_know_it() {
    expands("{{ .Receiver }} {{ .Status }} {{ .NotificationReason }}", r"team\.a firing first notification");
    expands("{{ .Alerts | len }} {{ .Alerts.Firing | len }} {{ len .Alerts.Resolved }}", "2 1 1");
    expands("{{ range .Alerts }}{{ .Status }}={{ .Labels.instance }};{{ end }}", "firing=a;resolved=b;");
    expands("{{ (index .Alerts 1).Labels.instance }}{{ (index .Alerts.Firing 0).Fingerprint | len }}", "b16");
    expands("{{ .CommonLabels.SortedPairs }}", "alertname=Hot, severity=warning");
    expands(
        "{{ .CommonLabels }} {{ .CommonLabels.Names }}",
        "alertname=Hot, severity=warning [alertname severity]",
    );
    expands("{{ .CommonLabels.Values.Join \"/\" }} {{ .CommonLabels.nothing }}|", "Hot/warning |");
    expands("{{ .CommonLabels.Remove .GroupLabels.Names }}", "severity=warning");
    expands("{{ index .CommonLabels \"severity\" }} {{ len .CommonLabels }}", "warning 2");
    expands(
        "{{ range $name, $value := .CommonLabels }}{{ $name }}:{{ $value }} {{ end }}",
        "alertname:Hot severity:warning ",
    );
    expands(
        "{{ with index .Alerts 0 }}{{ .StartsAt.Format \"Jan 2 15:04\" }} {{ .EndsAt.IsZero }}{{ end }}",
        "Jan 1 08:15 true",
    );
    expands(
        "{{ with index .Alerts 1 }}{{ .EndsAt.Sub .StartsAt }} {{ since .StartsAt | humanizeDuration }}{{ end }}",
        "1m0.5s 1m 10s",
    );
    expands("{{ now.Unix }} {{ (index .Alerts 1).StartsAt.Month }}", "1704097000 January");
    expands("{{ (index .Alerts 1).EndsAt }}", "2024-01-01 08:16:30.5 +0000 UTC");
    expands(
        "{{ .GroupLabels | toJson }} {{ .GroupLabels.SortedPairs | toJson }}",
        r#"{"alertname":"Hot"} [{"Name":"alertname","Value":"Hot"}]"#,
    );
}

#[test]
fn labels_of_the_route_are_expanded_and_may_cite_each_other() {
    let mut notification = notification(vec![told("Hot", "a", false)]);
    notification.route_labels = [
        ("team", "{{ .GroupLabels.alertname }} team"),
        ("both", "{{ routeLabels \"team\" }}!"),
        ("round", "{{ routeLabels \"about\" }}"),
        ("about", "{{ routeLabels \"round\" }}"),
        ("whole", "{{ len (toJson .) | lt 0 }}"),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .into();
    let data = Data::of(&notification, "");
    let templates = Templates::default();
    assert_eq!(
        templates.text("{{ routeLabels \"both\" }} {{ .RouteLabels.team }}", &data).unwrap(),
        "Hot team! Hot team"
    );
    assert_eq!(data.route_labels().len(), 3, "those that go round in circles are left out");
}

#[test]
fn pages_escape_what_they_show() {
    let html = |template: &str| Templates::default().html(template, &two()).unwrap();
    assert_eq!(
        html("<p title=\"{{ .CommonAnnotations.summary }}\">{{ .CommonAnnotations.summary }}</p>"),
        "<p title=\"&lt;b&gt;hot&lt;/b&gt; &amp; &#34;bad&#34;\">&lt;b&gt;hot&lt;/b&gt; &amp; &#34;bad&#34;</p>"
    );
    assert_eq!(
        html("<a href=\"{{ (index .Alerts 0).GeneratorURL }}\">x</a>"),
        "<a href=\"http://p/graph?a=1&amp;b=%272%27\">x</a>"
    );
    assert_eq!(html("<a href='{{ \"javascript:alert(1)\" }}'>"), "<a href='#ZgotmplZ'>");
    assert_eq!(html("<a href='{{ \"tel:1\" | safeUrl }}'>"), "<a href='tel:1'>");
    assert_eq!(html("<i onclick=\"f({{ .CommonAnnotations.summary }})\">").matches('"').count(), 2);
    assert_eq!(
        html("<!-- {{ .Status }} -->{{ .CommonAnnotations.summary | safeHtml }}"),
        "<b>hot</b> & \"bad\""
    );
}

#[test]
fn the_default_mail_escapes_and_links() {
    let page = Templates::default().html("{{ template \"email.default.html\" . }}", &two()).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>\n<html "), "{page}");
    assert!(page.contains("&lt;b&gt;hot&lt;/b&gt;") && !page.contains("<b>hot"), "{page}");
    assert!(page.contains("href=\"http://am/alerts?receiver=team%5C.a\""), "{page}");
    assert!(page.contains("until 2024-01-01 08:16:30 UTC") && page.contains("Firing (1)"), "{page}");
}

#[test]
fn every_default_template_expands() {
    let templates = Templates::default();
    let names: Vec<String> = templates.names().map(str::to_string).collect();
    assert!(names.len() > 60);
    for data in [two(), data(vec![told("Hot", "b", true)]), data(Vec::new())] {
        for name in names.iter().filter(|name| !name.starts_with("__") && !name.ends_with(".instances")) {
            let text = format!("{{{{ template \"{name}\" . }}}}");
            templates.text(&text, &data).unwrap_or_else(|error| panic!("{error}"));
            templates.html(&text, &data).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    expands("{{ template \"__subject\" . }}", "1 firing: Hot | warning");
    expands("{{ template \"jira.default.priority\" . }}", "Medium");
    expands(
        "{{ template \"pagerduty.default.instances\" .Alerts.Firing }}",
        "Hot: <b>hot</b> & \"bad\"\n  alertname: Hot\n  instance: a\n  severity: warning\n  # summary: <b>hot</b> & \"bad\"\n  http://p/graph?a=1&b='2'\n",
    );
}

#[test]
fn files_define_templates_and_later_ones_win() {
    let folder = tempfile::tempdir().unwrap();
    let base = PathBase::new(folder.path());
    std::fs::write(
        folder.path().join("a.tmpl"),
        "{{ define \"mine\" }}a{{ end }}{{ define \"__subject\" }}s{{ end }}",
    )
    .unwrap();
    std::fs::write(folder.path().join("b.tmpl"), "{{ define \"mine\" }}b{{ end }}whole").unwrap();
    let patterns = ["*.tmpl".to_string(), "none/*.tmpl".into(), "missing.tmpl".into()];
    let templates = Templates::load(&patterns, &base).unwrap();
    let text =
        "{{ template \"mine\" . }} {{ template \"slack.default.title\" . }} {{ template \"b.tmpl\" . }}";
    assert_eq!(templates.text(text, &two()).unwrap(), "b s whole");
    std::fs::write(folder.path().join("c.tmpl"), "{{ define \"x\" }}{{ nope }}{{ end }}").unwrap();
    let error = Templates::load(&patterns, &base).err().unwrap();
    assert_eq!(error, "template: c.tmpl:1: function \"nope\" not defined");
}

#[test]
fn a_group_of_many_alerts_is_told_whole() {
    let alerts = (0..20_000).map(|number| told("Hot", &number.to_string(), false)).collect();
    let text =
        Templates::default().text("{{ template \"telegram.default.message\" . }}", &data(alerts)).unwrap();
    assert!(text.starts_with("Firing (20000)") && text.contains("  instance: 19999\n"));
}
