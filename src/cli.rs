//! The command line: what may be said, and which exit code says what came of it.
//!
//! | exit code | `serve` | `inspect`, `index` | `check` | `optimize` | `keys`, `token sign` | `token verify`, `token inspect` |
//! |---|---|---|---|---|---|---|
//! | 0 | stopped when told to | every file can be served | no error found | every file is laid out | done | the token is good; it can be read |
//! | 1 | could not start | a file is refused | errors found | a file is refused | | it is refused; it is no token |
//! | 2 | usage | usage, or a file cannot be read (or its index not written) | usage, or the URL cannot be loaded or is no playlist | usage, or a file cannot be read or written | usage, or the key file cannot be used | usage, or the keys cannot be used |

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rillcast_token::Algorithm;

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
    /// Make the keys that sign tokens, replace them in time, and publish their public part
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Sign tokens, which let viewers in, and judge them
    #[command(subcommand)]
    Token(TokenCommand),
}

/// What to do with a key file.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make an active key, and the one that follows it; the file is made if it is not there
    New(NewKeysArgs),
    /// Make the next key active, retire the active one, make a new next one, and drop those long retired
    Rotate(RotateKeysArgs),
    /// Print the public key set (JWKS) that edges and others check tokens with; shared secrets are never in it
    Jwks(KeyFileArgs),
}

/// Which key file.
#[derive(Debug, Args)]
pub(crate) struct KeyFileArgs {
    /// The key file; it holds secrets, and nobody but its owner and group may read it
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// What `rillcast keys new` is told.
#[derive(Debug, Args)]
pub(crate) struct NewKeysArgs {
    #[command(flatten)]
    pub(crate) file: KeyFileArgs,
    /// eddsa, es256, rs256 (for issuers and players that know nothing else), or hs256 (a secret that all edges share)
    #[arg(long, value_name = "NAME", default_value = "eddsa")]
    pub(crate) algorithm: Algorithm,
    /// The environment whose tokens the key signs; those of all environments without
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
}

/// What `rillcast keys rotate` is told.
#[derive(Debug, Args)]
pub(crate) struct RotateKeysArgs {
    #[command(flatten)]
    pub(crate) file: KeyFileArgs,
    /// Rotate the keys of this environment; of every one in the file without
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// How long a retired key still counts: longer than tokens live (90s, 15m, 12h, 7d)
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = crate::keys::parse_time)]
    pub(crate) keep: Duration,
}

/// What to do with a token.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Sign a token and print it
    Sign(Box<SignArgs>),
    /// Say whether a token is good, and for what
    Verify(VerifyArgs),
    /// Show what a token says of itself; whether that is true is not looked at
    Inspect(InspectTokenArgs),
}

/// What `rillcast token sign` is told.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The key file to sign with
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: PathBuf,
    /// Path that the token covers, as in the URL; with a slash at its end what is below it. Several are allowed
    #[arg(long, required = true, value_name = "PATH")]
    pub(crate) path: Vec<String>,
    /// How long a viewer may begin to watch (90s, 15m, 12h, 7d)
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = crate::keys::parse_time)]
    pub(crate) expires: Duration,
    /// The environment that the token is for
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// The playback session, which may outlast the token, and can be revoked
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Who watches; all of their tokens can be revoked
    #[arg(long, value_name = "ID")]
    pub(crate) subject: Option<String>,
    /// The token's own id, by which it can be revoked
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Address or network that the viewer must come from; several are allowed
    #[arg(long, value_name = "IP[/BITS]")]
    pub(crate) ip: Vec<String>,
    /// Country that the viewer must be in, two letters; several are allowed
    #[arg(long, value_name = "CODE")]
    pub(crate) country: Vec<String>,
    /// Host whose pages may refer, *.HOST for those below it, empty for players that tell none; several are allowed
    #[arg(long, value_name = "HOST")]
    pub(crate) referrer: Vec<String>,
    /// Greatest height of video, in pixels
    #[arg(long, value_name = "PIXELS")]
    pub(crate) max_height: Option<u32>,
    /// Longest session from its first request (90s, 15m, 12h, 7d)
    #[arg(long, value_name = "TIME", value_parser = crate::keys::parse_time)]
    pub(crate) max_session: Option<Duration>,
    /// The name of a policy of the edge
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Print this URL with the token in front of its path, in place of the bare token
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// What `rillcast token verify` is told.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A token, or a URL with one in front of its path; - reads it from standard input, where no other user sees it
    #[arg(value_name = "TOKEN")]
    pub(crate) token: String,
    /// A key file, or a public key set (JWKS)
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: PathBuf,
    /// Does it cover this path?
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// Is it for a viewer at this address?
    #[arg(long, value_name = "IP")]
    pub(crate) ip: Option<IpAddr>,
}

/// What `rillcast token inspect` is told.
#[derive(Debug, Args)]
pub(crate) struct InspectTokenArgs {
    /// A token, or a URL with one in front of its path; - reads it from standard input, where no other user sees it
    #[arg(value_name = "TOKEN")]
    pub(crate) token: String,
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
