//! A full disk: writes are refused, queries go on, and it heals by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::tempdir;

use crate::harness::{SOON, Series, Server, now_ms, until};

/// A file system of its own, as small as it is told to be.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Option<SmallDisk> {
        fs::create_dir(at).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(at.to_path_buf())),
            _ => None,
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Series of a request; their values do not compress.
const SERIES: usize = 2000;

fn value(series: usize, at: i64) -> f64 {
    (at as f64 + 1.0) * (series as f64 + 1.0).sqrt()
}

fn batch(start_ms: i64, at: i64) -> Vec<Series> {
    let one = |series: usize| {
        let label = series.to_string();
        Series::new("load", &[("series", &label)], vec![(start_ms + at * 1000, value(series, at))])
    };
    (0..SERIES).map(one).collect()
}

#[test]
fn on_a_full_disk_writes_are_refused_queries_go_on_and_it_heals_by_itself() {
    let dir = tempdir().unwrap();
    // It must go before the folder it is mounted in, so it is declared after it.
    let data_dir = dir.path().join("promontory-data");
    let Some(_disk) = SmallDisk::mount(&data_dir, "24m") else {
        // A privilege, not a program, is missing; not even `CI` can demand it.
        println!("skipped: no small file system can be mounted here");
        return;
    };
    let ballast = data_dir.join("ballast");
    fs::write(&ballast, vec![0; 16 << 20]).unwrap();
    let start_ms = now_ms() - 3_600_000;
    let mut server = Server::machine(dir.path(), &[]);

    let mut acknowledged = Vec::new();
    let mut at = 0;
    let refusal = loop {
        let answer = server.try_write(&batch(start_ms, at)).unwrap();
        at += 1;
        if answer.status != 204 {
            break answer;
        }
        acknowledged.push(at - 1);
        assert!(at < 3000, "the disk does not fill");
    };
    println!("full after {at} requests: {} {}", refusal.status, refusal.text().trim());
    assert_eq!(refusal.status, 503, "{}", refusal.text());
    assert!(refusal.text().contains("no room for the write-ahead log"), "{}", refusal.text());
    assert!(acknowledged.len() > 3);
    assert!(server.metric("promontory_tsdb_writes_refused_total") >= 1.0);
    for _ in 0..3 {
        let before = server.metric("promontory_tsdb_writes_refused_total");
        assert_eq!(server.try_write(&batch(start_ms, at)).unwrap().status, 503);
        at += 1;
        assert!(server.metric("promontory_tsdb_writes_refused_total") > before);
    }

    // Everything that only reads goes on.
    assert_eq!(server.get("/-/healthy").status, 200);
    assert_eq!(server.get("/-/ready").status, 200);
    let count = |server: &Server, acknowledged: &[i64]| {
        let end_ms = start_ms + at_ms(acknowledged.last().copied().unwrap());
        let range_ms = at_ms(acknowledged.last().unwrap() + 1);
        let data = server.api(
            "query",
            &[
                ("query", &format!("sum(count_over_time(load[{range_ms}ms]))")),
                ("time", &crate::harness::seconds(end_ms)),
            ],
        );
        data["result"][0]["value"][1].as_str().unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(count(&server, &acknowledged), acknowledged.len() * SERIES);

    // Room again, and nobody has to do anything.
    fs::remove_file(&ballast).unwrap();
    until("writes succeed again", SOON, || {
        let answer = server.try_write(&batch(start_ms, at)).unwrap();
        at += 1;
        (answer.status == 204).then(|| acknowledged.push(at - 1))
    });
    for _ in 0..5 {
        server.write(&batch(start_ms, at));
        acknowledged.push(at);
        at += 1;
    }

    server.program.kill();
    let server = Server::machine(dir.path(), &[]);
    assert_eq!(server.metric("promontory_tsdb_wal_damages_total"), 0.0);
    let end_ms = start_ms + at_ms(at);
    for series in [0, 1, SERIES / 2, SERIES - 1] {
        let selector = format!("load{{series=\"{series}\"}}[2h]");
        let (_, samples) = &server.samples(&selector, end_ms)[0];
        for &at in &acknowledged {
            let expected = (start_ms + at_ms(at), value(series, at));
            assert!(samples.contains(&expected), "series {series}, request {at}");
        }
    }
    let stored =
        server.value(&format!("sum(count_over_time(load[2h] @ {}))", crate::harness::seconds(end_ms)));
    assert!(stored.unwrap() as usize >= acknowledged.len() * SERIES);
}

fn at_ms(at: i64) -> i64 {
    at * 1000
}

#[test]
fn a_start_on_a_full_disk_answers_and_takes_writes_once_there_is_room() {
    let dir = tempdir().unwrap();
    let data_dir = dir.path().join("promontory-data");
    let Some(_disk) = SmallDisk::mount(&data_dir, "4m") else {
        println!("skipped: no small file system can be mounted here");
        return;
    };
    let start_ms = now_ms() - 60_000;
    let server = Server::quiet(dir.path(), &[]);
    server.write(&[Series::new("kept", &[], vec![(start_ms, 1.0)])]);
    server.terminate();
    let ballast = data_dir.join("ballast");
    // All that fits, to the last byte.
    let _ = fs::write(&ballast, vec![0; 8 << 20]);
    let server = Server::quiet(dir.path(), &[]);
    assert_eq!(server.value("last_over_time(kept[1h])"), Some(1.0));
    let next = [Series::new("kept", &[], vec![(start_ms + 1000, 2.0)])];
    assert_eq!(server.try_write(&next).unwrap().status, 503);
    fs::remove_file(&ballast).unwrap();
    until("writes succeed", SOON, || (server.try_write(&next).unwrap().status == 204).then_some(()));
    assert_eq!(server.value("last_over_time(kept[1h])"), Some(2.0));
}
