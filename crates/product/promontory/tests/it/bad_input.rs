//! What cannot work is refused at the start, in one line that tells what to do.

use std::net::TcpListener;

use tempfile::tempdir;

use crate::broken::{BROKEN, BROKEN_RULES};
use crate::harness::{Server, file, run};

/// Runs to the end, which must come with a code other than 0 and one line, which is returned.
#[track_caller]
fn refused(dir: &std::path::Path, args: &[&str]) -> String {
    let ended = run(dir, args);
    assert_eq!(ended.code, Some(1), "{args:?}: {}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{args:?}: {}", ended.stderr);
    lines[0].to_string()
}

#[test]
fn a_port_that_is_taken_is_named() {
    let dir = tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let line = refused(dir.path(), &["--listen", &address]);
    assert!(
        line.contains(&format!("cannot listen on {address}: another program already listens there")),
        "{line}"
    );
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let dir = tempdir().unwrap();
    file(dir.path(), "occupied", "a file, not a folder");
    for data_dir in ["occupied", "occupied/data", "/proc/promontory"] {
        let line = refused(dir.path(), &["--listen", "127.0.0.1:0", "--data-dir", data_dir]);
        assert!(line.contains(&format!("the data directory {data_dir} cannot be written: ")), "{line}");
    }
    // What was in the way is untouched.
    assert_eq!(std::fs::read_to_string(dir.path().join("occupied")).unwrap(), "a file, not a folder");
}

#[test]
fn a_data_directory_belongs_to_one_instance_at_a_time() {
    let dir = tempdir().unwrap();
    let mut first = Server::machine(dir.path(), &["--data-dir", "shared"]);
    let line = refused(dir.path(), &["--listen", "127.0.0.1:0", "--data-dir", "shared"]);
    assert!(line.contains("the data directory shared is in use by another instance"), "{line}");
    assert_eq!(first.get("/-/healthy").status, 200);
    // The lock goes with the process, however it ends.
    first.program.kill();
    Server::machine(dir.path(), &["--data-dir", "shared"]).terminate();
}

#[test]
fn a_mistake_in_prometheus_yml_is_told_with_its_place_and_what_is_allowed() {
    let dir = tempdir().unwrap();
    file(dir.path(), BROKEN_RULES.0, BROKEN_RULES.1);
    for broken in &BROKEN {
        file(dir.path(), "p.yml", broken.yaml);
        let named = if broken.says[0] == BROKEN_RULES.0 { BROKEN_RULES.0 } else { "p.yml" };
        for args in [
            &["prometheus", "--config.file=p.yml", "--web.listen-address=127.0.0.1:0"][..],
            &["--prometheus.config", "p.yml", "--listen", "127.0.0.1:0"],
        ] {
            let line = refused(dir.path(), args);
            assert!(line.contains(&format!("{named}:{}: ", broken.place)), "{line}\nof {}", broken.yaml);
            for text in broken.says {
                assert!(line.contains(text), "{text:?} is not in\n{line}");
            }
        }
    }
    // Nothing was begun in the folder.
    assert!(!dir.path().join("data").exists() && !dir.path().join("promontory-data").exists());
}

#[test]
fn a_mistake_in_any_other_file_is_told_with_its_place_too() {
    let dir = tempdir().unwrap();
    file(dir.path(), "promontory.yml", "listen: 127.0.0.1:0\nmachine:\n  intervall: 5s\n");
    let line = refused(dir.path(), &["--config", "promontory.yml"]);
    assert!(line.contains("promontory.yml:3:3: field intervall not found"), "{line}");
    assert!(line.contains("did you mean interval?"), "{line}");

    file(dir.path(), "am.yml", "route: {receiver: nobody}\nreceivers: [{name: somebody}]\n");
    let line = refused(dir.path(), &["--alertmanager.config", "am.yml", "--listen", "127.0.0.1:0"]);
    assert!(line.contains("am.yml:1:8: ") && line.contains("nobody"), "{line}");

    for flag in ["--config", "--prometheus.config", "--alertmanager.config"] {
        let line = refused(dir.path(), &["--listen", "127.0.0.1:0", flag, "missing.yml"]);
        assert!(line.contains("missing.yml: cannot be read: No such file or directory"), "{line}");
    }
}

