//! NFS, as a client and as a server.

use crate::files::number;
use crate::page::Page;
use crate::{Error, Run};

const V2: &str = "Null GetAttr SetAttr Root Lookup ReadLink Read WrCache Write Create Remove Rename Link SymLink MkDir \
                  RmDir ReadDir FsStat";

const V3: &str = "Null GetAttr SetAttr Lookup Access ReadLink Read Write Create MkDir SymLink MkNod Remove RmDir \
                  Rename Link ReadDir ReadDirPlus FsStat FsInfo PathConf Commit";

const CLIENT_V4: &str = "Null Read Write Commit Open OpenConfirm OpenNoattr OpenDowngrade Close Setattr FsInfo Renew \
                         SetClientID SetClientIDConfirm Lock Lockt Locku Access Getattr Lookup LookupRoot Remove \
                         Rename Link Symlink Create Pathconf StatFs ReadLink ReadDir ServerCaps DelegReturn GetACL \
                         SetACL FsLocations ReleaseLockowner Secinfo FsidPresent ExchangeID CreateSession \
                         DestroySession Sequence GetLeaseTime ReclaimComplete GetDeviceInfo LayoutGet LayoutCommit \
                         LayoutReturn SecinfoNoName TestStateID FreeStateID GetDeviceList BindConnToSession \
                         DestroyClientID Seek Allocate DeAllocate LayoutStats Clone";

/// The first three operations have no name, two are not shown.
const SERVER_V4: &str = "- - - Access Close Commit Create DelegPurge DelegReturn GetAttr GetFH Link Lock Lockt Locku \
                         Lookup LookupRoot Nverify Open OpenAttr OpenConfirm OpenDgrd PutFH - - Read ReadDir \
                         ReadLink Remove Rename Renew RestoreFH SaveFH SecInfo SetAttr SetClientID \
                         SetClientIDConfirm Verify Write RelLockOwner";

/// The lines of a file: first word and numbers.
fn lines(text: &str) -> impl Iterator<Item = (&str, Vec<f64>)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        Some((fields.next()?, fields.map(|field| number(field).unwrap_or(0.0)).collect()))
    })
}

/// Adds the requests by method; the first number says how many follow, and may be less than we know.
fn requests(page: &mut Page, metric: &str, proto: &str, methods: &str, counts: &[f64]) {
    let counts = counts.iter().skip(1).copied().chain(std::iter::repeat(0.0));
    for (method, count) in methods.split_ascii_whitespace().zip(counts).filter(|(method, _)| *method != "-") {
        page.counter(metric, "NFS requests by method.", &[("method", method), ("proto", proto)], count);
    }
}

/// The server does not show calls that do nothing.
fn without_null(methods: &str) -> String {
    methods.replacen("Null", "-", 1)
}

pub(super) fn client(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("net/rpc/nfs")?;
    for (key, numbers) in lines(text) {
        let at = |index: usize| numbers.get(index).copied().unwrap_or(0.0);
        match key {
            "net" => {
                for (protocol, count) in [("udp", at(1)), ("tcp", at(2))] {
                    let help = "Packets of the NFS client.";
                    page.counter("node_nfs_packets_total", help, &[("protocol", protocol)], count);
                }
                page.counter("node_nfs_connections_total", "TCP connections of the NFS client.", &[], at(3));
            }
            "rpc" => {
                page.counter("node_nfs_rpcs_total", "Calls of the NFS client.", &[], at(0));
                page.counter("node_nfs_rpc_retransmissions_total", "Calls sent again.", &[], at(1));
                let name = "node_nfs_rpc_authentication_refreshes_total";
                page.counter(name, "Refreshed authentications.", &[], at(2));
            }
            "proc2" => requests(page, "node_nfs_requests_total", "2", V2, &numbers),
            "proc3" => requests(page, "node_nfs_requests_total", "3", V3, &numbers),
            "proc4" => requests(page, "node_nfs_requests_total", "4", CLIENT_V4, &numbers),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn server(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("net/rpc/nfsd")?;
    for (key, numbers) in lines(text) {
        let at = |index: usize| numbers.get(index).copied().unwrap_or(0.0);
        let mut count = |name: &str, help: &str, value: f64| {
            page.counter(&["node_nfsd_", name].concat(), help, &[], value);
        };
        match key {
            "rc" => {
                count("reply_cache_hits_total", "Replies found in the cache.", at(0));
                count("reply_cache_misses_total", "Replies not found in the cache.", at(1));
                count("reply_cache_nocache_total", "Replies that are not cached.", at(2));
            }
            "fh" => count("file_handles_stale_total", "Stale file handles.", at(0)),
            "io" => {
                count("disk_bytes_read_total", "Bytes read by the NFS server.", at(0));
                count("disk_bytes_written_total", "Bytes written by the NFS server.", at(1));
            }
            "th" => page.gauge("node_nfsd_server_threads", "Threads of the NFS server.", &[], at(0)),
            "ra" => {
                count(
                    "read_ahead_cache_not_found_total",
                    "Look-ups that missed the read-ahead cache.",
                    at(11),
                );
                let name = "node_nfsd_read_ahead_cache_size_blocks";
                page.gauge(name, "Size of the read-ahead cache.", &[], at(0));
            }
            "net" => {
                count("connections_total", "TCP connections to the NFS server.", at(3));
                for (proto, packets) in [("udp", at(1)), ("tcp", at(2))] {
                    let help = "Packets to the NFS server.";
                    page.counter("node_nfsd_packets_total", help, &[("proto", proto)], packets);
                }
            }
            "rpc" => {
                count("server_rpcs_total", "Calls to the NFS server.", at(0));
                for (error, errors) in [("fmt", at(2)), ("auth", at(3)), ("cInt", at(4))] {
                    let help = "Calls that the NFS server refused.";
                    page.counter("node_nfsd_rpc_errors_total", help, &[("error", error)], errors);
                }
            }
            "proc2" => requests(page, "node_nfsd_requests_total", "2", &without_null(V2), &numbers),
            "proc3" => requests(page, "node_nfsd_requests_total", "3", &without_null(V3), &numbers),
            "proc4ops" => requests(page, "node_nfsd_requests_total", "4", SERVER_V4, &numbers),
            "wdeleg_getattr" => {
                let labels = [("method", "WdelegGetattr"), ("proto", "4")];
                page.counter("node_nfsd_requests_total", "NFS requests by method.", &labels, at(0));
            }
            _ => {}
        }
    }
    Ok(())
}
