//! One run of the rig from end to end. Wiring only: what is measured is in the sections below this module.

mod edge;
mod first_answer;
mod media;
mod open_assets;
mod options;
mod plain;
mod profiling;
mod sealed;
mod truths;
mod uncached;
pub(crate) mod yardstick;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{anyhow, bail};

use crate::baseline::{self, Baseline};
use crate::corpus;
use crate::environment::{self, Environment};
use crate::measure::Cores;
use crate::measured::{Measured, Paired};
use crate::peer::Nginx;
use crate::progress::Progress;
use crate::report::Report;
use crate::rig::{Findings, Rig};
use crate::targets;
use crate::tls::Identity;
use crate::vod::{self, Vod};
use edge::Caches;
use media::Media;
pub(crate) use options::Options;
use truths::Truths;

/// A machine with a higher load is too busy to measure on.
const QUIET_LOAD: f64 = 0.5;

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

/// Looks where the time goes, and puts that into the last report, if there is one.
///
/// # Errors
/// As [`run`].
pub(crate) fn profile(home: &Path, options: &Options) -> anyhow::Result<Done> {
    let options = options.for_profile();
    let (_, findings, failures) = find(home, &options)?;
    let Some(found) = findings.profile else { bail!("{}", failures.join("; ")) };
    let text = found.text();
    let folder = home.join("report");
    if let Ok(mut report) = Report::read(&folder) {
        report.profile = Some(found);
        report.write(&folder)?;
    }
    Ok(Done { text, success: failures.is_empty() })
}

/// Makes the corpus, measures, writes the report.
///
/// # Errors
/// When something needed is missing. What goes wrong in a section makes the run fail, but not the others.
pub(crate) fn run(home: &Path, options: &Options) -> anyhow::Result<Done> {
    let (environment, findings, failures) = find(home, options)?;
    finish(home, options, environment, findings, failures)
}

/// Measures what is asked for: on what, what was found, and what failed.
fn find(home: &Path, options: &Options) -> anyhow::Result<(Environment, Findings, Vec<String>)> {
    options.check_only()?;
    raise_file_limit();
    let mut progress = Progress::default();
    let load_before = environment::load_average();
    if load_before > QUIET_LOAD {
        progress
            .tell(&format!("the machine is busy (load {load_before:.1}): figures will be worse and jump"));
    }
    let rig = options.rig(home)?;
    let mut findings = Findings::default();
    let mut failures = Vec::new();
    if options.wants_any(&OF_MEDIA) {
        let corpus_home = home.join("corpus");
        let corpus = corpus::prepare(&corpus_home, options.shape(), &mut |what| progress.tell(what))?;
        let long = corpus::prepare_long(&corpus_home, &mut |what| progress.tell(what))?;
        let media = Media::prepare(&corpus, long, &rig, &progress)?;
        failures = sections(options, &rig, &media, &mut progress, &mut findings)?;
    }
    failures.extend(run_sections(options, live(&rig), &mut progress, &mut findings));
    if options.wants_any(&OF_CACHES) {
        let caches = Caches::start(&rig, &progress)?;
        failures.extend(run_sections(options, cached(options, &caches), &mut progress, &mut findings));
    }
    Ok((Environment::look(rig.cores, load_before, &rig.scratch), findings, failures))
}

/// What sections that compare with nginx work with.
struct Stage<'a> {
    rig: &'a Rig,
    media: &'a Media,
    truth: &'a Truths,
    nginx: &'a Nginx,
    vod: Option<&'a Vod>,
    options: &'a Options,
}

impl Stage<'_> {
    fn wants(&self, key: &str) -> bool {
        self.options.wants_any(&[key])
    }

    /// A run with a fault measures nothing.
    fn check(&self, what: &str, measured: &Measured) -> anyhow::Result<()> {
        measured.fault().map_or(Ok(()), |fault| bail!("{what}: {fault}"))
    }
}

/// A part of a run that may fail by itself.
struct Section<'a> {
    /// Targets that it is for.
    ids: &'a [&'a str],
    /// About how long it takes.
    time: Duration,
    measure: Measure<'a>,
}

