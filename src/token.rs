//! `rillcast token sign|verify|inspect`: tokens as operators and scripts meet them.
//!
//! A token is a secret: it goes to standard output, never into a message. One that is judged may come by standard input,
//! since arguments can be seen by all users of a machine.

use std::io::{self, Read, Write};
use std::time::SystemTime;

use anyhow::{Context, bail};
use rillcast_token::limits::TOKEN_BYTES_MAX;
use rillcast_token::{
    Claims, Grant, KeySet, NumericDate, TokenError, TokenPath, Unverified, claims, sign, verify,
};

use crate::cli::{InspectTokenArgs, SignArgs, TokenCommand, VerifyArgs};
use crate::inspect::printable;
use crate::keys::{now, read_keys};

/// What the command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The token was made, is good, or could be shown.
    Good,
    /// It is refused, or is no token.
    Refused,
}

impl Exit {
    /// The exit code of the process.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Refused => 1,
        }
    }
}

/// Does what `command` says, and answers on `out`; advice goes to `err`.
///
/// # Errors
/// When keys cannot be used, a token is not to be had, or nothing can be written.
pub(crate) fn run(command: &TokenCommand, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let exit = match command {
        TokenCommand::Sign(args) => make(args, out)?,
        TokenCommand::Verify(args) => judge(args, out, err)?,
        TokenCommand::Inspect(args) => show(args, out, err)?,
    };
    out.flush()?;
    Ok(exit)
}

fn make(args: &SignArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let keys = read_keys(&args.keys)?;
    let environment = args.environment.as_deref().unwrap_or(claims::DEFAULT_ENVIRONMENT);
    let Some(record) = keys.signer(environment) else {
        let file = args.keys.display();
        bail!("{file} has no active key that signs for {environment}: rillcast keys new --file {file}");
    };
    let claims = claims_of(args, now());
    let token = sign(&claims, record)?;
    match &args.url {
        None => writeln!(out, "{token}")?,
        Some(url) => {
            let grant = verify(&token, &keys, now()).context("the token would not be good now")?;
            writeln!(out, "{}", url_with(url, &token, &grant)?)?;
        }
    }
    Ok(Exit::Good)
}

fn claims_of(args: &SignArgs, now: SystemTime) -> Claims {
    let list = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    Claims {
        paths: args.path.iter().map(|path| path.replace(' ', "%20")).collect(),
        exp: NumericDate::of(now + args.expires),
        nbf: None,
        iat: Some(NumericDate::of(now)),
        env: args.environment.clone(),
        jti: args.id.clone(),
        sid: args.session.clone(),
        sub: args.subject.clone(),
        ip: list(&args.ip),
        countries: list(&args.country),
        referrers: list(&args.referrer),
        max_height: args.max_height,
        max_session_s: args.max_session.map(|time| time.as_secs()),
        policy: args.policy.clone(),
    }
}

/// `url` with the token in front of its path, which the token must cover: a URL that is refused helps nobody.
fn url_with(url: &str, token: &str, grant: &Grant) -> anyhow::Result<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        bail!("--url is a whole URL, such as https://edge.example/vod/film.mp4/master.m3u8");
    };
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(at).unwrap_or((rest, ""));
    let bare = path.find(['?', '#']).and_then(|end| path.get(..end)).unwrap_or(path);
    if !grant.covers(bare) {
        bail!("the token would not cover the path of --url: give that path, or one above it, as --path");
    }
    Ok(format!("{scheme}://{host}/t/{token}{path}"))
}

