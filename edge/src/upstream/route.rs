//! The way of one fetch through the upstreams: who is next, given what came of those before.

use super::{
    Response,
    error::UpstreamError,
    fleet::{Fleet, Member},
    health::Standing,
};

/// What a fetch has so far that is not good enough: an upstream's own words that it cannot, or why there are none.
pub(super) type Poor = Option<Result<Response, UpstreamError>>;

/// Who is next. An upstream is a bit of `asked`: there are 64 at most.
pub(super) struct Route<'a> {
    order: Vec<&'a Member>,
    at: usize,
    asked: u64,
    round: Round,
}

/// How the upstreams are gone through, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Those that are well, or may show that they are.
    Well,
    /// Those that are not: better than nothing, when there is nothing.
    LastResort,
    /// Those that were asked, after a reset: that passes by, as when a process is replaced.
    Again,
}

impl<'a> Route<'a> {
    pub(super) fn new(fleet: &'a Fleet, affinity: u64) -> Self {
        Self { order: fleet.candidates(affinity), at: 0, asked: 0, round: Round::Well }
    }

    /// The next upstream to ask after `poor`.
    pub(super) fn next(&mut self, fleet: &Fleet, attempts: u32, poor: &Poor) -> Option<&'a Member> {
        let mut is_paid = poor.is_none();
        if !is_paid && attempts >= fleet.retry.attempts_max {
            return None;
        }
        while let Some((member, bit)) = self.fitting(poor) {
            if !is_paid {
                let is_free = matches!(poor, Some(Err(error)) if error.cost_nothing());
                if !is_free && !fleet.spend() {
                    return None;
                }
                is_paid = true;
            }
            // Another request may have taken the trial in the meantime.
            if member.admit() || self.round != Round::Well {
                self.asked |= bit;
                return Some(member);
            }
        }
        None
    }

    /// One more that is well or may show that it is, to be asked beside those that are silent; it is paid for as a retry is.
    pub(super) fn another(&mut self, fleet: &Fleet, attempts: u32) -> Option<&'a Member> {
        if self.round != Round::Well || attempts >= fleet.retry.attempts_max {
            return None;
        }
        let well = self.order.iter().enumerate().map(|(at, member)| (*member, bit_of(at)));
        let (member, bit) = well
            .filter(|(_, bit)| self.asked & bit == 0)
            .find(|(member, _)| member.standing() != Standing::Out)?;
        if !fleet.spend() || !member.admit() {
            return None;
        }
        self.asked |= bit;
        Some(member)
    }

    fn fitting(&mut self, poor: &Poor) -> Option<(&'a Member, u64)> {
        loop {
            while let Some(member) = self.order.get(self.at) {
                let bit = bit_of(self.at);
                self.at = self.at.saturating_add(1);
                let is_asked = self.asked & bit != 0;
                let fits = match self.round {
                    Round::Well => !is_asked && member.standing() != Standing::Out,
                    Round::LastResort => !is_asked && !matches!(poor, Some(Ok(_))),
                    Round::Again => is_asked && matches!(poor, Some(Err(UpstreamError::Reset { .. }))),
                };
                if fits {
                    return Some((*member, bit));
                }
            }
            self.at = 0;
            self.round = match self.round {
                Round::Well => Round::LastResort,
                Round::LastResort => Round::Again,
                Round::Again => return None,
            };
        }
    }
}

fn bit_of(at: usize) -> u64 {
    u32::try_from(at).ok().and_then(|at| 1u64.checked_shl(at)).unwrap_or(0)
}
