//! rillcast: a media origin, edge and control plane in one binary.

mod check;
mod cli;
mod config;
mod control_feed;
mod event_queue;
mod front;
mod index;
mod inspect;
mod keys;
mod logs;
mod open_files;
mod optimize;
mod run;
mod secret_file;
mod token;
mod trusted_keys;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use self::cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reads the command line and does what it says.
fn main() -> ExitCode {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let result = match Cli::parse().command {
        Command::Serve(args) => {
            drop(out);
            run::serve(&args).map(|()| ExitCode::SUCCESS).or_else(|error| fail("serve", 1, &error))
        }
        Command::Inspect(args) => inspect::run(&args.files, args.json, &mut out, &mut err)
            .map(|exit| ExitCode::from(exit.code()))
            .or_else(|error| fail("inspect", 2, &error.into())),
        Command::Index(args) => index::run(&args, &mut out, &mut err)
            .map(|exit| ExitCode::from(exit.code()))
            .or_else(|error| fail("index", 2, &error)),
        Command::Check(args) => check::run(&args.url, args.max_segments, args.json, &mut out)
            .map(|clean| ExitCode::from(u8::from(!clean)))
            .or_else(|error| fail("check", 2, &error)),
        Command::Optimize(args) => optimize::run(&args, &mut out, &mut err)
            .map(|exit| ExitCode::from(exit.code()))
            .or_else(|error| fail("optimize", 2, &error)),
        Command::Keys(command) => keys::run(&command, &mut out, &mut err)
            .map(|()| ExitCode::SUCCESS)
            .or_else(|error| fail("keys", 2, &error)),
        Command::Token(command) => token::run(&command, &mut out, &mut err)
            .map(|exit| ExitCode::from(exit.code()))
            .or_else(|error| fail("token", 2, &error)),
    };
    result.unwrap_or(ExitCode::FAILURE)
}

/// Says on standard error what went wrong, from the general to the particular.
fn fail(command: &str, code: u8, error: &anyhow::Error) -> io::Result<ExitCode> {
    // A parser's message may end its last line itself.
    let message = format!("{error:#}");
    writeln!(io::stderr(), "rillcast {command}: {}", message.trim_end())?;
    Ok(ExitCode::from(code))
}
