//! Micro benches of what an edge looks at with every request: how much its token and its client may ask, and where the
//! client is.
//!
//! Times are the best of several repeats, as in [`mod@crate::micro`]. The clock is not read: moments are made up, each later
//! than the one before, so that nobody ever meets a limit.

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rillcast_edge::admission::geo::{Country, GeoError, Places};
use rillcast_edge::admission::private_paths::PrivatePaths;
use rillcast_edge::admission::protect::{AskLimits, Asking, Protection};
use rillcast_edge::admission::territory::{Countries, RULES_MAX, Rule, Territory, Unknown};
use rillcast_edge::control::orders::ordered_limits::Ordered;
use rillcast_edge::observe::metrics::EdgeMetrics;
use rillcast_token::{Algorithm, Claims, Grant, KeyRecord, KeySet, KeyState, NumericDate, sign, verify};

use self::database::Value;
use crate::measure;

#[path = "../../edge/src/admission/geo/tests/database.rs"]
mod database;

/// Repeats of each bench.
const REPEATS: usize = 7;
/// A repeat lasts about this long.
const REPEAT_TIME: Duration = Duration::from_millis(50);
/// Checks that are timed to know how many fill a repeat.
const TRIED: u32 = 1000;
/// Most checks of a repeat.
const CHECKS_MAX: u32 = 1_000_000;
/// Time between two checks of a party that is always the same: slower than any limit.
const STEP: Duration = Duration::from_millis(10);
/// Sessions, and clients, of the benches with many: half of what is remembered.
const PARTIES: u32 = 1 << 15;
/// Networks of the database that is made where none is named: each a /24.
const NETWORKS: u32 = 1 << 16;

