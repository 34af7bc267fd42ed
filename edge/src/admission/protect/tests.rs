use std::{
    net::IpAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use prometheus::Registry;
use rillcast_http::Network;
use rillcast_token::{Algorithm, Claims, KeyRecord, KeySet, KeyState, NumericDate, sign, verify};

use super::*;
use crate::control::orders::{
    order::{Limits, Name, Rates},
    ordered_limits::OrderedLimits,
};

const NOW: SystemTime = UNIX_EPOCH;
const MS: Duration = Duration::from_millis(1);

/// Four at a stretch, then two a second; three at once.
const SMALL: Allowance = Allowance { requests_per_s: 2, burst: 4, at_once: 0 };

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    Instant::now()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A token as its issuer says, the rest filled in.
fn grant(claims: Claims) -> Grant {
    let key = KeyRecord::generate(Algorithm::EdDSA, KeyState::Active, None, NOW).unwrap();
    let exp = NumericDate::of(NOW + Duration::from_secs(60));
    let token = sign(&Claims { paths: vec!["/".to_owned()], exp, ..claims }, &key).unwrap();
    verify(&token, &KeySet::new([key]).unwrap(), NOW).unwrap()
}

fn of_session(session: &str) -> Grant {
    grant(Claims { sid: Some(session.to_owned()), ..Claims::default() })
}

fn of_token(id: &str) -> Grant {
    grant(Claims { jti: Some(id.to_owned()), ..Claims::default() })
}

struct Rig {
    protection: Protection,
    ordered: OrderedLimits,
    start: Instant,
}

impl Rig {
    fn new(token: Allowance, client: Allowance) -> Self {
        Self::with(AskLimits { token, client, ..AskLimits::default() })
    }

    fn with(limits: AskLimits) -> Self {
        let (metrics, start) = (EdgeMetrics::register(&Registry::new()).unwrap(), start());
        Self { protection: Protection::new(limits, metrics, start), ordered: OrderedLimits::default(), start }
    }

    fn asking<'a>(&self, grant: Option<&'a Grant>, client: &str, after: Duration) -> Asking<'a> {
        Asking {
            environment: "",
            grant,
            client: ip(client),
            ordered: self.ordered.of(""),
            now: self.start + after,
        }
    }

    /// Asks and is answered at once.
    fn ask(&self, grant: Option<&Grant>, client: &str, after: Duration) -> Result<(), Box<Problem>> {
        self.protection.admit(&self.asking(grant, client, after)).map(drop)
    }

    /// How many of `count` requests at one time pass.
    fn passing(&self, count: usize, grant: Option<&Grant>, client: &str, after: Duration) -> usize {
        (0..count).filter(|_| self.ask(grant, client, after).is_ok()).count()
    }

    fn refused(&self, why: &str, whose: &str) -> u64 {
        self.protection.metrics.limited.with_label_values(&[why, whose]).get()
    }
}

#[test]
fn a_party_has_its_burst_and_then_its_rate_and_not_one_more() {
    let viewer = of_session("s");
    for (rig, whose) in
        [(Rig::new(SMALL, Allowance::UNLIMITED), "token"), (Rig::new(Allowance::UNLIMITED, SMALL), "client")]
    {
        let pass = |count, after| rig.passing(count, Some(&viewer), "192.0.2.1", after);
        assert_eq!(pass(4, Duration::ZERO), 4, "{whose}");
        let problem = rig.ask(Some(&viewer), "192.0.2.1", Duration::ZERO).unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.slug), (429, "too_many_requests"), "{whose}");
        assert_eq!(problem.retry_after, Some(Duration::from_millis(500)), "{whose}");
        assert_eq!(
            (problem.cache_control.as_bytes(), &problem.extra["limit"]),
            (&b"no-store"[..], &whose.into())
        );
        assert_eq!(pass(1, 499 * MS), 0, "{whose}: not a moment before");
        assert_eq!(pass(9, 500 * MS), 1, "{whose}: then one");
        assert_eq!(pass(9, 2000 * MS), 3, "{whose}: as many as came in since");
        assert_eq!(pass(9, 3_600_000 * MS), 4, "{whose}: and never more than a burst");
        assert_eq!(rig.refused("too_many_requests", whose), 1 + 1 + 8 + 6 + 5, "{whose}");
    }
}

