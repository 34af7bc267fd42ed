//! rillcast: a media origin, edge and control plane in one binary.

mod check;
mod cli;
mod config;
mod front;
mod index;
mod inspect;
mod logs;
mod open_files;
mod optimize;
mod run;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
