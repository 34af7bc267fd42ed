//! The command line: what may be said, and which exit code says what came of it.
//!
//! | exit code | `serve` | `inspect`, `index` | `check` | `optimize` |
//! |---|---|---|---|---|
//! | 0 | stopped when told to | every file can be served | no error found | every file is laid out |
//! | 1 | could not start | a file is refused | errors found | a file is refused |
//! | 2 | usage | usage, or a file cannot be read (or its index not written) | usage, or the URL cannot be loaded or is no playlist | usage, or a file cannot be read or written |

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A media origin, edge and control plane in one binary.
#[derive(Debug, Parser)]
#[command(name = "rillcast", version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A command, with what it is told.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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

/// What `rillcast inspect` is told.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Files to look at
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
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

/// What `rillcast check` is told.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A multivariant or media playlist
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Segments to read of each playlist, half from its start and half from its end; all without it
    #[arg(long, value_name = "N")]
    pub(crate) max_segments: Option<usize>,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
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
