//! A reload takes over what is right, and leaves everything as it is when something is wrong.

use rustix::process::Signal;
use serde_json::Value;
use tempfile::tempdir;

use crate::broken::{BROKEN, BROKEN_RULES};
use crate::harness::{SOON, Server, file, until};

/// A config that scrapes the server itself under this job name.
fn config(job: &str, address: &str) -> String {
    format!(
        "global: {{scrape_interval: 1s}}\n\
         scrape_configs: [{{job_name: {job}, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
}

fn jobs(server: &Server) -> Vec<String> {
    let targets = server.api("targets", &[("state", "active")]);
    let job = |target: &Value| target["labels"]["job"].as_str().unwrap().to_string();
    targets["activeTargets"].as_array().unwrap().iter().map(job).collect()
}

fn last_reload_succeeded(server: &Server) -> bool {
    server.metric("promontory_config_last_reload_successful") == 1.0
}

#[test]
fn a_reload_takes_over_a_good_file_and_keeps_what_runs_when_it_is_broken() {
    let dir = tempdir().unwrap();
    file(dir.path(), "p.yml", "");
    file(dir.path(), BROKEN_RULES.0, BROKEN_RULES.1);
    let server = Server::prometheus(dir.path(), &["--config.file=p.yml", "--web.enable-lifecycle"]);
    assert!(last_reload_succeeded(&server));

    file(dir.path(), "p.yml", &config("first", &server.address));
    let answer = server.post("/-/reload");
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    until("the target is scraped", SOON, || (server.value("up{job=\"first\"}") == Some(1.0)).then_some(()));
    let shown = server.api("status/config", &[]);

    for broken in &BROKEN {
        file(dir.path(), "p.yml", broken.yaml);
        let answer = server.post("/-/reload");
        let text = answer.text();
        assert_eq!(answer.status, 500, "{text}");
        assert!(text.starts_with("failed to reload config: "), "{text}");
        assert!(text.contains(&format!(":{}: ", broken.place)), "{text}");
        for says in broken.says {
            assert!(text.contains(says), "{says:?} is not in\n{text}");
        }
        assert!(!last_reload_succeeded(&server));
        assert_eq!(server.api("status/config", &[]), shown);
        assert_eq!(jobs(&server), ["first"]);
    }
    // The target goes on being scraped.
    let scrapes = || server.value("count_over_time(up{job=\"first\"}[10m])");
    let before = scrapes();
    until("another scrape", SOON, || (scrapes() > before).then_some(()));

    file(dir.path(), "p.yml", &config("second", &server.address));
    assert_eq!(server.post("/-/reload").status, 200);
    assert!(last_reload_succeeded(&server));
    assert_eq!(jobs(&server), ["second"]);
    // The series of a target that is gone ends at once.
    until("the new target is scraped", SOON, || {
        (server.value("up{job=\"second\"}") == Some(1.0)).then_some(())
    });
    assert_eq!(server.vector("up{job=\"first\"}"), []);
}

#[test]
fn a_hangup_reloads_too_and_its_failure_shows_in_the_log_and_the_metrics() {
    let dir = tempdir().unwrap();
    file(dir.path(), "p.yml", "");
    let server = Server::prometheus(dir.path(), &["--config.file=p.yml"]);

    file(dir.path(), "p.yml", BROKEN[0].yaml);
    server.program.signal(Signal::HUP);
    server.program.line("the mistake", |line| line.contains("p.yml:3:5: ").then_some(()));
    until("the failure is counted", SOON, || (!last_reload_succeeded(&server)).then_some(()));
    assert_eq!(jobs(&server), [""; 0]);

    file(dir.path(), "p.yml", &config("now", &server.address));
    server.program.signal(Signal::HUP);
    server.program.line("the reload", |line| line.contains("reloaded the configuration").then_some(()));
    assert!(last_reload_succeeded(&server));
    until("the target is scraped", SOON, || (server.value("up{job=\"now\"}") == Some(1.0)).then_some(()));
}

#[test]
fn a_broken_alertmanager_yml_does_not_stop_what_runs() {
    let dir = tempdir().unwrap();
    let good = "route: {receiver: a}\nreceivers: [{name: a}]\n";
    file(dir.path(), "am.yml", good);
    file(dir.path(), "p.yml", "");
    let server =
        Server::machine(dir.path(), &["--alertmanager.config", "am.yml", "--prometheus.config", "p.yml"]);
    // Nothing of a reload is taken over if one of the files is broken.
    file(dir.path(), "am.yml", "route: {receiver: a, group_wiat: 5s}\nreceivers: [{name: a}]\n");
    file(dir.path(), "p.yml", &config("half", &server.address));
    let answer = server.post("/-/reload");
    assert_eq!(answer.status, 500);
    assert!(
        answer.text().contains("am.yml:1:22: ") && answer.text().contains("did you mean group_wait?"),
        "{}",
        answer.text()
    );
    assert!(!jobs(&server).contains(&"half".to_string()));

    file(dir.path(), "am.yml", good);
    assert_eq!(server.post("/-/reload").status, 200);
    assert!(jobs(&server).contains(&"half".to_string()));
}

#[test]
fn a_changed_file_is_taken_over_by_itself_where_that_is_asked_for() {
    let dir = tempdir().unwrap();
    file(dir.path(), "p.yml", "scrape_config_files: [jobs/*.yml]\n");
    let flags = ["--config.file=p.yml", "--config.auto-reload", "--config.auto-reload-interval=1s"];
    let server = Server::prometheus(dir.path(), &flags);
    assert!(jobs(&server).is_empty());
    std::fs::create_dir(dir.path().join("jobs")).unwrap();
    let job = format!(
        "scrape_configs: [{{job_name: first, scrape_interval: 1s, static_configs: [{{targets: ['{}']}}]}}]\n",
        server.address
    );
    file(dir.path(), "jobs/a.yml", &job);
    until("the new file is read", SOON, || (jobs(&server) == ["first"]).then_some(()));
    file(dir.path(), "p.yml", "scrape_configs: 7\n");
    until("the mistake shows", SOON, || (!last_reload_succeeded(&server)).then_some(()));
    assert_eq!(jobs(&server), ["first"], "what was right stays in force");
}

#[test]
fn a_source_of_targets_that_fails_is_shown_with_its_error() {
    let dir = tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let config =
        format!("scrape_configs: [{{job_name: web, http_sd_configs: [{{url: 'http://{nobody}/'}}]}}]\n");
    file(dir.path(), "p.yml", &config);
    let server = Server::prometheus(dir.path(), &["--config.file=p.yml"]);
    let problem = until("the problem is shown", SOON, || {
        server.api("targets", &[]).get("discoveryProblems").map(|problems| problems[0].clone())
    });
    assert_eq!(problem["scrapePool"], "web");
    assert!(problem["error"].as_str().unwrap().starts_with("http: "), "{problem}");
}
