//! The throw-away cluster ends with the test that started it, however that ends.

use std::fs;
use std::io::Read;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::limit::limit_of;
use crate::postgres::Cluster;
use crate::process::command_of;

/// Set in the process that is killed.
const ABORTS: &str = "NODELOOP_JOBS_ABORTS";

#[test]
fn a_panic_stops_the_cluster() {
    let _limit = limit_of(Duration::from_secs(60), "it starts a server");
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let (folder, server) = (cluster.folder().to_owned(), cluster.process_id());
    assert!(folder.exists() && runs(server));
    catch_unwind(move || {
        let _cluster = cluster;
        std::panic::resume_unwind(Box::new("a test that fails"));
    })
    .unwrap_err();
    assert!(!folder.exists());
    wait_for_end_of(server);
}

/// The process ends without any destructor. The guard has inherited its standard error output, so
/// the end of that pipe is the end of the guard.
#[test]
fn a_process_that_is_killed_stops_its_cluster() {
    let _limit = limit_of(Duration::from_secs(60), "it starts a server");
    if std::env::var_os(ABORTS).is_some() {
        if let Some(cluster) = Cluster::start() {
            println!(
                "cluster: {} {}",
                cluster.process_id(),
                cluster.folder().display()
            );
        }
        std::process::abort();
    }
    let mut command = command_of(a_process_that_is_killed_stops_its_cluster);
    command
        .env(ABORTS, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut output, mut errors) = (String::new(), Vec::new());
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_end(&mut errors)
        .unwrap();
    assert!(!child.wait().unwrap().success());
    let Some((_, cluster)) = output.split_once("cluster: ") else {
        assert!(
            String::from_utf8_lossy(&errors).contains("skipped: "),
            "{output}"
        );
        return;
    };
    let (server, folder) = cluster.trim().split_once(' ').unwrap();
    assert!(!Path::new(folder).exists());
    wait_for_end_of(server.parse().unwrap());
}

/// Blocks until the server has ended. It removes its files just before.
fn wait_for_end_of(server: u32) {
    while runs(server) {
        thread::yield_now();
    }
}

/// Whether a process of this id runs. One that has ended and was not waited for has no command.
fn runs(id: u32) -> bool {
    fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|command| !command.is_empty())
}
