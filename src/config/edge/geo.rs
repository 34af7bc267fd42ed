//! `[edge.geo]`: which countries may see what.

use rillcast_edge::admission::geo::Country;
use rillcast_edge::admission::private_paths::PrivatePaths;
use rillcast_edge::admission::territory::{Countries, Rule, Territory, Unknown, assigned};
use rillcast_token::claims::DEFAULT_ENVIRONMENT;

use crate::config::ConfigError;
use crate::config::raw::{RawGeo, RawGeoRule, RawUnknown};

/// Types the rules.
///
/// # Errors
/// When they say what cannot be, or there is no database to know countries by.
pub(super) fn territory(raw: &RawGeo) -> Result<Territory, ConfigError> {
    let mut rules = Vec::new();
    if let Some(countries) = countries("edge.geo", &raw.allow, &raw.deny)? {
        rules.push(Rule { environment: None, folders: None, countries });
    }
    for rule in &raw.rule {
        rules.push(narrow(rule)?);
    }
    if !rules.is_empty() && raw.database.as_os_str().is_empty() {
        return Err(ConfigError::NoGeoDatabase);
    }
    let unknown = match raw.unknown {
        RawUnknown::Refuse => Unknown::Refused,
        RawUnknown::Allow => Unknown::Allowed,
    };
    Territory::new(rules, unknown).map_err(|source| ConfigError::TooManyGeoRules { source })
}

/// A rule for a part of what there is.
fn narrow(raw: &RawGeoRule) -> Result<Rule, ConfigError> {
    let key = "edge.geo.rule";
    let countries = countries(key, &raw.allow, &raw.deny)?.ok_or(ConfigError::GeoRuleWithoutList)?;
    if raw.environment.is_none() && raw.paths.is_empty() {
        return Err(ConfigError::GeoRuleOfNothing);
    }
    let folders = (!raw.paths.is_empty()).then(|| PrivatePaths::new(raw.paths.iter().map(String::as_str)));
    let folders = folders.transpose().map_err(|source| ConfigError::GeoPath { source })?;
    // An empty name would concern nobody.
    let environment = raw.environment.clone();
    let environment =
        environment.map(|name| if name.is_empty() { DEFAULT_ENVIRONMENT.to_owned() } else { name });
    Ok(Rule { environment, folders, countries })
}

/// What the two lists below `key` say together; nothing where both are empty.
fn countries(key: &'static str, allow: &[String], deny: &[String]) -> Result<Option<Countries>, ConfigError> {
    let read = |codes: &[String]| -> Result<Vec<Country>, ConfigError> {
        let codes = codes.iter().map(|code| assigned(code));
        codes.collect::<Result<_, _>>().map_err(|source| ConfigError::Country { key, source })
    };
    match (allow, deny) {
        ([], []) => Ok(None),
        (allow, []) => Ok(Some(Countries::Only(read(allow)?))),
        ([], deny) => Ok(Some(Countries::AllBut(read(deny)?))),
        _ => Err(ConfigError::TwoCountryLists { key }),
    }
}
