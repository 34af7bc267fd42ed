//! All cores' ledgers together: what a scrape reads.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::{
    core::{Collector, Desc},
    proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    per_core::{CoreTally, PollTally, RouteTally},
    tally::{SpreadSum, Tally},
};

/// The figures told, in the order of [`Collector::desc`].
const FAMILIES: [Family; 6] = [
    Family {
        name: "rillcast_http_requests_total",
        help: "Requests answered",
        labels: &["route", "method", "status", "transport"],
        kind: MetricType::COUNTER,
    },
    Family {
        name: "rillcast_http_response_body_bytes_total",
        help: "Body bytes handed to the transport",
        labels: &["route"],
        kind: MetricType::COUNTER,
    },
    Family {
        name: "rillcast_http_request_seconds",
        help: "From the head to the last body byte",
        labels: &["route"],
        kind: MetricType::HISTOGRAM,
    },
    Family {
        name: "rillcast_http_requests_in_flight",
        help: "Requests being answered",
        labels: &[],
        kind: MetricType::GAUGE,
    },
    Family {
        name: "rillcast_http_poll_cpu_seconds",
        help: "CPU time of one turn of a connection on its core, of the few that are timed",
        labels: &[],
        kind: MetricType::HISTOGRAM,
    },
    Family {
        name: "rillcast_http_blocked_seconds_total",
        help: "Time in which cores slept within a turn, estimated from the few that are timed",
        labels: &[],
        kind: MetricType::COUNTER,
    },
];

/// A family of figures, described.
struct Family {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    kind: MetricType,
}

/// The ledgers of all cores that are or were. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pages: Arc<Mutex<Pages>>,
    descriptions: Vec<Desc>,
}

/// Entered once by each core, and once for each route that it meets.
#[derive(Debug, Default)]
struct Pages {
    cores: Vec<Arc<CoreTally>>,
    routes: Vec<Arc<RouteTally>>,
}

impl Book {
    /// An empty book.
    ///
    /// # Errors
    /// None with the names above.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let describe = |family: &Family| {
            let labels = family.labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(family.name.to_owned(), family.help.to_owned(), labels, Default::default())
        };
        let descriptions = FAMILIES.iter().map(describe).collect::<prometheus::Result<_>>()?;
        Ok(Self { pages: Arc::default(), descriptions })
    }

    pub(super) fn enter_core(&self, core: Arc<CoreTally>) {
        self.pages().cores.push(core);
    }

    pub(super) fn enter_route(&self, route: Arc<RouteTally>) {
        self.pages().routes.push(route);
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn requests(&self) -> Vec<Metric> {
        let mut sums: BTreeMap<[&str; 4], u64> = BTreeMap::new();
        for page in &self.routes {
            for ([method, status, transport], count) in page.requests() {
                let sum = sums.entry([page.route.0, method, status, transport]).or_default();
                *sum = sum.wrapping_add(count);
            }
        }
        let labels = FAMILIES[0].labels;
        sums.into_iter().map(|(values, sum)| counter(labels, &values, sum)).collect()
    }

    fn body_bytes(&self) -> Vec<Metric> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for page in &self.routes {
            let sum = sums.entry(page.route.0).or_default();
            *sum = sum.wrapping_add(page.body_bytes.read());
        }
        sums.into_iter().map(|(route, sum)| counter(FAMILIES[1].labels, &[route], sum)).collect()
    }

    fn durations(&self) -> Vec<Metric> {
        let mut sums: BTreeMap<&str, SpreadSum> = BTreeMap::new();
        for page in &self.routes {
            sums.entry(page.route.0).or_default().add(&page.durations);
        }
        let told = |(route, sum): (&str, SpreadSum)| {
            let mut metric = Metric::from_label(pairs(FAMILIES[2].labels, &[route]));
            metric.set_histogram(sum.to_proto());
            metric
        };
        sums.into_iter().map(told).collect()
    }

    fn poll_cpu(&self) -> Vec<Metric> {
        let mut sum = SpreadSum::default();
        self.cores.iter().for_each(|core| sum.add(&core.polls.cpu));
        let mut metric = Metric::from_label(Vec::new());
        metric.set_histogram(sum.to_proto());
        vec![metric]
    }

    fn blocked(&self) -> Vec<Metric> {
        let timed = self.cores.iter().map(|core| core.polls.blocked_ns.read()).fold(0, u64::wrapping_add);
        let mut counter = Counter::default();
        counter.set_value(Duration::from_nanos(timed).as_secs_f64() * f64::from(PollTally::ONE_IN));
        let mut metric = Metric::from_label(Vec::new());
        metric.set_counter(counter);
        vec![metric]
    }

    fn in_flight(&self) -> Vec<Metric> {
        let sum = |of: fn(&CoreTally) -> &Tally| {
            self.cores.iter().map(|core| of(core).read()).fold(0, u64::wrapping_add)
        };
        // The ends first: a request that ends between the two looks must not make the difference negative.
        let ended = sum(|core| &core.ended);
        let began = sum(|core| &core.began);
        let mut gauge = Gauge::default();
        gauge.set_value(began.saturating_sub(ended) as f64);
        vec![Metric::from_gauge(gauge)]
    }
}

impl Collector for Book {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let pages = self.pages();
        let told = [
            pages.requests(),
            pages.body_bytes(),
            pages.durations(),
            pages.in_flight(),
            pages.poll_cpu(),
            pages.blocked(),
        ];
        let family = |(family, metrics): (&Family, Vec<Metric>)| {
            let mut told = MetricFamily::default();
            told.set_name(family.name.to_owned());
            told.set_help(family.help.to_owned());
            told.set_field_type(family.kind);
            told.set_metric(metrics);
            told
        };
        // A family without a figure is left out, as the library does.
        FAMILIES.iter().zip(told).filter(|(_, metrics)| !metrics.is_empty()).map(family).collect()
    }
}

fn counter(names: &[&str], values: &[&str], count: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(count as f64);
    let mut metric = Metric::from_label(pairs(names, values));
    metric.set_counter(counter);
    metric
}

fn pairs(names: &[&str], values: &[&str]) -> Vec<LabelPair> {
    let pair = |(name, value): (&&str, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut pairs: Vec<LabelPair> = names.iter().zip(values).map(pair).collect();
    // The text format wants them in order.
    pairs.sort_by(|one, other| one.name().cmp(other.name()));
    pairs
}
