//! The bench rig: our server beside nginx and other caches, on the same core, with the same bytes.
//!
//! ```text
//!  corpus ─▶ servers start ─▶ truth: every body saved and compared ─▶ sections ────────────▶ report
//!  (ffmpeg)  (peer, server)   (fetch, playlist)                       (run/*, load, drive)  (targets, baseline)
//! ```
//!
//! Invariants: loopback only; every child is ours, bound in time, and ended when we end; nothing is
//! timed before both servers gave the same bytes; a wrong body, a broken connection or a cost past the
//! baseline fails the run, a missed target does not.

mod baseline;
mod blocked;
mod cache_peer;
#[cfg(test)]
mod canned;
mod checks;
mod corpus;
mod drive;
mod environment;
mod fairness;
mod fetch;
mod figure;
mod h2;
mod live_stream;
mod load;
mod measure;
mod measured;
mod micro;
mod objects;
mod peer;
mod playlist;
mod process;
mod profile;
mod progress;
mod report;
mod response;
mod rig;
mod run;
mod scenario;
mod scripted;
mod server;
mod slow_readers;
mod targets;
mod tls;
mod tokens;
mod truth;
mod viewers;
mod vod;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures rillcast beside nginx.
#[derive(Debug, Parser)]
#[command(name = "rillcast-bench", version)]
struct Cli {
    /// Folder with `corpus/`, `report/` and `baseline.json`.
    #[arg(long, default_value = "bench", global = true)]
    home: PathBuf,
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes the corpus, starts both servers, measures, and writes the report.
    Run(run::Options),
    /// Looks where the time goes, and puts that into the last report.
    Profile(run::Options),
    /// Prints the last report and writes its page anew.
    Report,
    /// Times the steps of the media core.
    Micro(MicroOptions),
    /// Times what an edge checks with every request.
    Checks {
        /// A database of countries in MaxMind's format; one is made without.
        #[arg(long)]
        database: Option<PathBuf>,
    },
}

/// What `micro` is told.
#[derive(Debug, clap::Args)]
struct MicroOptions {
    /// MP4 to work on; the two-hour file of the corpus without.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Only this bench, and no figures: for profilers.
    #[arg(long, requires = "iterations")]
    one: Option<String>,
    /// How often.
    #[arg(long, requires = "one")]
    iterations: Option<u64>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Action::Run(options) => run::run(&cli.home, options),
        Action::Profile(options) => run::profile(&cli.home, options),
        Action::Report => run::show(&cli.home),
        Action::Micro(options) => micro(&cli.home, options),
        Action::Checks { database } => checks(&cli.home, database.as_deref()),
    };
    match done {
        Ok(run::Done { text, success }) => {
            print(&text);
            if success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            progress::Progress::default().tell(&format!("rillcast-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn micro(home: &std::path::Path, options: &MicroOptions) -> anyhow::Result<run::Done> {
    let scratch = run::scratch(home)?;
    let progress = progress::Progress::default();
    let input = match &options.input {
        Some(input) => input.clone(),
        None => run::long_input(home)?,
    };
    let text = match (&options.one, options.iterations) {
        (Some(name), Some(iterations)) => {
            micro::run_one(&input, name, iterations)?;
            String::new()
        }
        _ => {
            let core = measure::Cores::of_this_machine()?.server;
            micro::run_all(&input, &scratch, core, &|what| progress.tell(what))?
        }
    };
    Ok(run::Done { text, success: true })
}

fn checks(home: &std::path::Path, database: Option<&std::path::Path>) -> anyhow::Result<run::Done> {
    let core = measure::Cores::of_this_machine()?.server;
    let text = checks::run_all(database, &run::scratch(home)?, core)?;
    Ok(run::Done { text, success: true })
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is run for")]
fn print(text: &str) {
    println!("{text}");
}
