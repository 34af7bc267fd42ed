//! What we must reach, and whether a run reached it.
//!
//! A ratio is against a peer in the same run. The other figures are absolute: they were set on a machine on
//! which nginx answers a request for a small static file in [`NGINX_THERE_US`]. What it takes here is
//! measured in each run, and each absolute target is shown scaled by the two as well. A verdict here is of the
//! bound as it was set; which of the two counts is said in `bench/decisions/0001`.

mod table;

use serde::{Deserialize, Serialize};

use crate::figure::{Figure, Unit};
use crate::measured::Paired;
use crate::rig::Findings;
use crate::run::yardstick::YARDSTICK;
use table::TARGETS;

/// CPU microseconds of nginx 1.22 for a static file of 10 kB at 64 connections, on the machine on which
/// the targets were set (peers-and-targets, part B, table 5).
const NGINX_THERE_US: f64 = 8.5;
/// A miss by less than this may be argued with a profile.
const ARGUABLE: f64 = 1.3;

/// A target: one job of the server.
#[derive(Debug)]
struct Target {
    /// Its name: `O2`.
    id: &'static str,
    /// The job.
    job: &'static str,
    /// What the best peer needs for it.
    peer: &'static str,
    /// What is asked of us.
    asked: &'static str,
    /// How that is checked.
    state: State,
}

/// Whether this rig can check a target.
#[derive(Debug)]
enum State {
    /// By these figures; all must hold.
    Checked(&'static [Check]),
    /// Not before this exists.
    Waits(&'static str),
}

/// One figure and its bound.
#[derive(Debug)]
struct Check {
    /// The key of a scenario or figure.
    key: &'static str,
    bound: Bound,
}

/// What a figure may be.
#[derive(Debug, Clone, Copy)]
enum Bound {
    /// CPU seconds per gigabyte, at most this multiple of the peer's.
    TimesPeer(f64),
    /// Server CPU microseconds a request, at most; goes with the machine.
    CpuUs(f64),
    /// Milliseconds, at most; goes with the machine.
    Ms(f64),
    /// Milliseconds, at most, of which the origin takes the first, as it does on any machine.
    MsAfter { origin: f64, most: f64 },
    /// At least this many times as many answers a CPU second as the peer.
    TimesAnswers(f64),
    /// At most this multiple of another figure.
    TimesFigure(&'static str, f64),
    /// At least this share of what it is compared with.
    ShareOfPeer(f64),
    /// At most, in its own unit, on any machine.
    Most(f64),
}

const fn check(key: &'static str, bound: Bound) -> Check {
    Check { key, bound }
}

/// Whether `id` names a target.
pub(crate) fn is_target(id: &str) -> bool {
    TARGETS.iter().any(|target| target.id == id)
}

/// Whether a target was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Yes.
    Met,
    /// No.
    NotMet,
    /// This rig cannot say yet.
    NotYetMeasurable,
    /// This run did not look.
    NotRun,
}

impl Verdict {
    /// As the report says it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::NotYetMeasurable => "not yet measurable",
            Self::NotRun => "not run",
        }
    }
}

/// What was measured for a line of the table; numbers as they are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judgement {
    /// The bound: `<= 1.8 x`.
    pub(crate) bound: String,
    /// The bound scaled to this machine, where it goes with the machine.
    pub(crate) bound_here: Option<String>,
    /// Ours, with its unit.
    pub(crate) ours: String,
    /// What it is compared with, with its unit: `0.091 s/GB nginx static`.
    pub(crate) beside: String,
    /// Ours by that.
    pub(crate) ratio: Option<f64>,
    /// Further servers at the same job, where they ran: `0.3527 s/GB nginx-vod`.
    pub(crate) others: Vec<String>,
    /// The figure by its bound: above 1 it is missed.
    pub(crate) over: f64,
    /// The same with the scaled bound.
    pub(crate) over_here: Option<f64>,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// Target: `O5`.
    pub(crate) id: String,
    /// The job.
    pub(crate) job: String,
    /// The best peer's figure, as measured once.
    pub(crate) peer: String,
    /// The target in words.
    pub(crate) asked: String,
    /// The figure this line is about, or what it waits for.
    pub(crate) about: String,
    /// What was measured; nothing when nothing was.
    pub(crate) measured: Option<Judgement>,
    /// What came of it.
    pub(crate) verdict: Verdict,
}

impl Judged {
    /// How the target binds (peers-and-targets, part A).
    pub(crate) fn binding(&self) -> String {
        let Some(measured) = &self.measured else { return String::new() };
        if measured.over <= 1.0 {
            return "met".to_owned();
        }
        let over = format!("{:.2} x over", measured.over);
        if measured.over <= ARGUABLE {
            format!("{over}: within {ARGUABLE} x, needs a profile")
        } else {
            format!("{over}: open")
        }
    }