#[test]
fn a_party_has_so_many_under_way_and_not_one_more() {
    let limit = Allowance { at_once: 3, ..Allowance::UNLIMITED };
    let viewer = of_session("s");
    for (rig, whose) in
        [(Rig::new(limit, Allowance::UNLIMITED), "token"), (Rig::new(Allowance::UNLIMITED, limit), "client")]
    {
        let asking = rig.asking(Some(&viewer), "192.0.2.1", Duration::ZERO);
        let mut held: Vec<_> = (0..3).map(|_| rig.protection.admit(&asking).unwrap()).collect();
        let problem = rig.protection.admit(&asking).unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.slug), (429, "too_many_at_once"), "{whose}");
        assert_eq!(problem.retry_after, Some(AT_ONCE_RETRY), "{whose}");
        held.pop();
        held.push(rig.protection.admit(&asking).unwrap());
        assert!(rig.protection.admit(&asking).is_err(), "{whose}: one went, one came");
        let last = held.pop().unwrap().keep();
        drop(held);
        let two = [rig.protection.admit(&asking), rig.protection.admit(&asking)];
        assert!(two.iter().all(Result::is_ok), "{whose}");
        assert!(rig.protection.admit(&asking).is_err(), "{whose}: what is kept counts");
        rig.protection.release(last);
        drop(two);
        assert_eq!(
            rig.passing(9, Some(&viewer), "192.0.2.1", Duration::ZERO),
            9,
            "{whose}: one after another"
        );
        assert_eq!(rig.refused("too_many_at_once", whose), 3, "{whose}");
    }
}

#[test]
fn what_a_client_is_refused_is_given_back_to_its_token() {
    let once = Allowance { at_once: 1, ..Allowance::UNLIMITED };
    let rig = Rig::new(once, once);
    let (one, other) = (of_session("1"), of_session("2"));
    let held = rig.protection.admit(&rig.asking(Some(&one), "192.0.2.1", Duration::ZERO)).unwrap();
    assert!(rig.ask(Some(&other), "192.0.2.1", Duration::ZERO).is_err(), "the address has one under way");
    assert!(rig.ask(Some(&other), "192.0.2.2", Duration::ZERO).is_ok(), "the token has none");
    drop(held);
    assert!(rig.ask(Some(&other), "192.0.2.1", Duration::ZERO).is_ok());
}

#[test]
fn a_greedy_token_costs_its_neighbours_at_the_same_address_nothing() {
    let rig = Rig::new(SMALL, Allowance { burst: 8, ..SMALL });
    let (greedy, modest) = (of_session("greedy"), of_session("modest"));
    assert_eq!(rig.passing(1000, Some(&greedy), "192.0.2.1", Duration::ZERO), 4);
    assert_eq!(rig.passing(4, Some(&modest), "192.0.2.1", Duration::ZERO), 4);
    assert!(rig.ask(None, "192.0.2.1", Duration::ZERO).is_err(), "together they are the client's burst");
}

#[test]
fn tokens_of_a_session_count_together_and_others_by_themselves() {
    let rig = Rig::new(SMALL, Allowance::UNLIMITED);
    let ask = |grant: &Grant| rig.passing(9, Some(grant), "192.0.2.1", Duration::ZERO);
    assert_eq!((ask(&of_session("s")), ask(&of_session("s")), ask(&of_session("t"))), (4, 0, 4));
    let (one, other) = (of_token("1"), of_token("2"));
    assert_eq!((ask(&one), ask(&one.clone()), ask(&other)), (4, 0, 4));
    assert_eq!(
        rig.passing(99, None, "192.0.2.1", Duration::ZERO),
        99,
        "without a token there is none to limit"
    );
}