/// What a section does.
type Measure<'a> = Box<dyn Fn(&mut Progress, &mut Findings) -> anyhow::Result<()> + 'a>;

/// Sections that serve media of the corpus.
const OF_MEDIA: [&str; 10] =
    ["O1", "O2", "O4", "O5", "O6", "O7", "O8", "O9", options::FAIRNESS, options::PROFILE];
/// Sections in which caches stand side by side.
const OF_CACHES: [&str; 5] = ["E1", "E2", "E3", "E4", options::PROFILE];

/// Runs what is asked for of [`OF_MEDIA`]; what failed, in words.
fn sections(
    options: &Options,
    rig: &Rig,
    media: &Media,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<Vec<String>> {
    let beside_nginx = ["O1", "O2", "O4", "O5", "O7", "O8", options::FAIRNESS, options::PROFILE];
    let vod = rig.vod_module.as_deref();
    let vod =
        vod.map(|module| vod::start(module, media.folder(), &rig.scratch, rig.cores.server)).transpose()?;
    let mut failures = Vec::new();
    if options.wants_any(&beside_nginx) {
        let truth = Truths::gather(rig, media, progress)?;
        let nginx = truth.start_nginx(rig, progress)?;
        let stage = Stage { rig, media, truth: &truth, nginx: &nginx, vod: vod.as_ref(), options };
        failures = run_sections(options, staged(&stage), progress, findings);
    }
    drop(vod);
    failures.extend(run_sections(options, alone(rig, media), progress, findings));
    Ok(failures)
}

/// Sections that compare with nginx.
fn staged<'a>(stage: &'a Stage<'_>) -> Vec<Section<'a>> {
    let (pace, quick) = (stage.rig.pace, stage.rig.quick);
    let pairs = u32::try_from(pace.pairs).unwrap_or(u32::MAX);
    let mut sections = vec![
        Section {
            ids: &["O1", "O2", "O4", "O5"],
            time: pace.run_time() * pairs + pace.scenario_time() * 9,
            measure: Box::new(|progress, findings| plain::measure(stage, progress, findings)),
        },
        Section {
            ids: &["O4"],
            time: pace.scenario_time(),
            measure: Box::new(|progress, findings| plain::measure_without_sidecar(stage, progress, findings)),
        },
        Section {
            ids: &[options::FAIRNESS],
            time: pace.run_time() * 8,
            measure: Box::new(|progress, findings| plain::measure_fairness(stage, progress, findings)),
        },
        Section {
            ids: &["O8"],
            time: sealed::time(pace, quick),
            measure: Box::new(|progress, findings| sealed::measure(stage, progress, findings)),
        },
    ];
    if stage.options.profile {
        sections.push(Section {
            ids: &[options::PROFILE],
            time: profiling::time(),
            measure: Box::new(|progress, findings| {
                findings.profile = Some(profiling::measure(stage, progress)?);
                Ok(())
            }),
        });
    }
    // Last: it empties the page cache of what all others want in it.
    sections.push(Section {
        ids: &["O7"],
        time: Duration::from_secs(if quick { 3 } else { 20 }) * pairs,
        measure: Box::new(|progress, findings| uncached::measure(stage, progress, findings)),
    });
    sections
}

/// Sections about our server alone.
fn alone<'a>(rig: &'a Rig, media: &'a Media) -> Vec<Section<'a>> {
    vec![
        Section {
            ids: &["O6"],
            time: Duration::from_secs(8),
            measure: Box::new(|progress, findings| first_answer::measure(rig, media, progress, findings)),
        },
        Section {
            ids: &["O9"],
            time: Duration::from_millis(100 * open_assets::count(rig.quick) as u64),
            measure: Box::new(|progress, findings| open_assets::measure(rig, media, progress, findings)),
        },
    ]
}

/// Sections about a live stream at our edge alone.
fn live(rig: &Rig) -> Vec<Section<'_>> {
    vec![Section {
        ids: &["E5"],
        time: edge::live::time(rig),
        measure: Box::new(|progress, findings| edge::live::measure(rig, progress, findings)),
    }]
}

