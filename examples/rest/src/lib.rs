//! A REST service for notes, on one event loop.
//!
//! | | |
//! |---|---|
//! | `POST /notes` | creates a note from `{"title": …, "text": …}`; 201 |
//! | `GET /notes` | all notes, the newest first |
//! | `GET`, `PUT`, `DELETE /notes/{id}` | one note; 404 if it does not exist |
//! | `GET /health` | 204 |
//!
//! [`server`] accepts connections, limits the time of each request, logs, and shuts down
//! gracefully. [`routes`] is axum's router without a tokio runtime. [`notes`] stores the notes in
//! SQLite, on the threads of the pool. This is a library so that the tests and the benchmark can
//! use its parts.

pub mod notes;
pub mod routes;
pub mod server;

use std::time::Duration;

pub use server::serve;

/// The settings of the service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on. By default the system chooses the port; the address is printed.
    pub address: String,
    /// The file of the database; `None` for a database in memory.
    pub database: Option<String>,
    /// The time limit for the head of a request, and for its handler.
    pub time_limit: Duration,
    /// The maximum size of a request's body in bytes.
    pub body_limit: usize,
    /// The time limit of requests in flight after a stop signal.
    pub grace: Duration,
    /// Whether a line is printed for each request.
    pub log: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            address: "127.0.0.1:0".to_owned(),
            database: None,
            time_limit: Duration::from_secs(10),
            body_limit: 64 * 1024,
            grace: Duration::from_secs(10),
            log: true,
        }
    }
}

impl Settings {
    /// Parses the arguments that follow the program's name.
    pub fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Settings, String> {
        let mut settings = Settings::default();
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            if name == "--quiet" {
                settings.log = false;
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("`{name}` needs a value"))?;
            let number = || {
                value
                    .parse()
                    .map_err(|_| format!("`{value}` is not a number"))
            };
            match &*name {
                "--address" => settings.address = value,
                "--database" => settings.database = Some(value),
                "--time-limit-ms" => settings.time_limit = Duration::from_millis(number()?),
                "--body-limit" => settings.body_limit = number()? as usize,
                "--grace-ms" => settings.grace = Duration::from_millis(number()?),
                _ => {
                    return Err(format!(
                        "unknown option `{name}`: use --address, --database, --time-limit-ms, \
                         --body-limit, --grace-ms or --quiet"
                    ));
                }
            }
        }
        Ok(settings)
    }
}