#[test]
fn a_client_is_the_network_of_an_address() {
    let rig = Rig::new(Allowance::UNLIMITED, SMALL);
    let ask = |rig: &Rig, client: &str| rig.passing(9, None, client, Duration::ZERO);
    for (client, passing) in [
        ("192.0.2.1", 4),
        ("192.0.2.2", 4),
        ("::ffff:192.0.2.1", 0),
        ("2001:db8::1", 4),
        ("2001:db8::ffff:ffff:ffff:ffff", 0),
        ("2001:db8:0:1::1", 4),
        ("::", 4),
        ("0.0.0.0", 4),
    ] {
        assert_eq!(ask(&rig, client), passing, "{client}");
    }
    let prefixes = Prefixes { ipv4: 24, ipv6: 48 };
    let limits = AskLimits { token: Allowance::UNLIMITED, client: SMALL, prefixes, ..AskLimits::default() };
    let rig = Rig::with(limits);
    for (client, passing) in [
        ("192.0.2.1", 4),
        ("192.0.2.255", 0),
        ("192.0.3.1", 4),
        ("2001:db8::1", 4),
        ("2001:db8:0:1::1", 0),
        ("2001:db8:1::1", 4),
    ] {
        assert_eq!(ask(&rig, client), passing, "{client}");
    }
}

#[test]
fn who_is_exempt_has_no_limit_but_that_of_the_token() {
    let exempt = ["10.0.0.0/8".parse::<Network>().unwrap()].into_iter().collect();
    let rig = Rig::with(AskLimits { token: SMALL, client: SMALL, exempt, ..AskLimits::default() });
    assert_eq!(rig.passing(99, None, "10.1.2.3", Duration::ZERO), 99);
    assert_eq!(rig.passing(99, Some(&of_session("s")), "10.1.2.3", Duration::ZERO), 4);
    assert_eq!(rig.passing(99, None, "11.1.2.3", Duration::ZERO), 4);
}

#[test]
fn what_is_off_remembers_nobody() {
    let rig = Rig::new(Allowance::UNLIMITED, Allowance::UNLIMITED);
    assert_eq!(rig.passing(10_000, Some(&of_session("s")), "192.0.2.1", Duration::ZERO), 10_000);
    assert_eq!((rig.protection.tokens.parties(), rig.protection.clients.parties()), (0, 0));
}

#[test]
fn a_flood_of_addresses_takes_no_memory_and_frees_nobody_past_a_limit() {
    let rig = Rig::new(Allowance::UNLIMITED, SMALL);
    let bytes = rig.protection.clients.bytes();
    assert_eq!(rig.passing(9, None, "198.51.100.1", Duration::ZERO), 4);
    for flood in 0..200_000_u32 {
        let client = IpAddr::from((0x0a00_0000 + flood).to_be_bytes());
        let asking = Asking { client, ..rig.asking(None, "::", Duration::ZERO) };
        assert!(rig.protection.admit(&asking).is_ok());
    }
    assert_eq!(rig.protection.clients.bytes(), bytes);
    assert!((PARTIES_MAX * 9 / 10..=PARTIES_MAX).contains(&rig.protection.clients.parties()));
    assert!(bytes <= PARTIES_MAX * 40, "{bytes} bytes");
    assert!(rig.ask(None, "198.51.100.1", Duration::ZERO).is_err(), "it was not to be made new");
}

#[test]
fn a_party_that_is_being_answered_keeps_its_place() {
    let (start, limit) = (start(), Allowance { at_once: 2, ..SMALL });
    let table = Table::new(8, start);
    for name in 1..=8 {
        assert_eq!(table.charge(name, limit, start), Ok(Place::Held));
    }
    assert_eq!(table.charge(9, limit, start), Ok(Place::Unknown), "one past the limit is not counted");
    table.release(9);
    table.release(3);
    assert_eq!(table.charge(9, limit, start), Ok(Place::Held), "in the place of the only one that could go");
    for name in [1, 2, 4, 5, 6, 7, 8, 9] {
        assert_eq!(table.charge(name, limit, start), Ok(Place::Held), "{name} has its second");
        assert_eq!(table.charge(name, limit, start), Err(Refused::AtOnce), "{name} has no third");
    }
}

#[test]
fn who_has_not_asked_for_longest_gives_way_first() {
    let start = start();
    let table = Table::new(8, start);
    for name in 1..=8_u32 {
        assert_eq!(table.charge(name.into(), SMALL, start + name * MS), Ok(Place::Passed));
    }
    let later = start + 9 * MS;
    assert_eq!(table.charge(9, SMALL, later), Ok(Place::Passed));
    let left = |name| (0..9).filter(|_| table.charge(name, SMALL, later).is_ok()).count();
    assert_eq!(left(8), 3, "the others are known");
    assert_eq!(left(1), 4, "the first one was forgotten");
}

