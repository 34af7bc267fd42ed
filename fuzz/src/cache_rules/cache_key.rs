//! Cache keys: the canonical form is its own, and equal keys are equal by RFC 3986 and not by accident.

use std::sync::LazyLock;

use rillcast_edge::cache::key::{
    Asked, Key, KeyRules, MAX_PARAMETERS, MAX_TARGET_BYTES, Named, Prefix, TRACKING,
};

static RULES: LazyLock<KeyRules> = LazyLock::new(KeyRules::default);

/// The target: one or two targets of requests, a line each.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (one, two) = (lines.next().unwrap_or_default(), lines.next().unwrap_or("/"));
    let (one, two) = (check(one), check(two));
    if let (Some((one, meaning_one)), Some((two, meaning_two))) = (one, two) {
        assert_eq!(one == two, meaning_one == meaning_two, "{one:?} {two:?}");
    }
}

/// What a target means: its path, and the parameters that are kept, in order.
type Meaning = (Vec<Letter>, Vec<Vec<Letter>>);
/// A byte, and whether it stood for itself or as a triplet that is something else.
type Letter = (u8, bool);

fn check(line: &str) -> Option<(Key, Meaning)> {
    let (path, query) = split(line);
    let asked = Asked::of(&RULES, "acme", path, query).ok()?;
    let target = asked.target();
    assert!(target.len() <= MAX_TARGET_BYTES && target.starts_with('/'));
    let (again_path, again_query) = split(target);
    let again = Asked::of(&RULES, "acme", again_path, again_query).expect("a canonical target is a target");
    assert_eq!(again.target(), target, "canonical of canonical");

    let key = asked.to_key();
    assert_eq!((key.target(), key.environment(), key.key_hash()), (target, "acme", asked.key_hash()));
    assert_ne!(key, Key::of(&RULES, "", path, query).expect("another environment"));
    assert!(Prefix::of("acme", path).expect("a path is a prefix").covers(&key));
    assert!(RULES.without_directives(&asked).query().is_none_or(|query| !query.contains("&_HLS_")));

    let meaning = (meaning(path), kept(query.unwrap_or_default()));
    let of_canonical = (self::meaning(again_path), again_query.map_or_else(Vec::new, kept));
    assert_eq!(meaning, of_canonical, "the canonical form means the same");
    assert!(meaning.1.len() <= MAX_PARAMETERS);
    Some((key, meaning))
}

fn split(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

/// The parameters that are kept, by the words of the documentation.
fn kept(query: &str) -> Vec<Vec<Letter>> {
    const IGNORED: [&[u8]; 5] = [b"token", b"access_token", b"CMCD", b"CMSD", b"gclid"];
    let name = |pair: &[Letter]| -> Vec<Letter> {
        pair.iter().copied().take_while(|letter| *letter != (b'=', false)).collect()
    };
    let spelled_name = |pair: &[Letter]| name(pair).into_iter().flat_map(spelled).collect::<Vec<u8>>();
    let is_ignored = |pair: &Vec<Letter>| {
        let name = spelled_name(pair);
        IGNORED.contains(&&*name) || TRACKING.iter().any(|tracking| is_named(tracking, &name))
    };
    let mut pairs: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).map(meaning).collect();
    pairs.retain(|pair| !is_ignored(pair));
    pairs.sort_by_key(|pair| spelled_name(pair));
    pairs
}

/// Whether `name` is one of those that `pattern` stands for.
fn is_named(pattern: &str, name: &[u8]) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix.as_bytes()),
        None => name == pattern.as_bytes(),
    }
}

/// As a letter stands in a canonical text.
fn spelled((byte, is_other): Letter) -> Vec<u8> {
    if is_other { format!("%{byte:02X}").into_bytes() } else { vec![byte] }
}

/// The letters of a well-formed text (RFC 3986 §6.2.2).
fn meaning(text: &str) -> Vec<Letter> {
    let mut bytes = text.bytes();
    let mut letters = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            letters.push((byte, false));
            continue;
        }
        let mut digit =
            || bytes.next().and_then(|digit| char::from(digit).to_digit(16)).expect("a checked triplet");
        let value = u8::try_from(digit() * 16 + digit()).expect("two digits");
        let is_unreserved = value.is_ascii_alphanumeric() || b"-._~".contains(&value);
        letters.push((value, !is_unreserved));
    }
    letters
}
