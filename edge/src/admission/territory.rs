//! In which countries what may be seen: rules of the operator, whatever a token says.
//!
//! ```text
//!  request ─ authorize ─▶ environment, path ─ country of the client ─▶ every rule that concerns it agrees? ─▶ go on
//!                                                                          └─ one does not: 403
//! ```
//!
//! A rule concerns an environment, folders, both, or all there is. All that concern a request must agree, so that the
//! order in which they are written means nothing, and one more rule never opens what another closes. The country is
//! that of the client as the rest of the edge knows it: behind trusted proxies, of the address that they tell.

use std::{cell::LazyCell, net::IpAddr};

use http::StatusCode;
use rillcast_http::Problem;
use rillcast_token::claims::DEFAULT_ENVIRONMENT;

use super::{
    geo::{Country, Places},
    private_paths::{PrivatePaths, Readings},
};

/// Rules that an edge may have.
pub const RULES_MAX: usize = 256;
/// The code of a refusal.
pub const COUNTRY_NOT_ALLOWED: &str = "country_not_allowed";
/// Codes that are assigned (ISO 3166-1 alpha-2), and XK, which databases use for Kosovo.
const ASSIGNED: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET \
    FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ \
    IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML \
    MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS \
    PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL \
    TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// Which countries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Countries {
    /// These and no others.
    Only(Vec<Country>),
    /// All but these.
    AllBut(Vec<Country>),
}

/// What is done with a client whose country nobody knows: a private address, or one that is not in the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unknown {
    /// It is refused wherever a rule concerns it.
    #[default]
    Refused,
    /// No rule concerns it.
    Allowed,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whose requests it concerns; everybody's without.
    pub environment: Option<String>,
    /// In which folders; everywhere without.
    pub folders: Option<PrivatePaths>,
    /// Where those may be who ask.
    pub countries: Countries,
}

/// All rules of an edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Territory {
    rules: Vec<Rule>,
    unknown: Unknown,
}

/// A text that is no country's code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is the code of no country: two letters of ISO 3166-1, such as DE, or GB for the United Kingdom"
)]
pub struct NoCountry {
    /// The text.
    pub text: String,
}

/// More rules than an edge may have: the operator's to mend. None is left out, because each closes something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{count} rules of countries, and {RULES_MAX} are the limit: one rule may name many folders and countries"
)]
pub struct TooManyRules {
    /// How many there are.
    pub count: usize,
}

/// The country whose code is `text`, in either case.
///
/// # Errors
/// When the code is not assigned: a rule about it would concern nobody.
pub fn assigned(text: &str) -> Result<Country, NoCountry> {
    Country::new(text)
        .filter(|country| ASSIGNED.split_ascii_whitespace().any(|code| code == country.as_str()))
        .ok_or_else(|| NoCountry { text: text.to_owned() })
}

impl Countries {
    fn have(&self, country: Country) -> bool {
        match self {
            Self::Only(these) => these.contains(&country),
            Self::AllBut(these) => !these.contains(&country),
        }
    }
}

impl Rule {
    /// Whether it speaks of `path` as sent in `environment`, where the default one is empty.
    fn concerns(&self, environment: &str, path: &Readings<'_>) -> bool {
        let named = self.environment.as_deref();
        let named = named.map(|name| if name == DEFAULT_ENVIRONMENT { "" } else { name });
        named.is_none_or(|name| name == environment)
            && self.folders.as_ref().is_none_or(|folders| folders.contain_read(path))
    }
}

impl Territory {
    /// These rules.
    ///
    /// # Errors
    /// [`TooManyRules`] for more than [`RULES_MAX`].
    pub fn new(rules: impl Into<Vec<Rule>>, unknown: Unknown) -> Result<Self, TooManyRules> {
        let rules = rules.into();
        if rules.len() > RULES_MAX {
            return Err(TooManyRules { count: rules.len() });
        }
        Ok(Self { rules, unknown })
    }

    /// Whether there is no rule, so that nobody need know where clients are.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Lets a request from `client` pass, or says why not. Says whether a rule speaks of `path` in `environment` at all, so
    /// that not everybody may see it.
    ///
    /// Cost: nothing without rules; else a comparison of the path with each folder, and one look into the database if
    /// a rule concerns it.
    ///
    /// # Errors
    /// A 403 that names no rule, and the country as far as it is known.
    pub fn check(
        &self,
        places: Option<&Places>,
        client: IpAddr,
        environment: &str,
        path: &str,
    ) -> Result<bool, Box<Problem>> {
        let path = LazyCell::new(|| Readings::of(path));
        let country = LazyCell::new(|| places.and_then(|places| places.country(client)));
        let mut is_concerned = false;
        for rule in self.rules.iter().filter(|rule| rule.concerns(environment, &path)) {
            is_concerned = true;
            let is_wanted = match *country {
                Some(country) => rule.countries.have(country),
                None => self.unknown == Unknown::Allowed,
            };
            if !is_wanted {
                return Err(Box::new(refusal(*country)));
            }
        }
        Ok(is_concerned)
    }
}

fn refusal(country: Option<Country>) -> Problem {
    let detail = match country {
        Some(country) => format!("this is not available in the country of your address, {country}"),
        None => "this is not available where your address may be, which is in no known country".to_owned(),
    };
    Problem::new(StatusCode::FORBIDDEN, COUNTRY_NOT_ALLOWED, "Country not allowed", detail)
}

#[cfg(test)]
mod tests;
