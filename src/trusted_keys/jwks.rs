//! The key set of an issuer, fetched from its URL.
//!
//! At the start, every [`REFRESH_EVERY`], after a failure and for a key id that nobody knows every thirty seconds at the
//! most. Bounded in bytes and time; no redirects are followed. What fails leaves the keys as they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use prometheus::{IntCounterVec, Opts, Registry};
use rillcast_edge::control::link::ControlLink;
use rillcast_token::limits::KEY_SET_BYTES_MAX;
use rillcast_token::refetch_gate::REFETCH_EVERY;
use rillcast_token::{KeySet, RefetchGate};
use tokio::time::MissedTickBehavior;

use super::{KeySource, Keyring};
use crate::config::JwksConfig;
use crate::run;

/// How often the set is fetched when nothing asks for it.
const REFRESH_EVERY: Duration = Duration::from_secs(300);
/// How often it is looked whether it is to be fetched.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long its body may take.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// A key set at a URL.
pub(crate) struct KeySetUrl {
    link: ControlLink,
    target: String,
    gate: RefetchGate,
    fetches: IntCounterVec,
}

impl KeySetUrl {
    /// The set that `config` names; nothing is fetched yet.
    ///
    /// # Errors
    /// When there can be no link to it.
    pub(crate) fn new(config: &JwksConfig, registry: &Registry) -> anyhow::Result<Self> {
        let link = config.trust.for_links().map_err(anyhow::Error::from);
        let link = link.and_then(|tls| Ok(ControlLink::new(&config.origin, None, tls)?));
        let opts = Opts::new(
            "rillcast_jwks_fetches_total",
            "Fetches of the key set of edge.tokens.jwks, by outcome",
        );
        let fetches = IntCounterVec::new(opts, &["outcome"]).context("cannot make metrics")?;
        registry.register(Box::new(fetches.clone())).context("cannot register metrics")?;
        let target = config.target.clone();
        Ok(Self {
            link: link.context("cannot use edge.tokens.jwks")?,
            target,
            gate: RefetchGate::new(),
            fetches,
        })
    }

    /// Fetches the set for `keyring`; says whether it came.
    pub(crate) async fn refresh(&self, keyring: &Keyring) -> bool {
        let fetched = self.fetch().await;
        let is_ok = fetched.is_ok();
        self.fetches.with_label_values(&[if is_ok { "fetched" } else { "failed" }]).inc();
        match fetched {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), "the key set was fetched");
                keyring.set(KeySource::Jwks, keys);
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the key set of edge.tokens.jwks is not fetched; the keys known before stay"
                );
            }
        }
        is_ok
    }

    async fn fetch(&self) -> anyhow::Result<KeySet> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        let answer = self.link.send(Method::GET, &self.target, headers, Bytes::new(), Duration::ZERO).await?;
        if answer.status() != StatusCode::OK {
            bail!("the answer is {}: the URL must be that of the set itself", answer.status());
        }
        let body = Limited::new(answer.into_body(), KEY_SET_BYTES_MAX).collect();
        let body = tokio::time::timeout(BODY_PATIENCE, body).await.context("its body takes too long")?;
        let body = body.map_err(|error| {
            anyhow::anyhow!("its body broke off, or has more than {KEY_SET_BYTES_MAX} bytes: {error}")
        })?;
        Ok(KeySet::from_jwks(&body.to_bytes(), None)?)
    }

    /// Keeps `keyring` to the set, for ever; it was asked for already, and that `came`.
    pub(crate) async fn follow(self, keyring: Arc<Keyring>, mut came: bool) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut asked, mut strangers) = (run::monotonic(), 0);
        loop {
            ticks.tick().await;
            let now = run::monotonic();
            let count = keyring.grants().strangers();
            let is_wanted = count != strangers && self.gate.may_refetch(now);
            if is_wanted || is_due(asked, came, now) {
                // Those that come while it is fetched may be of yet another key.
                (asked, strangers) = (now, count);
                came = self.refresh(&keyring).await;
            }
        }
    }
}

/// Whether it is time to fetch what was last asked for at `asked`.
fn is_due(asked: Instant, came: bool, now: Instant) -> bool {
    now.saturating_duration_since(asked) >= if came { REFRESH_EVERY } else { REFETCH_EVERY }
}