/// Why a bench cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChecksError {
    /// Our own database cannot be written.
    #[error("writing a database of countries: {0}")]
    Io(#[from] io::Error),
    /// The database is none.
    #[error(transparent)]
    Geo(#[from] GeoError),
    /// A request was refused that should pass: what was timed was not the check.
    #[error("{0}: a request was refused")]
    Refused(&'static str),
}

/// Runs all of them and returns the figures as a table. `database` is one of countries, else one is made in `scratch`;
/// `core` is the one to run on.
///
/// # Errors
/// [`ChecksError`].
pub(crate) fn run_all(database: Option<&Path>, scratch: &Path, core: usize) -> Result<String, ChecksError> {
    let made = scratch.join("countries.mmdb");
    if database.is_none() {
        fs::write(&made, many_networks())?;
    }
    let places = Places::open(database.unwrap_or(&made))?;
    let mut table = format!("{:<44} {:>10}\n", "check", "best ns");
    let mut add = |name: &str, ns: f64| {
        writeln!(table, "{name:<44} {ns:>10.0}").expect("writing to a string");
    };
    measure::on_core(core, || -> Result<(), ChecksError> {
        for (name, grants, clients) in [
            ("limits: token and client, always the same", 1, 1),
            ("limits: a token, no client", 1, 0),
            ("limits: a client, no token", 0, 1),
            ("limits: token and client of many", PARTIES, PARTIES),
        ] {
            add(name, limits(name, grants, clients)?);
        }
        for (name, addresses) in [
            ("country: of IPv4", Addresses::Four),
            ("country: of IPv6 that is in none", Addresses::Six),
            ("country: of a private address", Addresses::Private),
        ] {
            let look = |round| {
                black_box(places.country(addresses.at(round)));
            };
            add(name, best(look));
        }
        for (name, rules) in
            [("rules: none", 0), ("rules: one, of all", 1), ("rules: all there may be", RULES_MAX)]
        {
            add(name, territory(name, &places, rules)?);
        }
        Ok(())
    })??;
    Ok(table)
}

/// Nanoseconds of one check in the fastest repeat.
fn best(mut check: impl FnMut(u32)) -> f64 {
    let mut ns_of = |checks: u32| {
        let start = measure::now();
        for round in 0..checks {
            check(round);
        }
        start.elapsed().as_nanos() as f64 / f64::from(checks)
    };
    let fill = REPEAT_TIME.as_nanos() as f64 / ns_of(TRIED).max(1.0);
    // Truncation is meant: a few more or fewer are all the same.
    let checks = (fill as u32).clamp(TRIED, CHECKS_MAX);
    (0..REPEATS).map(|_| ns_of(checks)).fold(f64::INFINITY, f64::min)
}

/// A request of one of `tokens` sessions from one of `clients` addresses, counted and given back.
fn limits(name: &'static str, tokens: u32, clients: u32) -> Result<f64, ChecksError> {
    let start = measure::now();
    let registry = prometheus::Registry::new();
    let metrics = EdgeMetrics::register(&registry).expect("the registry is empty");
    let mut asked = AskLimits::default();
    if clients == 0 {
        asked.client.requests_per_s = 0;
        asked.client.at_once = 0;
    }
    let protection = Protection::new(asked, metrics, start);
    let grants = grants(tokens);
    let (mut now, mut is_refused) = (start, false);
    let ns = best(|round| {
        now = later(now);
        let grant = usize::try_from(round % tokens.max(1)).ok().and_then(|at| grants.get(at));
        let client = IpAddr::V4(Ipv4Addr::from_bits((198 << 24) | (round % clients.max(1))));
        let asking = Asking { environment: "", grant, client, ordered: Ordered::default(), now };
        is_refused |= black_box(protection.admit(&asking)).is_err();
    });
    if is_refused { Err(ChecksError::Refused(name)) } else { Ok(ns) }
}

fn later(now: Instant) -> Instant {
    now.checked_add(STEP).expect("some weeks are left")
}

/// What tokens allow that differ in their sessions.
fn grants(count: u32) -> Vec<Grant> {
    let now = measure::time_of_day();
    let key = KeyRecord::generate(Algorithm::HS256, KeyState::Active, None, now).expect("a key can be made");
    let keys = KeySet::new([key.clone()]).expect("one key");
    (0..count).map(|session| grant(session, &key, &keys, now)).collect()
}

fn grant(session: u32, key: &KeyRecord, keys: &KeySet, now: SystemTime) -> Grant {
    let exp = NumericDate::of(now.checked_add(Duration::from_secs(3600)).expect("an hour is left"));
    let claims = Claims {
        paths: vec!["/vod/".to_owned()],
        exp,
        sid: Some(format!("session-{session}")),
        ..Claims::default()
    };
    let token = sign(&claims, key).expect("the key signs");
    verify(&token, keys, now).expect("it is ours")
}

/// A look at where the client is, and at each rule that does not want its country.
fn territory(name: &'static str, places: &Places, rules: usize) -> Result<f64, ChecksError> {
    let rule = |number: usize| {
        let folder = format!("/vod/folder-{number}/");
        Rule {
            environment: None,
            folders: (rules > 1).then(|| PrivatePaths::new([folder.as_str()]).expect("a folder")),
            countries: Countries::AllBut(if rules > 1 {
                Country::new("AT").into_iter().collect()
            } else {
                Vec::new()
            }),
        }
    };
    let territory = Territory::new((0..rules).map(rule).collect::<Vec<_>>(), Unknown::Refused);
    let territory = territory.expect("no more than there may be");
    let path = "/vod/film.mp4/~1.abcdefgh/v1/17.m4s";
    let mut is_refused = false;
    let ns = best(|round| {
        let client = Addresses::Four.at(round);
        is_refused |= black_box(territory.check(Some(places), client, "", path)).is_err();
    });
    if is_refused { Err(ChecksError::Refused(name)) } else { Ok(ns) }
}

/// Whose country is asked for.
#[derive(Debug, Clone, Copy)]
enum Addresses {
    Four,
    Six,
    Private,
}

impl Addresses {
    /// Another one each time, far from the one before.
    fn at(self, round: u32) -> IpAddr {
        let spread = round.wrapping_mul(0x9e37_79b1);
        match self {
            Self::Four => IpAddr::V4(Ipv4Addr::from_bits((20 << 24) | (spread >> 8))),
            Self::Six => IpAddr::V6(Ipv6Addr::from_bits((0x2a00_u128 << 112) | u128::from(spread) << 64)),
            Self::Private => IpAddr::V4(Ipv4Addr::from_bits((10 << 24) | (spread >> 8))),
        }
    }
}

/// A database in which 20.0.0.0/8 is in a country for each /24.
fn many_networks() -> Vec<u8> {
    let addresses: Vec<String> =
        (0..NETWORKS).map(|number| format!("20.{}.{}.0", number >> 8, number & 255)).collect();
    let entry =
        || Value::Map(vec![("country", Value::Map(vec![("iso_code", Value::Text("AT".to_owned()))]))]);
    let networks: Vec<_> = addresses.iter().map(|address| (address.as_str(), 24, entry())).collect();
    database::write("Test-Country", &networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_made_database_knows_what_is_asked_for() {
        let folder = tempfile::tempdir().expect("a writable place for temporary files");
        let file = folder.path().join("made.mmdb");
        fs::write(&file, many_networks()).expect("writable");
        let places = Places::open(&file).expect("a database");
        for round in 0..1000 {
            assert!(places.country(Addresses::Four.at(round)).is_some());
            assert!(places.country(Addresses::Six.at(round)).is_none());
            assert!(places.country(Addresses::Private.at(round)).is_none());
        }
    }
}
