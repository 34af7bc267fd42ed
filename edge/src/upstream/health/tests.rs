use proptest::prelude::*;

use super::{
    Outcome::{Failed, Well},
    *,
};

const POLICY: PassivePolicy = PassivePolicy {
    failures_in_a_row: 3,
    failures_percent: 50,
    requests_min: 10,
    window: Duration::from_secs(10),
    out_first: Duration::from_secs(1),
    out_max: Duration::from_secs(8),
};

/// A machine and a clock that is moved by hand.
struct Story {
    health: Health,
    now: Instant,
}

impl Story {
    fn new(thresholds: Option<(u32, u32)>) -> Self {
        let now = Instant::now();
        Self { health: Health::new(POLICY, thresholds, now), now }
    }

    fn tell(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.health.told(*outcome, self.now);
        }
    }

    fn check(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.health.checked(*outcome, self.now);
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn standing(&self) -> Standing {
        self.health.standing(self.now)
    }

    /// How long it is out, in whole seconds; from now.
    fn seconds_out(&self) -> u64 {
        let is_over =
            |seconds: &u64| self.health.standing(self.now + Duration::from_secs(*seconds)) != Standing::Out;
        (0..1000).find(is_over).unwrap()
    }
}

#[test]
fn failures_in_a_row_take_it_out_at_the_limit_and_not_before() {
    let mut story = Story::new(None);
    story.tell(&[Failed, Failed, Well, Failed, Failed]);
    assert_eq!(story.standing(), Standing::In);
    story.tell(&[Failed]);
    assert_eq!(story.standing(), Standing::Out);
}

#[test]
fn a_share_of_failures_takes_it_out_once_the_window_has_seen_enough() {
    let mut story = Story::new(None);
    for _ in 0..4 {
        story.tell(&[Failed, Well]);
    }
    story.tell(&[Well]);
    assert_eq!(story.standing(), Standing::In);
    story.tell(&[Failed]);
    assert_eq!(story.standing(), Standing::Out);
}

#[test]
fn failures_of_another_window_are_forgotten() {
    let mut story = Story::new(None);
    for _ in 0..9 {
        story.tell(&[Failed, Well]);
        story.pass(3);
    }
    assert_eq!(story.standing(), Standing::In);
}

#[test]
fn one_request_is_its_trial_and_others_stay_away() {
    let mut story = Story::new(None);
    story.tell(&[Failed; 3]);
    story.pass(1);
    assert_eq!(story.standing(), Standing::Trial);
    assert!(story.health.admit(story.now));
    assert_eq!(story.standing(), Standing::Out);
    assert!(!story.health.admit(story.now));
    story.tell(&[Well]);
    assert_eq!(story.standing(), Standing::In);
}

#[test]
fn a_trial_that_nobody_hears_of_does_not_keep_it_out_for_ever() {
    let mut story = Story::new(None);
    story.tell(&[Failed; 3]);
    story.pass(1);
    assert!(story.health.admit(story.now));
    story.pass(TRIAL_PATIENCE.as_secs() - 1);
    assert!(!story.health.admit(story.now));
    story.pass(1);
    assert!(story.health.admit(story.now));
}

#[test]
fn each_failed_trial_doubles_the_time_up_to_the_most() {
    let mut story = Story::new(None);
    story.tell(&[Failed; 3]);
    for expected in [1, 2, 4, 8, 8, 8] {
        assert_eq!(story.seconds_out(), expected);
        story.pass(expected);
        assert!(story.health.admit(story.now));
        story.tell(&[Failed]);
    }
}

#[test]
fn the_time_starts_small_again_only_after_a_long_while_in() {
    for (stayed_in, expected) in [(POLICY.out_max.as_secs() - 1, 2), (POLICY.out_max.as_secs(), 1)] {
        let mut story = Story::new(None);
        story.tell(&[Failed; 3]);
        story.pass(1);
        story.tell(&[Well]);
        story.pass(stayed_in);
        story.tell(&[Well, Failed, Failed, Failed]);
        assert_eq!(story.seconds_out(), expected, "after {stayed_in} s");
    }
}

#[test]
fn requests_that_were_on_their_way_neither_prolong_nor_double_the_time() {
    let mut story = Story::new(None);
    story.tell(&[Failed; 30]);
    assert_eq!(story.seconds_out(), 1);
}

#[test]
fn a_success_while_it_is_out_takes_it_in() {
    let mut story = Story::new(None);
    story.tell(&[Failed; 3]);
    story.tell(&[Well]);
    assert_eq!(story.standing(), Standing::In);
}

#[test]
fn checks_take_it_down_and_up_at_their_thresholds() {
    let mut story = Story::new(Some((2, 3)));
    story.check(&[Failed, Failed, Well, Failed, Failed]);
    assert_eq!(story.standing(), Standing::In);
    story.check(&[Failed]);
    assert_eq!(story.standing(), Standing::Out);
    story.pass(1000);
    assert_eq!(story.standing(), Standing::Out);
    story.check(&[Well, Failed, Well]);
    assert_eq!(story.standing(), Standing::Out);
    story.check(&[Well]);
    assert_eq!(story.standing(), Standing::In);
}

#[test]
fn a_rise_ends_what_requests_found_before() {
    let mut story = Story::new(Some((1, 1)));
    story.tell(&[Failed; 3]);
    story.check(&[Failed, Well]);
    assert_eq!(story.standing(), Standing::In);
}

#[test]
fn good_checks_do_not_outvote_failing_requests() {
    let mut story = Story::new(Some((1, 1)));
    story.tell(&[Failed; 3]);
    story.check(&[Well; 5]);
    assert_eq!(story.standing(), Standing::Out);
}

proptest! {
    #[test]
    fn it_is_never_out_for_longer_than_the_most(events in prop::collection::vec((0..4u8, 0..5u64), 0..200)) {
        let mut story = Story::new(None);
        for (event, seconds) in events {
            match event {
                0 => story.tell(&[Well]),
                1 | 2 => story.tell(&[Failed]),
                _ => { story.health.admit(story.now); }
            }
            story.pass(seconds);
            let most = POLICY.out_max.max(TRIAL_PATIENCE).as_secs();
            prop_assert!(story.seconds_out() <= most);
        }
    }

    #[test]
    fn one_that_never_fails_is_always_in(gaps in prop::collection::vec(0..100u64, 0..50)) {
        let mut story = Story::new(Some((1, 1)));
        for seconds in gaps {
            prop_assert!(story.health.admit(story.now));
            story.tell(&[Well]);
            story.check(&[Well]);
            story.pass(seconds);
        }
    }
}