    /// Whether the bound scaled to this machine is met, in words.
    pub(crate) fn here(&self) -> &'static str {
        let over = self.measured.as_ref().and_then(|measured| measured.over_here);
        over.map_or("", |over| if over <= 1.0 { "met" } else { "not met" })
    }
}

/// How much slower nginx is here than where the targets were set; nothing when it was not measured.
pub(crate) fn machine_factor(figures: &[Figure]) -> Option<f64> {
    figures.iter().find(|figure| figure.key == YARDSTICK).map(|figure| figure.median() / NGINX_THERE_US)
}

/// Judges every target by what was found: a line a figure.
pub(crate) fn judge(findings: &Findings) -> Vec<Judged> {
    let factor = machine_factor(&findings.figures);
    let mut lines = Vec::new();
    for target in &TARGETS {
        match target.state {
            State::Waits(what) => {
                lines.push(target.line(format!("needs: {what}"), None, Verdict::NotYetMeasurable));
            }
            State::Checked(checks) => lines.extend(checks.iter().map(|check| {
                let measured = check.judge(findings, factor);
                let verdict = match &measured {
                    None => Verdict::NotRun,
                    Some(measured) if measured.over <= 1.0 => Verdict::Met,
                    Some(_) => Verdict::NotMet,
                };
                target.line(check.key.to_owned(), measured, verdict)
            })),
        }
    }
    lines
}

impl Target {
    fn line(&self, about: String, measured: Option<Judgement>, verdict: Verdict) -> Judged {
        let [id, job, peer, asked] = [self.id, self.job, self.peer, self.asked].map(str::to_owned);
        Judged { id, job, peer, asked, about, measured, verdict }
    }
}

impl Check {
    fn judge(&self, findings: &Findings, factor: Option<f64>) -> Option<Judgement> {
        let figure = |key: &str| findings.figures.iter().find(|figure| figure.key == key);
        // A scenario with a fault measured nothing.
        let sound = |paired: &&Paired| paired.key == self.key && paired.faults().next().is_none();
        let paired = || findings.paired.iter().find(sound);
        match self.bound {
            Bound::TimesPeer(most) => {
                let paired = paired()?;
                let ratio = paired.median(|pair| pair.ratio);
                Some(Judgement {
                    bound: format!("<= {most} x"),
                    over: ratio / most,
                    ..beside(paired, Unit::SPerGb)
                })
            }
            Bound::CpuUs(most) => {
                let paired = paired()?;
                let us = paired.median(|pair| pair.ours.cpu_us_per_request);
                Some(beside(paired, Unit::Us).scaled(Unit::Us, us, most, factor))
            }
            Bound::Ms(most) => {
                let figure = figure(self.key)?;
                Some(alone(figure).scaled(Unit::Ms, figure.median(), most, factor))
            }
            Bound::MsAfter { origin, most } => {
                let figure = figure(self.key)?;
                let here = factor.map(|factor| origin + (most - origin) * factor);
                Some(alone(figure).bounded(Unit::Ms, figure.median(), most, here))
            }
            Bound::TimesAnswers(least) => {
                let paired = paired()?;
                let times = paired.median(|pair| pair.peer.cpu_us_per_request / pair.ours.cpu_us_per_request);
                let bound = format!(">= {least} x as many");
                Some(Judgement { bound, over: least / times.max(1e-9), ..beside(paired, Unit::Us) })
            }
            Bound::TimesFigure(other, most) => {
                let (figure, other) = (figure(self.key)?, figure(other)?);
                let ratio = figure.median() / other.median();
                let beside =
                    format!("{} {} {}", other.unit.write(other.median()), other.unit.words(), other.key);
                let bound = format!("<= {most} x");
                Some(Judgement { bound, beside, ratio: Some(ratio), over: ratio / most, ..alone(figure) })
            }
            Bound::ShareOfPeer(least) => {
                let figure = figure(self.key)?;
                let share = figure.ratio()?;
                let bound = format!(">= {least} x");
                Some(Judgement { bound, over: least / share.max(1e-9), ..alone(figure) })
            }
            Bound::Most(most) => {
                let figure = figure(self.key)?;
                let bound = format!("<= {most} {}", figure.unit.words());
                Some(Judgement { bound, over: figure.median() / most, ..alone(figure) })
            }
        }
    }
}

impl Judgement {
    /// With an absolute bound that goes with the machine.
    fn scaled(self, unit: Unit, value: f64, most: f64, factor: Option<f64>) -> Self {
        self.bounded(unit, value, most, factor.map(|factor| most * factor))
    }

    /// With an absolute bound and what it is here.
    fn bounded(self, unit: Unit, value: f64, most: f64, here: Option<f64>) -> Self {
        Self {
            bound: format!("<= {most} {}", unit.words()),
            bound_here: here.map(|here| format!("<= {here:.1} {}", unit.words())),
            over: value / most,
            over_here: here.map(|here| value / here),
            ..self
        }
    }
}

