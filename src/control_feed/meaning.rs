//! What orders mean in the words of the token crate and of the cache.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rillcast_edge::cache::key::{Key, KeyRules, Prefix};
use rillcast_edge::cache::purge::{Hardness, Meant};
use rillcast_edge::control::orders::order::{self, Name, Purged, UnixMicros};
use rillcast_token::claims::DEFAULT_ENVIRONMENT;
use rillcast_token::revocations::ALL_ENVIRONMENTS;
use rillcast_token::{KeyFile, KeySet, Revocations, Revoked};
use serde_json::{Value, json};

/// The key that an order hands out: public, or a shared secret.
///
/// # Errors
/// When it is none that checks tokens; the message quotes nothing of it but its id.
pub(super) fn key(record: &order::KeyRecord) -> anyhow::Result<KeySet> {
    let (kid, jwk) = (record.kid.as_str(), &record.jwk);
    let environment = record.environment.as_ref().map(Name::as_str);
    if jwk.get("kty").and_then(Value::as_str) == Some("oct") {
        // What a JWKS must not hold a key file may.
        let secret = json!({
            "kid": kid, "algorithm": "HS256", "environment": environment, "state": record.state,
            "secret": jwk.get("k"),
        });
        let file = json!({"version": 1, "keys": [secret]});
        return Ok(KeyFile::from_json(file.to_string().as_bytes())?.key_set()?);
    }
    let mut jwk = jwk.clone();
    jwk.insert("kid".to_owned(), Value::from(kid));
    let keys = KeySet::from_jwks(json!({"keys": [jwk]}).to_string().as_bytes(), environment)?;
    if keys.is_empty() {
        anyhow::bail!("it is of a kind that does not check tokens");
    }
    Ok(keys)
}

/// Adds `revocation` to `to`.
///
/// # Errors
/// When there is no room for it.
pub(super) fn revoke(revocation: &order::Revocation, to: &mut Revocations) -> anyhow::Result<()> {
    let environment = revocation.environment.as_ref().map_or(ALL_ENVIRONMENTS, Name::as_str);
    let what = match &revocation.what {
        order::Revoked::Session(id) => Revoked::Session { environment, id: id.as_str() },
        order::Revoked::Token(id) => Revoked::Token { environment, id: id.as_str() },
        order::Revoked::TokenHash(hash) => Revoked::Hash { sha256: hash.as_str() },
        order::Revoked::Subject(id) => Revoked::Subject { environment, id: id.as_str() },
        order::Revoked::Key(kid) => Revoked::Key { environment, kid: kid.as_str() },
    };
    to.revoke(what, time(revocation.until_us)).context("no room for a revocation")
}

/// What `purge` means in a cache whose keys are made by `rules`.
///
/// # Errors
/// When it names nothing that can be in a cache: no key is made of such a path.
pub(super) fn purge(purge: &order::Purge, rules: &KeyRules) -> anyhow::Result<(Meant, Hardness)> {
    // What tokens call the default environment shares its objects with what is public.
    let environment = purge.environment.as_ref().map(Name::as_str);
    let environment = environment.map(|name| if name == DEFAULT_ENVIRONMENT { "" } else { name });
    let meant = match (&purge.what, environment) {
        (Purged::Url { url }, environment) => {
            let (path, query) = match url.as_str().split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (url.as_str(), None),
            };
            let key = Key::of(rules, environment.unwrap_or_default(), path, query)?;
            if environment.is_some() { Meant::Key(key) } else { Meant::Target(key) }
        }
        (Purged::Prefix { prefix }, Some(name)) => Meant::Prefix(Prefix::of(name, prefix.as_str())?),
        (Purged::Prefix { prefix }, None) => Meant::Prefix(Prefix::everywhere(prefix.as_str())?),
        (Purged::SurrogateKey { key }, Some(name)) => Meant::surrogate_within(name, key.as_str()),
        (Purged::SurrogateKey { key }, None) => Meant::surrogate(key.as_str()),
        (Purged::All {}, Some(name)) => Meant::Prefix(Prefix::of(name, "/")?),
        (Purged::All {}, None) => Meant::All,
    };
    Ok((meant, if purge.soft { Hardness::Soft } else { Hardness::Hard }))
}

fn time(at: UnixMicros) -> SystemTime {
    // Later than any clock here tells is never.
    const FAR_OFF: Duration = Duration::from_secs(1 << 36);
    let since = Duration::from_micros(at.0).min(FAR_OFF);
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
