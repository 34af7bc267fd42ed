//! The limits that orders have set, as the cores read them.
//!
//! Whoever follows the orders puts them here as a whole; a reader never waits for a writer.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::order::{Limits, Rates};

/// How much viewers may ask, by environment. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct OrderedLimits(Arc<ArcSwap<Known>>);

#[derive(Debug, Default)]
struct Known {
    of_all: Ordered,
    by_environment: HashMap<Box<str>, Ordered>,
}

/// What an order says of one environment; what is not named is what the edge's configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ordered {
    /// Of one token.
    pub token: Rates,
    /// Of one client prefix.
    pub client: Rates,
}

impl OrderedLimits {
    /// These are all that there are from now on.
    pub fn set(&self, limits: impl IntoIterator<Item = Limits>) {
        let mut known = Known::default();
        for Limits { environment, token, client } in limits {
            let ordered = Ordered { token, client };
            match environment {
                Some(environment) => {
                    known.by_environment.insert(environment.as_str().into(), ordered);
                }
                None => known.of_all = ordered,
            }
        }
        self.0.store(Arc::new(known));
    }

    /// What holds for `environment`: its own limits, else those of all. Cost: a look into a table, no lock.
    #[must_use]
    pub fn of(&self, environment: &str) -> Ordered {
        let known = self.0.load();
        known.by_environment.get(environment).copied().unwrap_or(known.of_all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::orders::order::Name;

    #[test]
    fn an_environment_has_its_own_limits_or_those_of_all() {
        let limits = OrderedLimits::default();
        assert_eq!(limits.of("acme"), Ordered::default());
        let of = |environment: Option<&str>, burst| Limits {
            environment: environment.and_then(Name::new),
            token: Rates { burst: Some(burst), ..Rates::default() },
            client: Rates::default(),
        };
        let reader = limits.clone();
        limits.set([of(None, 1), of(Some("acme"), 2)]);
        assert_eq!((reader.of("acme").token.burst, reader.of("other").token.burst), (Some(2), Some(1)));
        limits.set([of(Some("acme"), 3)]);
        assert_eq!((reader.of("acme").token.burst, reader.of("other").token.burst), (Some(3), None));
    }
}
