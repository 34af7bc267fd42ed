//! The key set of an issuer, fetched from its URL.
//!
//! ```text
//!  start ─▶ fetch ─┬─ within START_PATIENCE: the first request finds its keys
//!                  └─ later, or never: the server starts without; tokens of keys that nobody knows are answered 503
//! ```
//!
//! Then every [`REFRESH_EVERY`], and every thirty seconds at the most after a failure and for a key id that nobody knows.
//! Bounded in bytes and time; no redirects are followed. What fails leaves the keys as they are.

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
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use super::{KeySource, Keyring};
use crate::config::JwksConfig;
use crate::run;

/// How often the set is fetched when nothing asks for it.
const REFRESH_EVERY: Duration = Duration::from_secs(300);
/// How often it is looked whether it is to be fetched.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a start waits for the first fetch: an issuer that is well answers in less, and one that is not must not keep
/// an edge from serving what needs none of its keys.
const START_PATIENCE: Duration = Duration::from_secs(2);
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
    async fn refresh(&self, keyring: &Keyring) -> bool {
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

    /// What keeps `keyring` to the set, for ever, and what tells that it was asked for once.
    pub(crate) fn following(self, keyring: Arc<Keyring>) -> (impl Future<Output = ()> + Send, FirstFetch) {
        keyring.awaited().begin();
        let (first, asked) = oneshot::channel();
        (self.follow(keyring, first), FirstFetch(asked))
    }

    async fn follow(self, keyring: Arc<Keyring>, first: oneshot::Sender<()>) {
        let (mut asked, mut strangers) = (run::monotonic(), 0);
        let mut came = self.refresh(&keyring).await;
        // A start that has gone on without does not hear it.
        let _ = first.send(());
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
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

/// The end of the first fetch, well or not.
pub(crate) struct FirstFetch(oneshot::Receiver<()>);

impl FirstFetch {
    /// Waits for it, [`START_PATIENCE`] at the most.
    pub(crate) async fn wait(self) {
        if tokio::time::timeout(START_PATIENCE, self.0).await.is_err() {
            tracing::warn!(
                "the key set of edge.tokens.jwks has not come in {} s: starting without; tokens of its keys are answered \
                 503 until it has",
                START_PATIENCE.as_secs()
            );
        }
    }
}

/// Whether it is time to fetch what was last asked for at `asked`.
fn is_due(asked: Instant, came: bool, now: Instant) -> bool {
    now.saturating_duration_since(asked) >= if came { REFRESH_EVERY } else { REFETCH_EVERY }
}

#[cfg(test)]
mod tests;
