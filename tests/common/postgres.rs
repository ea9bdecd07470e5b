//! A PostgreSQL server of its own for a test: a throw-away cluster, reached through a Unix domain
//! socket.
//!
//! [`Cluster::start`] runs a guard, the shell script `postgres.sh`. The guard creates a folder,
//! initializes a cluster in it, starts its server, and then waits for the end of its standard input,
//! which is a pipe that only this process holds. However this process ends (it returns, panics, is
//! killed), the pipe closes, and the guard stops the server and removes the folder. The guard does
//! the same after [`LIFE`], in case that the process hangs.
//!
//! The server listens on no port. Its socket is in the folder, so that no other process can have
//! the same address. It refuses to run as root: a guard started by root runs as the user `postgres`,
//! which Debian's package creates.
//!
//! This module is not part of `common`. Packages that need it include it by its path, beside `skip`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::skip::skip;

/// How long a cluster lives if nobody stops it.
const LIFE: Duration = Duration::from_secs(900);

/// The script of the guard. It is passed as an argument, because the user `postgres` may not be
/// permitted to read the repository.
const GUARD: &str = include_str!("postgres.sh");

/// Where Debian installs the programs of each version. They are not on the `PATH`.
const VERSIONS: &str = "/usr/lib/postgresql";

/// A running cluster. Dropping it stops the server and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    guard: Child,
    folder: PathBuf,
}

impl Cluster {
    /// Starts a cluster, and returns when it accepts connections. Blocks for about a second.
    ///
    /// Without PostgreSQL the calling test is skipped: the result is `None`. With
    /// `NODELOOP_REQUIRE_POSTGRES` set, this is a failure.
    ///
    /// # Panics
    ///
    /// Panics if the cluster does not start.
    #[track_caller]
    pub fn start() -> Option<Cluster> {
        match Installation::find() {
            Ok(installation) => Some(Cluster::start_with(&installation)),
            Err(reason) => {
                let required = std::env::var_os("NODELOOP_REQUIRE_POSTGRES").is_some();
                assert!(!required, "NODELOOP_REQUIRE_POSTGRES is set, and {reason}");
                skip(reason);
                None
            }
        }
    }

    /// The cluster that the tests of this process share. It is started by the first test that asks
    /// for it and stopped when no test uses it.
    #[track_caller]
    pub fn shared() -> Option<Arc<Cluster>> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        // A start that has failed fails again for the next test.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = shared.upgrade() {
            return Some(cluster);
        }
        let cluster = Arc::new(Cluster::start()?);
        *shared = Arc::downgrade(&cluster);
        Some(cluster)
    }

    fn start_with(installation: &Installation) -> Cluster {
        let mut command = Command::new("sh");
        command
            .args(["-c", GUARD, "postgres.sh"])
            .arg(&installation.programs)
            .arg(LIFE.as_secs().to_string())
            // A folder that its user is permitted to enter.
            .current_dir("/")
            // Ctrl-C reaches this process only; the guard then sees the pipe close.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some((user, group)) = installation.user {
            command.uid(user).gid(group);
        }
        let mut guard = command.spawn().expect("`sh` starts");
        let mut output = BufReader::new(guard.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line of text");
        // The guard prints either this line or what went wrong.
        let Some(folder) = line.trim_end().strip_prefix("ready ") else {
            let _ = output.read_to_string(&mut line);
            panic!("the cluster does not start: {line}");
        };
        let folder = PathBuf::from(folder);
        Cluster { guard, folder }
    }

    /// The folder that contains the cluster and the server's socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// The connection string for a database. `postgres` exists in every cluster.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display();
        format!("host={folder} port=5432 user=postgres dbname={database}")
    }

    /// The process id of the server.
    pub fn process_id(&self) -> u32 {
        let file = self.folder.join("data/postmaster.pid");
        let text = fs::read_to_string(file).expect("the server runs");
        let line = text.lines().next().expect("a first line");
        line.parse().expect("the process id is a number")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take()); // the guard's signal to stop the server
        let _ = self.guard.wait();
    }
}

/// The programs of PostgreSQL, and the user that runs them.
struct Installation {
    programs: PathBuf,
    /// The ids of a user and its group, if this process is root's.
    user: Option<(u32, u32)>,
}

impl Installation {
    fn find() -> Result<Installation, String> {
        let programs = Installation::programs()
            .ok_or("PostgreSQL is not installed (Debian's package `postgresql`)")?;
        let user = match id("-u", None) {
            Some(0) => {
                let ids = id("-u", Some("postgres")).zip(id("-g", Some("postgres")));
                Some(ids.ok_or("PostgreSQL refuses to run as root, and no user is `postgres`")?)
            }
            _ => None,
        };
        Ok(Installation { programs, user })
    }

    /// The folder with `initdb` and `pg_ctl`, of the newest version.
    fn programs() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
        versions.sort_by_key(|folder| {
            let name = folder.file_name().unwrap_or_default();
            name.to_string_lossy().parse::<u32>().unwrap_or_default()
        });
        std::env::split_paths(&path)
            .chain(versions.iter().rev().map(|folder| folder.join("bin")))
            .find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
    }
}

/// What `id` prints, for this process or for a user by name.
fn id(which: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(which).args(user).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().parse().ok()
}
