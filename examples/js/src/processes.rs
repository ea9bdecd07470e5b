//! Child processes: each runs to its end in one operation.

use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::thread;

use crate::operations::{Argument, Reply, bytes_of};

/// Runs a program to its end, and replies with its number, its exit code, its signal and its output.
///
/// The arguments are the program, its name for itself, its directory, its input, how its three streams are
/// connected, the count of its arguments, these, and its environment.
pub(crate) fn run(arguments: &[Argument]) -> io::Result<Reply> {
    let mut texts = Vec::new();
    let mut count = 0;
    for argument in arguments {
        match argument {
            Argument::Text(text) => texts.push(text.as_str()),
            Argument::Number(number) => count = *number as usize,
            Argument::Nothing => texts.push(""),
        }
    }
    let [program, name, directory, input, streams, rest @ ..] = texts.as_slice() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let (values, variables) = rest.split_at(count.min(rest.len()));
    let mut command = Command::new(program);
    command.arg0(name).args(values).env_clear();
    command.envs(variables.iter().filter_map(|entry| entry.split_once('=')));
    if !directory.is_empty() {
        command.current_dir(directory);
    }
    let mut streams = streams.split(',').map(stream);
    let mut next = || streams.next().unwrap_or_else(Stdio::piped);
    command.stdin(next()).stdout(next()).stderr(next());
    finish(command, bytes_of(input))
}

fn stream(way: &str) -> Stdio {
    match way {
        "inherit" => Stdio::inherit(),
        "ignore" => Stdio::null(),
        _ => Stdio::piped(),
    }
}

fn finish(mut command: Command, input: Vec<u8>) -> io::Result<Reply> {
    io::stdout().flush()?; // the child may write to the same place
    let mut child = command.spawn()?;
    let number = child.id();
    let stdin = child.stdin.take();
    // The child may write before it has read everything.
    let writer = stdin.filter(|_| !input.is_empty()).map(|mut stdin| {
        thread::spawn(move || {
            let _ = stdin.write_all(&input); // it may have ended
        })
    });
    let output = child.wait_with_output()?;
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    let code = output.status.code().map(|code| code.to_string());
    let signal = output.status.signal().map(signal_name);
    Ok(Reply::Texts(vec![
        number.to_string(),
        code.unwrap_or_default(),
        signal.unwrap_or_default(),
        binary(&output.stdout),
        binary(&output.stderr),
    ]))
}

/// Bytes as the text that `operations::bytes_of` reads.
fn binary(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn signal_name(signal: i32) -> String {
    match signal {
        1 => "SIGHUP".to_owned(),
        2 => "SIGINT".to_owned(),
        3 => "SIGQUIT".to_owned(),
        4 => "SIGILL".to_owned(),
        5 => "SIGTRAP".to_owned(),
        6 => "SIGABRT".to_owned(),
        8 => "SIGFPE".to_owned(),
        9 => "SIGKILL".to_owned(),
        11 => "SIGSEGV".to_owned(),
        13 => "SIGPIPE".to_owned(),
        14 => "SIGALRM".to_owned(),
        15 => "SIGTERM".to_owned(),
        other => format!("SIG{other}"),
    }
}