#[test]
fn flags_that_do_not_exist_are_refused_by_name() {
    let dir = tempdir().unwrap();
    for (args, code, unknown, similar) in [
        (&["--lissten", "127.0.0.1:0"][..], 2, "'--lissten'", "'--listen'"),
        (&["run", "--datadir=x"], 2, "'--datadir'", "'--data-dir'"),
        (&["prometheus", "--web.listen-adress=:0"], 2, "'--web.listen-adress'", "'--web.listen-address'"),
        (&["prometheus", "--storage.tsdb.pth=x"], 2, "'--storage.tsdb.pth'", "'--storage.tsdb.path'"),
        // As upstream's: 2 and 3 say other things there.
        (&["promtool", "chek"], 1, "'chek'", "'check'"),
    ] {
        let ended = run(dir.path(), args);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(unknown) && ended.stderr.contains(similar), "{}", ended.stderr);
    }
}

#[test]
fn values_of_flags_that_make_no_sense_are_refused_with_the_flag() {
    let dir = tempdir().unwrap();
    file(dir.path(), "prometheus.yml", "");
    for (args, says) in [
        (
            &["--listen", "nonsense"][..],
            &["--listen: expected an address such as 127.0.0.1:9090", "\"nonsense\""][..],
        ),
        (&["--retention.time", "soon"], &["--retention.time: ", "\"soon\""]),
        (&["--retention.size", "much"], &["--retention.size: ", "much"]),
        (&["--webhook-url", "localhost/x"], &["--webhook-url: expected a URL", "\"localhost/x\""]),
        (&["prometheus", "--query.timeout=x"], &["--query.timeout: ", "\"x\""]),
    ] {
        let line = refused(dir.path(), args);
        for text in says {
            assert!(line.contains(text), "{text:?} is not in\n{line}");
        }
    }
}

#[test]
fn checks_tell_good_from_bad_by_text_and_exit_code() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    file(
        dir,
        "good-rules.yml",
        "groups:\n- name: g\n  rules:\n  - {record: a:b, expr: sum(up)}\n  - {alert: A, expr: up == 0}\n",
    );
    file(dir, BROKEN_RULES.0, BROKEN_RULES.1);
    file(dir, "good.yml", "rule_files: [good-rules.yml]\nscrape_configs: [{job_name: a}]\n");
    file(dir, "bad.yml", BROKEN[0].yaml);
    file(dir, "bad-through-rules.yml", "rule_files: [broken-rules.yml]\n");
    file(dir, "am.yml", "route: {receiver: a}\nreceivers: [{name: a}]\n");
    let config_is_good = "SUCCESS: good.yml is valid prometheus config file syntax";
    let config_is_bad = "FAILED: bad.yml:3:5: ";
    let rules_are_bad = "FAILED:\nbroken-rules.yml: 4:24: ";
    for (args, code, out, err) in [
        (&["promtool", "check", "config", "good.yml"][..], 0, config_is_good, ""),
        (&["promtool", "check", "config", "bad.yml"], 1, "Checking bad.yml", config_is_bad),
        (&["promtool", "check", "config", "good.yml", "bad.yml"], 1, config_is_good, config_is_bad),
        (&["promtool", "check", "config", "bad-through-rules.yml"], 1, "Checking", rules_are_bad),
        (&["promtool", "check", "rules", "good-rules.yml"], 0, "SUCCESS: 2 rules found", ""),
        (&["promtool", "check", "rules", "broken-rules.yml"], 1, "Checking broken-rules.yml", rules_are_bad),
        (&["check", "good.yml", "good-rules.yml", "am.yml"], 0, config_is_good, ""),
        (&["check", "am.yml", "bad.yml"], 1, "Checking bad.yml", config_is_bad),
        (&["check", "missing.yml"], 1, "Checking missing.yml", "FAILED: missing.yml: cannot be read: "),
    ] {
        let ended = run(dir, args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        assert!(ended.stdout.contains(out), "{args:?}: {}", ended.stdout);
        assert!(
            ended.stderr.contains(err) && ended.stderr.is_empty() == err.is_empty(),
            "{args:?}: {}",
            ended.stderr
        );
    }
}
