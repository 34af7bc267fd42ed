//! One run of the rig from end to end. Wiring only.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{anyhow, bail};

use crate::baseline;
use crate::cold::{self, Cold};
use crate::corpus::{self, Corpus, Shape};
use crate::environment::{self, Environment};
use crate::measure::Cores;
use crate::peer::{self, Nginx};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::{self, Pace, Paired};
use crate::server::{self, Launch, Ours};
use crate::targets;
use crate::truth::{self, Asset, Witness};

/// Time that the cold measurement takes, about.
const COLD_TIME: Duration = Duration::from_secs(8);
/// A machine with a higher load is too busy to measure on.
const QUIET_LOAD: f64 = 0.5;
/// What the long file is called in the served folder.
const LONG_NAME: &str = "long.mp4";

/// What `run` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Small corpus and short runs: under three minutes in all.
    #[arg(long)]
    quick: bool,
    /// Only targets whose name is one of these: `O2,O5`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The server to measure.
    #[arg(long, default_value = "target/release/rillcast")]
    server: PathBuf,
    /// Its configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Data-plane threads that it is told to use; its own choice without.
    #[arg(long)]
    workers: Option<u32>,
    /// Files of the corpus.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(corpus::FILES_MAX)))]
    files: Option<u32>,
    /// Length of each file in seconds.
    #[arg(long, value_parser = clap::value_parser!(u32).range(10..=i64::from(corpus::FILE_S_MAX)))]
    file_s: Option<u32>,
    /// Video bit rate of the corpus in kb/s.
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=50_000))]
    video_kbps: Option<u32>,
    /// Connections at once.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: Option<u32>,
    /// Fails when a ratio is more than 15 % above `baseline.json`.
    #[arg(long)]
    baseline: bool,
    /// Writes the ratios of this run into `baseline.json`.
    #[arg(long)]
    write_baseline: bool,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// For standard output.
    pub(crate) text: String,
    /// Whether the exit code says so.
    pub(crate) success: bool,
}

/// A folder below `home` for configurations and logs.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn scratch(home: &Path) -> anyhow::Result<PathBuf> {
    let folder = home.join("corpus").join("scratch");
    fs::create_dir_all(&folder).map_err(|error| anyhow!("making {}: {error}", folder.display()))?;
    Ok(folder)
}

/// The two-hour file, made if need be.
///
/// # Errors
/// When ffmpeg fails.
pub(crate) fn long_input(home: &Path) -> anyhow::Result<PathBuf> {
    let progress = Progress::default();
    Ok(corpus::prepare_long(&home.join("corpus"), &mut |what| progress.tell(what))?.0)
}

/// Prints the last report and writes its page anew.
///
/// # Errors
/// When there is none.
pub(crate) fn show(home: &Path) -> anyhow::Result<Done> {
    let report = Report::read(&home.join("report"))?;
    report.write(&home.join("report"))?;
    Ok(Done { text: report.text(), success: true })
}

/// Makes the corpus, measures, writes the report.
///
/// # Errors
/// When something needed is missing, or when bodies differ: nothing is timed then.
pub(crate) fn run(home: &Path, options: &Options) -> anyhow::Result<Done> {
    options.check_only()?;
    let scratch = scratch(home)?;
    let cores = Cores::of_this_machine()?;
    raise_file_limit();
    let mut progress = Progress::default();
    let load_before = environment::load_average();
    if load_before > QUIET_LOAD {
        progress
            .tell(&format!("the machine is busy (load {load_before:.1}): figures will be worse and jump"));
    }
    let (corpus_home, shape, pace) = (home.join("corpus"), options.shape(), options.pace());
    let corpus = corpus::prepare(&corpus_home, shape, &mut |what| progress.tell(what))?;
    let long = corpus::prepare_long(&corpus_home, &mut |what| progress.tell(what))?;
    let launch = options.launch();
    let media = Media::link(&corpus, &long.0, &corpus_home.join("served"))?;

    let paired = if options.wants_any(&["O2", "O4", "O5"]) {
        let ours = server::start(&launch, &media.folder, &scratch, cores.server)?;
        pairs(options, &media, ours, &scratch, cores, pace, &mut progress)?
    } else {
        Vec::new()
    };
    let cold = if options.wants_any(&["O6"]) {
        progress.tell("O6: first playlists of files never touched");
        cold::measure(&launch, (&long.0, &long.1), &scratch, cores.server)?
    } else {
        Vec::new()
    };
    finish(home, options, Environment::look(cores, load_before, &scratch), paired, cold)
}