/// Sections that compare with other caches.
fn cached<'a>(options: &Options, caches: &'a Caches<'_>) -> Vec<Section<'a>> {
    let pace = caches.pace();
    let mut sections = vec![
        Section {
            ids: &["E1"],
            time: edge::hits::time_large(pace),
            measure: Box::new(|progress, findings| edge::hits::measure_large(caches, progress, findings)),
        },
        Section {
            ids: &["E2"],
            time: edge::hits::time_small(pace),
            measure: Box::new(|progress, findings| edge::hits::measure_small(caches, progress, findings)),
        },
        Section {
            ids: &["E2"],
            time: edge::guarded::time(pace),
            measure: Box::new(|progress, findings| edge::guarded::measure(caches, progress, findings)),
        },
        Section {
            ids: &["E3"],
            time: edge::herd::time(pace.pairs),
            measure: Box::new(|progress, findings| edge::herd::measure(caches, progress, findings)),
        },
        Section {
            ids: &["E4"],
            time: edge::sealed::time(pace),
            measure: Box::new(|progress, findings| edge::sealed::measure(caches, progress, findings)),
        },
    ];
    if options.profile {
        sections.push(Section {
            ids: &[options::PROFILE],
            time: edge::profiling::time(),
            measure: Box::new(|progress, findings| edge::profiling::measure(caches, progress, findings)),
        });
    }
    sections
}

fn run_sections(
    options: &Options,
    sections: Vec<Section<'_>>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> Vec<String> {
    let wanted: Vec<Section<'_>> =
        sections.into_iter().filter(|section| options.wants_any(section.ids)).collect();
    let mut left: Duration = wanted.iter().map(|section| section.time).sum();
    let mut failures = Vec::new();
    progress.plan(wanted.len(), left);
    for section in &wanted {
        progress.next_section(left);
        left = left.saturating_sub(section.time);
        if let Err(error) = (section.measure)(progress, findings) {
            let failure = format!("{}: {error:#}", section.ids.join(", "));
            progress.tell(&format!("FAILED {failure}"));
            failures.push(failure);
        }
    }
    failures
}

fn finish(
    home: &Path,
    options: &Options,
    environment: Environment,
    findings: Findings,
    mut failures: Vec<String>,
) -> anyhow::Result<Done> {
    failures.extend(findings.paired.iter().flat_map(Paired::faults));
    let path = home.join("baseline.json");
    let baseline = baseline::costs(&findings);
    if path.exists() && !options.write_baseline {
        failures.extend(Baseline::read(&path)?.regressions(options.quick, &baseline));
    }
    let targets = targets::judge(&findings);
    // The program's own path says nothing that matters to a reader.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("rillcast-bench {}", arguments.join(" "));
    let Findings { paired, figures, spreads, slow_readers, profile } = findings;
    let report = Report {
        command,
        quick: options.quick,
        environment,
        paired,
        figures,
        spreads,
        slow_readers,
        targets,
        failures,
        profile,
    };
    if options.write_baseline && report.failures.is_empty() {
        Baseline::write(&path, options.quick, baseline)?;
        fs::write(home.join("BASELINE.md"), report.markdown())?;
    }
    let folder = home.join("report");
    report.write(&folder)?;
    let text = format!("{}\n\n{}", report.text(), folder.join("report.html").display());
    Ok(Done { text, success: report.failures.is_empty() })
}

impl Options {
    fn rig(&self, home: &Path) -> anyhow::Result<Rig> {
        let scratch = scratch(home)?;
        Ok(Rig {
            cores: Cores::of_this_machine()?,
            pace: self.pace(),
            launch: self.launch(),
            identity: Identity::make(&scratch)?,
            quick: self.quick,
            vod_module: self.vod_module.clone(),
            scratch,
        })
    }
}

/// Servers inherit the limit of open files; nginx keeps every segment open.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    // With the old limit a run may still be possible, and says so if not.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}