/// A scenario beside its peer, in `unit`, not judged yet.
fn beside(paired: &Paired, unit: Unit) -> Judgement {
    let pick = |run: &crate::measured::Measured| {
        if unit == Unit::Us { run.cpu_us_per_request } else { run.cpu_s_per_gb }
    };
    let write = |value: f64| format!("{} {}", unit.write(value), unit.words());
    Judgement {
        bound: String::new(),
        bound_here: None,
        ours: write(paired.median(|pair| pick(&pair.ours))),
        beside: format!("{} {}", write(paired.median(|pair| pick(&pair.peer))), paired.peer),
        ratio: Some(paired.median(|pair| pair.ratio)),
        others: paired
            .other_medians(pick)
            .into_iter()
            .map(|(server, value)| format!("{} {server}", write(value)))
            .collect(),
        over: f64::INFINITY,
        over_here: None,
    }
}

/// A figure, beside what it is compared with if anything, not judged yet.
fn alone(figure: &Figure) -> Judgement {
    let unit = figure.unit;
    let write = |value: f64| format!("{} {}", unit.write(value), unit.words());
    let name = figure.peers.first().map_or("", |(name, _)| name);
    Judgement {
        bound: String::new(),
        bound_here: None,
        ours: write(figure.median()),
        beside: figure.peer_median().map_or_else(String::new, |value| format!("{} {name}", write(value))),
        ratio: figure.ratio(),
        others: figure.others().map(|(name, value)| format!("{} {name}", write(value))).collect(),
        over: f64::INFINITY,
        over_here: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(key: &str, value: f64) -> Figure {
        Figure::alone(key, "", Unit::Ms, vec![value])
    }

    fn judged(figures: Vec<Figure>, id: &str) -> Vec<Judged> {
        let lines = judge(&Findings { figures, ..Findings::default() });
        lines.into_iter().filter(|line| line.id == id).collect()
    }

    fn verdicts(figures: Vec<Figure>, id: &str) -> Vec<Verdict> {
        judged(figures, id).iter().map(|line| line.verdict).collect()
    }

    #[test]
    fn a_bound_holds_up_to_its_value_and_not_past_it() {
        use Verdict::{Met, NotMet, NotRun};
        let at = vec![ms("O6-absent-front", 20.0), ms("O6-absent-end", 26.0)];
        assert_eq!(verdicts(at, "O6"), [NotRun, Met, NotRun, Met]);
        let past = vec![ms("O6-absent-front", 20.01), ms("O6-absent-end", 26.1)];
        assert_eq!(verdicts(past, "O6"), [NotRun, NotMet, NotRun, NotMet]);
        let disk = |rate| Figure::alone("O7-disk", "", Unit::MbPerS, vec![rate]).beside("disk", vec![1000.0]);
        assert_eq!(verdicts(vec![disk(900.0)], "O7"), [Met, NotRun]);
        assert_eq!(verdicts(vec![disk(899.0)], "O7"), [NotMet, NotRun]);
        let memory = |mb| Figure::alone("O9-anonymous", "", Unit::Mb, vec![mb]);
        assert_eq!(verdicts(vec![memory(1.0)], "O9"), [Met]);
        assert_eq!(verdicts(vec![memory(1.01)], "O9"), [NotMet]);
    }

    #[test]
    fn a_scaled_bound_stands_beside_the_absolute_one_and_changes_no_verdict() {
        let yardstick = Figure::alone(YARDSTICK, "", Unit::Us, vec![17.0]);
        let lines = judged(vec![yardstick, ms("O6-absent-front", 30.0)], "O6");
        let line = lines.iter().find(|line| line.about == "O6-absent-front").unwrap();
        let measured = line.measured.as_ref().unwrap();
        assert_eq!(measured.bound_here.as_deref(), Some("<= 40.0 ms"), "nginx takes twice as long here");
        assert_eq!((line.verdict, line.here()), (Verdict::NotMet, "met"));
        assert!(line.binding().ends_with("open"), "{}", line.binding());
    }

    #[test]
    fn a_near_miss_is_arguable_and_a_wide_one_is_open() {
        let binding = |mb: f64| {
            let figure = Figure::alone("O9-anonymous", "", Unit::Mb, vec![mb]);
            judged(vec![figure], "O9").first().map(Judged::binding).unwrap()
        };
        assert_eq!(binding(0.9), "met");
        assert!(binding(1.3).contains("profile"));
        assert_eq!(binding(1.31), "1.31 x over: open");
    }

    #[test]
    fn what_cannot_be_measured_is_listed_and_never_met() {
        let lines = judge(&Findings::default());
        let of = |id: &str| lines.iter().filter(|line| line.id == id).map(|l| l.verdict).collect::<Vec<_>>();
        assert_eq!(of("O3"), [Verdict::NotYetMeasurable]);
        assert_eq!(of("O2"), [Verdict::NotRun]);
        assert!(TARGETS.iter().all(|target| lines.iter().any(|line| line.id == target.id)));
        assert!(lines.iter().all(|line| line.verdict != Verdict::Met));
    }
}