fn judge(args: &VerifyArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let keys = read_keys(&args.keys)?;
    let text = token_text(&args.token)?;
    match verdict(args, token_in(&text), &keys) {
        Ok(grant) => {
            writeln!(out, "good: {}.{} of environment {}", grant.key_id(), grant.id(), grant.environment())?;
            writeln!(out, "sessions may begin until {}", at(grant.until()))?;
            for (what, id) in
                [("session", grant.session()), ("subject", grant.subject()), ("policy", grant.policy())]
            {
                if let Some(id) = id {
                    writeln!(out, "{what} {}", printable(id))?;
                }
            }
            Ok(Exit::Good)
        }
        Err(error) => {
            writeln!(out, "refused: {}: {error}", error.code())?;
            if let Some(advice) = advice(&error) {
                writeln!(err, "{advice}")?;
            }
            Ok(Exit::Refused)
        }
    }
}

fn verdict(args: &VerifyArgs, token: &str, keys: &KeySet) -> Result<Grant, TokenError> {
    let grant = verify(token, keys, now())?;
    if args.path.as_ref().is_some_and(|path| !grant.covers(path)) {
        return Err(TokenError::Path);
    }
    match args.ip {
        Some(ip) => match grant.permits(ip, None, None) {
            Err(TokenError::Address) => Err(TokenError::Address),
            // Country and referrer were not asked about.
            _ => Ok(grant),
        },
        None => Ok(grant),
    }
}

/// What to do about it.
const fn advice(error: &TokenError) -> Option<&'static str> {
    match error {
        TokenError::Missing | TokenError::TooLong { .. } | TokenError::Malformed { .. } => {
            Some("`rillcast token inspect` shows what can be read of it")
        }
        TokenError::KeyUnknown => Some(
            "was it signed with another key file, or is the key gone? `rillcast token inspect` shows its kid",
        ),
        TokenError::Expired => Some("sign a new one, or a longer one (--expires)"),
        TokenError::NotYetValid => Some("is the clock of this machine, or of the one that signed it, right?"),
        TokenError::Signature => Some("was it copied whole?"),
        TokenError::Path => {
            Some("a path is covered by whole segments; `rillcast token inspect` shows the prefixes")
        }
        _ => None,
    }
}

fn show(args: &InspectTokenArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let text = token_text(&args.token)?;
    let token = match Unverified::read(token_in(&text)) {
        Ok(token) => token,
        Err(error) => {
            writeln!(err, "no token: {error}")?;
            return Ok(Exit::Refused);
        }
    };
    let kid = token.header.get("kid").and_then(|kid| kid.as_str()).unwrap_or("invalid");
    writeln!(out, "in logs {}.{}", printable(kid), token.id)?;
    for (what, part) in [("header", &token.header), ("payload", &token.payload)] {
        writeln!(out, "{what} {}", printable_json(part)?)?;
    }
    for (claim, what) in [("nbf", "begins"), ("iat", "made"), ("exp", "ends")] {
        let seconds = token.payload.get(claim).and_then(|date| date.as_u64()).and_then(NumericDate::new);
        if let Some(seconds) = seconds {
            writeln!(out, "{what} {}", at(seconds.time()))?;
        }
    }
    writeln!(err, "nothing of this was verified; `rillcast token verify --keys FILE` does that")?;
    Ok(Exit::Good)
}

/// JSON over several lines, with nothing in it that a terminal would obey: JSON escapes control characters, but not all
/// that terminals look at.
fn printable_json(json: &serde_json::Value) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(json)?;
    Ok(text.lines().map(printable).collect::<Vec<_>>().join("\n"))
}

/// The argument, or standard input for `-`.
fn token_text(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.trim().to_owned());
    }
    // Room for a URL around the longest token, and enough more to be refused.
    let mut text = String::new();
    let limit = 2 * TOKEN_BYTES_MAX as u64;
    io::stdin().take(limit).read_to_string(&mut text).context("cannot read a token from standard input")?;
    Ok(text.trim().to_owned())
}

/// The token in `text`, which may be a URL or a path with a token in front.
fn token_in(text: &str) -> &str {
    let path = match text.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(rest),
        None => text,
    };
    TokenPath::split(path).map_or(path, |path| path.token())
}

/// A time for people.
fn at(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time)
        .map_or_else(|_| "a time past all calendars".to_owned(), |time| time.to_string())
}
