//! Runs the service. Without arguments its database is in memory.
//!
//! ```text
//! cargo run -p nodeloop-rest -- --address 127.0.0.1:8080 --database notes.db
//! ```

use std::process::ExitCode;

use nodeloop_rest::{Settings, serve};

fn main() -> ExitCode {
    let settings = match Settings::from_arguments(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match nodeloop::run(serve(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