/// Everything that has a yardstick.
fn pairs(
    options: &Options,
    media: &Media,
    mut ours: Ours,
    scratch: &Path,
    cores: Cores,
    pace: Pace,
    progress: &mut Progress,
) -> anyhow::Result<Vec<Paired>> {
    let root = scratch.join("truth");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(&root)?;
    let mut witness = Witness::new(ours.address, &root);
    let with_segments = options.wants_any(&["O2", "O4"]);
    let mut assets = Vec::new();
    for name in &media.names {
        progress.tell(&format!("saving every answer for {name}"));
        assets.push(witness.asset(name, with_segments)?);
    }
    let long = witness.asset(LONG_NAME, false)?;
    let mut nginx = peer::start(&root, scratch, cores.server)?;
    let all: Vec<&Asset> = assets.iter().chain([&long]).collect();
    compare(&nginx, &ours, &all, progress)?;

    let wanted: Vec<_> = scenario::all(&assets, Some(&long))
        .into_iter()
        .filter(|scenario| options.wants_any(&[scenario.key]))
        .collect();
    let steps = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
    progress.plan(wanted.len(), pace.scenario_time() * steps + COLD_TIME);
    let mut paired = Vec::new();
    for scenario in &wanted {
        progress.next_step();
        paired.push(scenario.measure(&nginx, &ours, cores, pace, progress)?);
    }
    for (name, process) in [("nginx", &mut nginx.process), ("rillcast", &mut ours.process)] {
        if !process.is_alive() {
            bail!("{name} died during the run");
        }
    }
    // Gigabytes, and of no use any more; after an error they stay, to be looked at.
    fs::remove_dir_all(&root)?;
    Ok(paired)
}

/// Both servers give the bytes that were saved, or nothing is timed.
fn compare(nginx: &Nginx, ours: &Ours, assets: &[&Asset], progress: &Progress) -> anyhow::Result<()> {
    for (name, address) in [("nginx", nginx.small), ("rillcast", ours.address)] {
        progress.tell(&format!("comparing every answer of {name}"));
        truth::check(name, address, assets.iter().copied().flat_map(Asset::pieces))?;
    }
    Ok(())
}

fn finish(
    home: &Path,
    options: &Options,
    environment: Environment,
    paired: Vec<Paired>,
    cold: Vec<Cold>,
) -> anyhow::Result<Done> {
    let mut failures: Vec<String> = paired.iter().flat_map(Paired::faults).collect();
    let (path, ratios) = (home.join("baseline.json"), baseline::ratios(&paired));
    if options.baseline {
        failures.extend(baseline::regressions(&ratios, &baseline::read(&path)?));
    }
    if options.write_baseline && failures.is_empty() {
        baseline::write(&path, &ratios)?;
    }
    let targets = targets::judge(&paired, &cold);
    // The program's own path says nothing that matters to a reader.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("rillcast-bench {}", arguments.join(" "));
    let report = Report { command, quick: options.quick, environment, paired, cold, targets, failures };
    let folder = home.join("report");
    report.write(&folder)?;
    let text = format!("{}\n\n{}", report.text(), folder.join("report.html").display());
    Ok(Done { text, success: report.failures.is_empty() })
}

impl Options {
    fn shape(&self) -> Shape {
        let shape = if self.quick { Shape::QUICK } else { Shape::FULL };
        Shape {
            files: self.files.unwrap_or(shape.files),
            file_s: self.file_s.unwrap_or(shape.file_s),
            video_kbps: self.video_kbps.unwrap_or(shape.video_kbps),
        }
    }

    fn pace(&self) -> Pace {
        let pace = if self.quick { Pace::QUICK } else { Pace::FULL };
        let connections = self.connections.and_then(|count| usize::try_from(count).ok());
        Pace { connections: connections.unwrap_or(pace.connections), ..pace }
    }

    fn launch(&self) -> Launch {
        let workers = self.workers.map(|count| ["--workers".to_owned(), count.to_string()]);
        Launch {
            program: self.server.clone(),
            config: self.config.clone(),
            arguments: workers.into_iter().flatten().collect(),
        }
    }

    /// Whether one of `keys` (targets, or scenarios of them) is asked for.
    fn wants_any(&self, keys: &[&str]) -> bool {
        let is_of = |key: &str, only: &String| key.split('-').next() == Some(only) || key == only;
        self.only.is_empty() || keys.iter().any(|key| self.only.iter().any(|only| is_of(key, only)))
    }

    fn check_only(&self) -> anyhow::Result<()> {
        let known = |only: &&String| !targets::TARGETS.iter().any(|target| target.id == **only);
        if let Some(unknown) = self.only.iter().find(known) {
            bail!("--only {unknown}: there is no such target");
        }
        Ok(())
    }
}

/// The served folder: the corpus and the long file, by link.
struct Media {
    folder: PathBuf,
    /// The corpus files in it, without the long one.
    names: Vec<String>,
}

impl Media {
    fn link(corpus: &Corpus, long: &Path, folder: &Path) -> anyhow::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        for name in &corpus.names {
            fs::hard_link(corpus.folder.join(name), folder.join(name))?;
        }
        fs::hard_link(long, folder.join(LONG_NAME))?;
        Ok(Self { folder: folder.to_owned(), names: corpus.names.clone() })
    }
}

/// Servers inherit the limit of open files; nginx keeps every segment open.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    // With the old limit a run may still be possible, and says so if not.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}