#[test]
fn orders_say_otherwise_by_environment_until_they_say_nothing() {
    let rig = Rig::new(SMALL, Allowance::UNLIMITED);
    let order = |environment: Option<&str>, token: Rates, client: Rates| Limits {
        environment: environment.map(|name| Name::new(name).unwrap()),
        token,
        client,
    };
    let burst = |burst| Rates { burst: Some(burst), ..Rates::default() };
    let off = Rates { requests_per_s: Some(0), ..Rates::default() };
    let clients = Rates { requests_per_s: Some(1), burst: Some(5), concurrent: None };
    let viewer = of_session("s");
    // Each at a time of its own, long after the one before.
    let passing = |environment: &str, hour: u32| {
        let now = rig.start + hour * Duration::from_secs(3600);
        let asking = Asking {
            environment,
            now,
            ordered: rig.ordered.of(environment),
            ..rig.asking(Some(&viewer), "192.0.2.1", Duration::ZERO)
        };
        (0..20).filter(|_| rig.protection.admit(&asking).is_ok()).count()
    };
    assert_eq!((passing("", 1), passing("acme", 1)), (4, 4));
    rig.ordered.set([
        order(None, burst(6), Rates::default()),
        order(Some("acme"), off, clients),
        order(Some("b"), burst(7), Rates::default()),
    ]);
    assert_eq!((passing("b", 2), passing("acme", 2), passing("other", 2)), (7, 5, 6));
    rig.ordered.set([order(Some("acme"), burst(2), Rates::default())]);
    assert_eq!((passing("", 3), passing("acme", 3), passing("other", 3)), (4, 2, 4));
    rig.ordered.set([]);
    assert_eq!((passing("", 4), passing("acme", 4)), (4, 4));
}

#[test]
fn a_limit_that_is_lowered_holds_nobody_longer_than_the_new_one_would() {
    let (start, table) = (start(), Table::new(8, start()));
    let slow = Allowance { requests_per_s: 1, burst: 1000, at_once: 0 };
    assert!((0..1000).all(|_| table.charge(1, slow, start).is_ok()));
    assert_eq!(table.charge(1, SMALL, start), Err(Refused::Rate { wait: Duration::from_millis(500) }));
}

#[test]
fn what_numbers_can_be_said_can_be_counted_with() {
    let (start, table) = (start(), Table::new(8, start()));
    for (name, requests_per_s, burst) in
        [(1, 1, u32::MAX), (2, u32::MAX, u32::MAX), (3, u32::MAX, 0), (4, 1, 0)]
    {
        let allowance = Allowance { requests_per_s, burst, at_once: u32::MAX };
        for now in [start - MS, start + Duration::from_secs(2), start + Duration::from_secs(u32::MAX.into())]
        {
            assert_eq!(table.charge(name, allowance, now), Ok(Place::Held), "{allowance:?}");
        }
    }
    // The longest burst, and one past it.
    let most = Allowance { requests_per_s: 1, burst: u32::MAX, at_once: 0 };
    let passing = (0..=BURST_MAX).filter(|_| table.charge(5, most, start).is_ok()).count();
    assert_eq!(passing, BURST_MAX as usize);
}

#[test]
fn requests_from_many_threads_are_counted_to_the_last() {
    let limit = Allowance { requests_per_s: 1, burst: 1000, at_once: 5000 };
    let rig = Rig::new(Allowance::UNLIMITED, limit);
    let passing: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| rig.passing(500, None, "192.0.2.1", Duration::ZERO))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(passing, 1000);
    let once = Allowance { at_once: 1, ..Allowance::UNLIMITED };
    let asking = rig.asking(None, "192.0.2.1", Duration::ZERO);
    let name = rig.protection.namer.client("", asking.client, Prefixes::default());
    assert_eq!(
        rig.protection.clients.charge(name, once, asking.now),
        Ok(Place::Held),
        "nothing is left under way"
    );
}

#[test]
fn nothing_of_a_session_is_printed() {
    let rig = Rig::new(SMALL, SMALL);
    let viewer = of_session("secret");
    let held = rig.protection.admit(&rig.asking(Some(&viewer), "192.0.2.1", Duration::ZERO)).unwrap();
    assert!(!format!("{:?} {held:?}", rig.protection).contains("secret"));
}
