//! The program of the queue: `jobs set-up`, `jobs produce`, `jobs work` and `jobs status`.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use futures::future::select;
use nodeloop::signal::{SignalKind, signal};
use nodeloop::time::Instant;
use nodeloop_jobs::Error;
use nodeloop_jobs::database::connect;
use nodeloop_jobs::handlers::handlers;
use nodeloop_jobs::queue::{NewJob, enqueue, set_up, states};
use nodeloop_jobs::worker::{Settings, work};

const USAGE: &str = "\
usage: jobs set-up | produce | work | status, and options as `--name value`:
  all      --database URL      a connection string; by default the variable DATABASE_URL
  produce  --count N           how many jobs, 1 by default; --batch N of them are one transaction
           --key PREFIX        the keys are PREFIX1, PREFIX2, …
           --kind KIND         sleep, sum, read, flaky, stuck or crash
           --payload TEXT      the input of the job: a number, or a path for `read`
           --priority N  --delay-ms N  --max-attempts N
  work     --concurrency N     how many jobs run at the same time
           --lease-ms N  --time-limit-ms N  --back-off-ms N  --poll-ms N
           --drain true        end when there are no more jobs
           --log true          print each start and end of a job";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match nodeloop::block_on(run_command(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(mut arguments: Arguments) -> Result<(), Error> {
    let url = match arguments.take("database")? {
        Some(url) => url,
        None => std::env::var("DATABASE_URL").map_err(|_| "use --database or DATABASE_URL")?,
    };
    match &*arguments.command {
        "set-up" => set_up(&connect(&url).await?.client).await,
        "produce" => produce(&url, arguments).await,
        "work" => {
            let settings = settings(&mut arguments)?;
            arguments.finish()?;
            let summary = work(&url, settings, handlers(), stop_signal()?).await?;
            println!("{summary}");
            Ok(())
        }
        "status" => {
            for (state, count) in states(&connect(&url).await?.client).await? {
                println!("{state:8} {count}");
            }
            Ok(())
        }
        other => Err(format!("unknown command `{other}`\n{USAGE}").into()),
    }
}

async fn produce(url: &str, mut arguments: Arguments) -> Result<(), Error> {
    let count: usize = arguments.take("count")?.unwrap_or(1);
    let batch: usize = arguments.take("batch")?.unwrap_or(500);
    let prefix: String = arguments.take("key")?.ok_or("`produce` needs --key")?;
    let kind: String = arguments.take("kind")?.unwrap_or("sleep".to_owned());
    let payload: String = arguments.take("payload")?.unwrap_or("0".to_owned());
    let mut pattern = NewJob::new("", &kind, &payload);
    pattern.priority = arguments.take("priority")?.unwrap_or(pattern.priority);
    pattern.delay = arguments.milliseconds("delay-ms", pattern.delay)?;
    pattern.max_attempts = arguments
        .take("max-attempts")?
        .unwrap_or(pattern.max_attempts);
    arguments.finish()?;

    let database = connect(url).await?;
    let start = Instant::now();
    let mut added = 0;
    let numbers: Vec<usize> = (1..=count).collect();
    for numbers in numbers.chunks(batch.max(1)) {
        let jobs = numbers.iter().map(|number| NewJob {
            key: format!("{prefix}{number}"),
            ..pattern.clone()
        });
        added += enqueue(&database.client, &jobs.collect::<Vec<_>>()).await?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{added} of {count} jobs are new, in {seconds:.2} s");
    Ok(())
}

fn settings(arguments: &mut Arguments) -> Result<Settings, Error> {
    let default = Settings::default();
    let concurrency: Option<usize> = arguments.take("concurrency")?;
    Ok(Settings {
        concurrency: concurrency.unwrap_or(default.concurrency).max(1),
        lease: arguments.milliseconds("lease-ms", default.lease)?,
        time_limit: arguments.milliseconds("time-limit-ms", default.time_limit)?,
        back_off: arguments.milliseconds("back-off-ms", default.back_off)?,
        poll: arguments.milliseconds("poll-ms", default.poll)?,
        drain: arguments.take("drain")?.unwrap_or(default.drain),
        log: arguments.take("log")?.unwrap_or(default.log),
    })
}

/// Completes on the first SIGINT or SIGTERM. The next one ends the process, as by default; the jobs
/// that it runs are then taken over when their leases end.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
        println!("stopping");
    })
}

/// A command and its options.
struct Arguments {
    command: String,
    options: HashMap<String, String>,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let command = arguments.next().ok_or("the command is missing")?;
        let mut options = HashMap::new();
        while let Some(name) = arguments.next() {
            let name = name
                .strip_prefix("--")
                .ok_or_else(|| format!("`{name}` is not an option"))?;
            let value = arguments
                .next()
                .ok_or_else(|| format!("`--{name}` needs a value"))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Arguments { command, options })
    }

    /// Removes an option and parses its value.
    fn take<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let value = self.options.remove(name);
        let parse = |value: String| {
            let error = format!("`--{name} {value}`: the value is not valid");
            value.parse().map_err(|_| error.into())
        };
        value.map(parse).transpose()
    }

    fn milliseconds(&mut self, name: &str, default: Duration) -> Result<Duration, Error> {
        let value = self.take(name)?;
        Ok(value.map_or(default, Duration::from_millis))
    }

    /// Fails if there are options that the command does not know.
    fn finish(self) -> Result<(), Error> {
        match self.options.keys().next() {
            Some(name) => Err(format!("`{}` has no option `--{name}`", self.command).into()),
            None => Ok(()),
        }
    }
}
