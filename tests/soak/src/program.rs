//! The command line.

use std::process::ExitCode;
use std::time::Duration;

use crate::load;
use crate::plant::Plant;
use crate::soak::{self, Options};

const USAGE: &str = "\
usage: nodeloop-soak soak [--seconds N] [--seed S] [--only NAME,NAME] [--plant FAULT]
       nodeloop-soak load [--quick] [--only ROW,ROW]

`soak` runs activities that a seed chooses, and checks that everything comes back.
`load` prints a table of load and faults.
Faults to plant: leak-descriptor, lose-reply, leak-task, leak-memory, leave-zombie, leave-thread.
";

pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        Some("soak") => options(arguments).map(|options| soak::run(&options)),
        Some("load") => rows(arguments).map(|(quick, only)| load::run(quick, &only)),
        // The processes of `load`: one for each row, and the clients of a row.
        Some("load-row") => load::run_row(&arguments.collect::<Vec<_>>()),
        Some("load-clients") => load::run_clients(&arguments.collect::<Vec<_>>()),
        Some(other) => Err(format!("unknown command `{other}`")),
        None => Err("no command".to_owned()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}\n\n{USAGE}");
        ExitCode::from(2)
    })
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        duration: Duration::from_secs(60),
        seed: None,
        only: Vec::new(),
        plant: None,
    };
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("`{name}` needs a value"))?;
        match name.as_str() {
            "--seconds" => options.duration = Duration::from_secs(number(&value)?),
            "--seed" => options.seed = Some(number(&value)?),
            "--only" => options.only = list(&value),
            "--plant" => options.plant = Some(Plant::named(&value)?),
            _ => return Err(format!("unknown option `{name}`")),
        }
    }
    Ok(options)
}

fn rows(mut arguments: impl Iterator<Item = String>) -> Result<(bool, Vec<String>), String> {
    let (mut quick, mut only) = (false, Vec::new());
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--quick" => quick = true,
            "--only" => only = list(&arguments.next().ok_or("`--only` needs names of rows")?),
            _ => return Err(format!("unknown option `{name}`")),
        }
    }
    Ok((quick, only))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number"))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}
