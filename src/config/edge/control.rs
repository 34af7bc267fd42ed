//! The control plane as an edge sees it: where orders and keys come from, and where events go.

use std::env;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rillcast_edge::upstream::Trust;

use super::path;
use crate::config::ConfigError;
use crate::config::raw::{RawEvents, RawOrders, RawTokens};

/// Where orders come from, and where what they said is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrdersConfig {
    pub(crate) from: OrdersFrom,
    /// The file of what was known, for the next start; nothing is kept without.
    pub(crate) state: Option<PathBuf>,
}

/// Where orders come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OrdersFrom {
    /// A file, or the one in a folder.
    Path(PathBuf),
    /// A control plane on another machine.
    Service(Service),
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventsConfig {
    pub(crate) to: Service,
    /// The folder in which they wait.
    pub(crate) folder: PathBuf,
}

/// A key set that its issuer publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JwksConfig {
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) trust: Trust,
}

/// A service of the operator on another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) url: String,
    /// The file of the secret that proves who asks.
    pub(crate) secret_file: Option<PathBuf>,
}

impl Service {
    /// The service at `url`, the value of `key`.
    fn of(key: &'static str, url: &str, secret_file: &Path) -> Result<Self, ConfigError> {
        let has_scheme = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        if !has_scheme || url.contains(['?', '#']) {
            return Err(ConfigError::Service { key, url: url.to_owned() });
        }
        Ok(Self { url: url.to_owned(), secret_file: path(secret_file) })
    }
}

/// Types `[edge.orders]`; none where there is no source.
pub(super) fn orders(raw: &RawOrders) -> Result<Option<OrdersConfig>, ConfigError> {
    if raw.source.is_empty() {
        return Ok(None);
    }
    let from = if raw.source.contains("://") {
        OrdersFrom::Service(Service::of("edge.orders.source", &raw.source, &raw.secret_file)?)
    } else if raw.secret_file.as_os_str().is_empty() {
        OrdersFrom::Path(PathBuf::from(&raw.source))
    } else {
        return Err(ConfigError::SecretOfFile);
    };
    let state = path(&raw.state).or_else(|| Some(state_folder()?.join("orders.state")));
    Ok(Some(OrdersConfig { from, state }))
}

/// Types `[edge.events]`; none where there is no URL.
pub(super) fn events(raw: &RawEvents) -> Result<Option<EventsConfig>, ConfigError> {
    if raw.url.is_empty() {
        let others = [("secret_file", &raw.secret_file), ("directory", &raw.directory)];
        let set = others.into_iter().find(|(_, path)| !path.as_os_str().is_empty());
        return set.map_or(Ok(None), |(key, _)| Err(ConfigError::EventsWithoutUrl { key }));
    }
    let folder = path(&raw.directory).or_else(|| Some(state_folder()?.join("events")));
    let to = Service::of("edge.events.url", &raw.url, &raw.secret_file)?;
    Ok(Some(EventsConfig { to, folder: folder.ok_or(ConfigError::NoEventsFolder)? }))
}

/// Types `edge.tokens.jwks`.
pub(super) fn jwks(raw: &RawTokens) -> Result<Option<JwksConfig>, ConfigError> {
    let url = raw.jwks.as_str();
    if url.is_empty() {
        return Ok(None);
    }
    let wrong = || ConfigError::Jwks { url: url.to_owned() };
    let (scheme, rest) =
        url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https")).ok_or_else(wrong)?;
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(at).ok_or_else(wrong)?;
    if authority.is_empty() || authority.contains(['?', '#', '@']) || target.contains('#') {
        return Err(wrong());
    }
    if scheme == "http" && !raw.jwks_allow_http && !is_loopback(authority) {
        return Err(ConfigError::JwksInClear { url: url.to_owned() });
    }
    let (origin, target) = (format!("{scheme}://{authority}"), target.to_owned());
    let trust = path(&raw.jwks_ca_file).map_or(Trust::WebRoots, Trust::File);
    Ok(Some(JwksConfig { origin, target, trust }))
}

/// Whether `authority`, a host and perhaps a port, is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.parse::<IpAddr>()
        .map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// The directory that systemd keeps for us (`StateDirectory=`); the first, where there are several.
fn state_folder() -> Option<PathBuf> {
    let folders = env::var_os("STATE_DIRECTORY")?;
    env::split_paths(&folders).next().filter(|folder| folder.is_absolute())
}
