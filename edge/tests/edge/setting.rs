//! What every test here needs: upstreams over a town, demands, and bodies read to their end.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, uri::PathAndQuery};
use prometheus::Registry;
use rillcast_edge::upstream::{
    Demand, Dial, ReadMethod, Response, UpstreamConfig, UpstreamError, UpstreamMetrics, Upstreams,
    UpstreamsConfig,
};
use rillcast_http::RequestId;

use crate::harness::origin::Town;

/// Upstreams over `town`, and their figures.
pub(crate) struct Setting {
    pub(crate) upstreams: Upstreams,
    pub(crate) registry: Registry,
}

impl Setting {
    pub(crate) fn new(town: &Town, config: &UpstreamsConfig) -> Self {
        let registry = Registry::new();
        let metrics = UpstreamMetrics::register(&registry).unwrap();
        let dial: Arc<dyn Dial> = Arc::new(town.clone());
        let upstreams = Upstreams::with_dial(config, &metrics, clock, &dial).unwrap();
        Self { upstreams, registry }
    }

    pub(crate) async fn get(&self, target: &str) -> Result<Response, UpstreamError> {
        self.upstreams.fetch(demand(target)).await
    }

    /// The value of a figure, all its labels' values in order joined by a comma.
    pub(crate) fn figure(&self, name: &str, labels: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metric = family.get_metric().iter().find(|metric| {
            let values: Vec<&str> = metric.get_label().iter().map(|label| label.value()).collect();
            values.join(",") == labels
        });
        metric.map_or(0.0, |metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
    }
}

/// The clock of tests stands still.
pub(crate) fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// Upstreams called `names`, at hosts of the same names.
pub(crate) fn config(names: &[&str]) -> UpstreamsConfig {
    let upstreams = names.iter().map(|name| UpstreamConfig::new(*name, format!("http://{name}")));
    UpstreamsConfig::new("test", upstreams.collect())
}

pub(crate) fn demand(target: &str) -> Demand {
    Demand {
        method: ReadMethod::Get,
        target: PathAndQuery::try_from(target).unwrap(),
        headers: HeaderMap::new(),
        affinity: 0,
        request_id: RequestId::INTERNAL,
        deadline: None,
    }
}

pub(crate) fn with_header(mut demand: Demand, name: &'static str, value: &str) -> Demand {
    demand.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    demand
}

/// Everything that comes of a body, and how it ended.
pub(crate) async fn read(response: &mut Response) -> (Vec<u8>, Result<(), UpstreamError>) {
    let mut bytes = Vec::new();
    while let Some(piece) = response.body.next().await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(error) => {
                assert!(response.body.next().await.is_none(), "something came after an error");
                return (bytes, Err(error));
            }
        }
    }
    (bytes, Ok(()))
}

/// A whole body, which must not break.
pub(crate) async fn read_whole(response: &mut Response) -> Vec<u8> {
    let (bytes, end) = read(response).await;
    end.unwrap();
    bytes
}
