//! A REST service for notes, on one event loop.
//!
//! | | |
//! |---|---|
//! | `POST /notes` | `{"title": …, "text": …}` becomes a note; 201 |
//! | `GET /notes` | all notes, the latest first |
//! | `GET`, `PUT`, `DELETE /notes/{id}` | one note; 404 if it is not there |
//! | `GET /health` | 204 |
//!
//! What it shows: [`server`] accepts, bounds the time of every request, logs, and ends gracefully;
//! [`routes`] is axum's router without tokio; [`notes`] keeps them in SQLite, on the pool's
//! threads. A library, so that the tests and the benchmark can use its parts.

pub mod notes;
pub mod routes;
pub mod server;

use std::time::Duration;

pub use server::serve;

/// What can be chosen when the service is started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen. The system chooses the port by default; it is printed.
    pub address: String,
    /// The file of the database; nothing for one in memory.
    pub database: Option<String>,
    /// The time for the head of a request, and for its answer.
    pub time_limit: Duration,
    /// The most bytes of a request's body.
    pub body_limit: usize,
    /// The time that requests in flight have when the service is to end.
    pub grace: Duration,
    /// Whether a line is printed for every request.
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
    /// Reads what stands behind the program's name.
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
            let number = || value.parse().map_err(|_| format!("`{value}` is no number"));
            match &*name {
                "--address" => settings.address = value,
                "--database" => settings.database = Some(value),
                "--time-limit-ms" => settings.time_limit = Duration::from_millis(number()?),
                "--body-limit" => settings.body_limit = number()? as usize,
                "--grace-ms" => settings.grace = Duration::from_millis(number()?),
                _ => {
                    return Err(format!(
                        "`{name}` is unknown; there are --address, --database, --time-limit-ms, \
                         --body-limit, --grace-ms and --quiet"
                    ));
                }
            }
        }
        Ok(settings)
    }
}
