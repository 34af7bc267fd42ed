//! The command line: what may be said, and which exit code says what came of it.
//!
//! | exit code | `serve` | `inspect`, `index` | `check` | `optimize` |
//! |---|---|---|---|---|
//! | 0 | stopped when told to | every file can be served | no error found | every file is laid out |
//! | 1 | could not start | a file is refused | errors found | a file is refused |
//! | 2 | usage | usage, or a file cannot be read (or its index not written) | usage, or the URL cannot be loaded or is no playlist | usage, or a file cannot be read or written |

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{check, index, inspect, optimize, run};

/// A media origin, edge and control plane in one binary.
#[derive(Debug, Parser)]
#[command(name = "rillcast", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve media: HLS from plain files, just in time, with a page to watch it on
    Serve(ServeArgs),
    /// Tell what there is to know of media files, and whether they can be served
    Inspect(InspectArgs),
    /// Parse media files ahead, so that the server opens them at once
    Index(IndexArgs),
    /// Audit an HLS presentation line by line against the conformance list
    Check(CheckArgs),
    /// Lay files out so that each segment is one piece, which costs the least to send; nothing is transcoded
    Optimize(OptimizeArgs),
}

/// What `rillcast serve` is told; everything else is in the configuration file.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Directory of media files, in place of the configuration's
    #[arg(long, value_name = "DIR")]
    pub(crate) media: Option<PathBuf>,
    /// Configuration file (see config/all-in-one.toml); defaults without it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen on, in place of the configuration's listeners; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Data-plane threads, in place of one a core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<std::num::NonZeroUsize>,
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// Files to look at
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// What `rillcast index` is told.
#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// Files, and directories of files
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The server's configuration file: it says where indexes are kept
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// A multivariant or media playlist
    #[arg(value_name = "URL")]
    url: String,
    /// Segments to read of each playlist, half from its start and half from its end; all without it
    #[arg(long, value_name = "N")]
    max_segments: Option<usize>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// What `rillcast optimize` is told.
#[derive(Debug, Args)]
pub(crate) struct OptimizeArgs {
    /// Files to lay out anew; each is replaced when its new form was read back and compared
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write to this file, or into this directory, and leave the source as it is
    #[arg(short, long, value_name = "FILE|DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that is there, and one name of a file that has several (hard links)
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would change, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
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
