//! Child processes: a filter, a program that fails, one that is killed and one that is missing.
//!
//! In Node, `exit` reports that the child has exited, and `close` that its pipes are closed, too.
//! Only then all of its output has been read. `output` waits for both.
//!
//! Compared with Node: exactly
//! On Windows: not run, because the programs that it starts are those of Unix
//!
//! ```js
//! const { execFile, spawn } = require('node:child_process');
//!
//! function filter() {
//!   const sort = spawn('sort', { stdio: ['pipe', 'pipe', 'inherit'] });
//!   sort.stdin.end('pear\napple\nfig\n');
//!   sort.stdout.on('data', (lines) => {
//!     console.log('sorted:', String(lines).trim().split('\n').join(', '));
//!   });
//!   sort.on('close', (code) => {
//!     console.log('sort: code', code);
//!     fail();
//!   });
//! }
//!
//! function fail() {
//!   execFile('sh', ['-c', 'echo out; echo err >&2; exit 3'], (error, stdout, stderr) => {
//!     console.log(`sh: code ${error.code}, "${stdout.trim()}", "${stderr.trim()}"`);
//!     kill();
//!   });
//! }
//!
//! function kill() {
//!   const sleep = spawn('sleep', ['1000']);
//!   sleep.on('exit', (code, signal) => {
//!     console.log('sleep: signal', signal);
//!     startMissing();
//!   });
//!   sleep.kill();
//! }
//!
//! function startMissing() {
//!   spawn('no-such-program').on('error', (error) => console.log('missing:', error.code));
//! }
//!
//! filter();
//! ```

#[cfg(unix)]
fn main() -> std::io::Result<()> {
    nodeloop::run(async {
        children::filter().await?;
        children::fail().await?;
        children::kill().await?;
        children::start_missing();
        Ok(())
    })
}

/// Other systems do not have these programs.
#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod children {
    use std::io::{ErrorKind, Result};
    use std::os::unix::process::ExitStatusExt;

    use futures::AsyncWriteExt;
    use nodeloop::process::{Command, Stdio};
    use nodeloop::signal::SignalKind;

    pub async fn filter() -> Result<()> {
        let mut sort = Command::new("sort");
        let mut child = sort.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(b"pear\napple\nfig\n").await?;
        drop(stdin); // closes the pipe, which ends the input
        let output = child.wait_with_output().await?;
        let lines = String::from_utf8_lossy(&output.stdout)
            .trim()
            .replace('\n', ", ");
        println!("sorted: {lines}");
        println!("sort: code {}", output.status.code().unwrap_or(-1));
        Ok(())
    }

    pub async fn fail() -> Result<()> {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo out; echo err >&2; exit 3"]);
        let output = shell.output().await?;
        let [stdout, stderr] = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let code = output.status.code().unwrap_or(-1);
        println!("sh: code {code}, \"{stdout}\", \"{stderr}\"");
        Ok(())
    }

    pub async fn kill() -> Result<()> {
        let mut sleep = Command::new("sleep").arg("1000").spawn()?;
        sleep.signal(SignalKind::terminate())?;
        let status = sleep.wait().await?;
        let terminated = status.signal() == Some(SignalKind::terminate().as_raw());
        println!(
            "sleep: signal {}",
            if terminated { "SIGTERM" } else { "another" }
        );
        Ok(())
    }

    pub fn start_missing() {
        match Command::new("no-such-program").spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => println!("missing: ENOENT"),
            other => println!("{other:?}"),
        }
    }
}
