use std::{fs, sync::Arc, time::SystemTime};

use prometheus::Registry;

use super::{
    super::{AUTHORITIES_BYTES_MAX, Dial, Tcp, UpstreamMetrics, Upstreams},
    *,
};

/// Whether `config` can be, and if not, why.
fn judge(config: &UpstreamsConfig) -> Result<(), String> {
    let metrics = UpstreamMetrics::register(&Registry::new()).unwrap();
    let dial: Arc<dyn Dial> = Arc::new(Tcp);
    let made = Upstreams::with_dial(config, &metrics, || SystemTime::UNIX_EPOCH, &dial);
    made.map(drop).map_err(|error| error.to_string())
}

/// One upstream after `change`.
fn changed(change: impl FnOnce(&mut UpstreamConfig)) -> UpstreamsConfig {
    let mut upstream = UpstreamConfig::new("o", "http://origin.example");
    change(&mut upstream);
    UpstreamsConfig::new("node", vec![upstream])
}

#[test]
fn a_url_is_a_scheme_and_a_host() {
    for (url, host, port) in [
        ("http://origin.example", "origin.example", 80),
        ("https://origin.example/", "origin.example", 443),
        ("http://10.0.0.1:65535", "10.0.0.1", 65535),
        ("https://[2001:db8::1]:8443", "2001:db8::1", 8443),
    ] {
        let address = Address::read(&UpstreamConfig::new("o", url)).unwrap();
        assert_eq!((address.host.as_str(), address.port), (host, port), "{url}");
        assert_eq!(address.certificate_name, host);
    }
    for url in [
        "",
        "origin.example",
        "ftp://origin.example",
        "http://origin.example/path",
        "http://origin.example?query",
        "http://user@origin.example",
        "http://origin.example:65536",
        "http://origin.example:0",
        "http://origin.example:",
        "//origin.example",
    ] {
        assert!(judge(&changed(|upstream| upstream.url = url.to_owned())).is_err(), "{url}");
    }
}

#[test]
fn another_name_counts_for_the_request_and_the_certificate_but_not_for_the_connection() {
    let mut config = UpstreamConfig::new("o", "https://10.0.0.1");
    config.host = Some("media.example:8443".to_owned());
    let address = Address::read(&config).unwrap();
    assert_eq!((address.host.as_str(), address.port), ("10.0.0.1", 443));
    assert_eq!(
        (address.authority.as_str(), address.certificate_name.as_str()),
        ("media.example:8443", "media.example")
    );
    config.host = Some("not a host".to_owned());
    assert!(Address::read(&config).is_err());
}

#[test]
fn every_figure_has_bounds() {
    type Change = fn(&mut UpstreamConfig, bool);
    let cases: [(&str, Change); 13] = [
        ("weight", |upstream, fits| upstream.weight = if fits { 1 } else { 0 }),
        ("weight", |upstream, fits| upstream.weight = WEIGHT_MAX + u16::from(!fits)),
        ("in_flight_max", |upstream, fits| upstream.in_flight_max = usize::from(fits)),
        ("in_flight_max", |upstream, fits| upstream.in_flight_max = IN_FLIGHT_MAX + usize::from(!fits)),
        ("waiting_max", |upstream, fits| upstream.waiting_max = IN_FLIGHT_MAX + usize::from(!fits)),
        ("failures_in_a_row", |upstream, fits| upstream.passive.failures_in_a_row = u32::from(fits)),
        ("failures_percent", |upstream, fits| upstream.passive.failures_percent = 100 + u32::from(!fits)),
        ("connect", |upstream, fits| upstream.timeouts.connect = Duration::from_millis(u64::from(fits))),
        ("head", |upstream, fits| {
            upstream.timeouts.head = Duration::from_millis(PATIENCE_MS_MAX + u64::from(!fits));
        }),
        ("idle", |upstream, fits| upstream.timeouts.idle = Duration::from_millis(u64::from(fits))),
        ("rise", |upstream, fits| {
            upstream.check = Some(CheckConfig { rise: u32::from(fits), ..CheckConfig::new("/") });
        }),
        ("fall", |upstream, fits| {
            upstream.check = Some(CheckConfig { fall: u32::from(fits), ..CheckConfig::new("/") });
        }),
        ("every", |upstream, fits| {
            let every = Duration::from_millis(u64::from(fits));
            upstream.check = Some(CheckConfig { every, ..CheckConfig::new("/") });
        }),
    ];
    for (field, change) in cases {
        assert_eq!(judge(&changed(|upstream| change(upstream, true))), Ok(()), "{field}");
        let error = judge(&changed(|upstream| change(upstream, false))).unwrap_err();
        assert!(error.contains("`o`") && error.contains(field), "{field}: {error}");
    }
}

#[test]
fn retries_have_bounds() {
    for (attempts_max, resumes_max, fits) in [
        (1, 0, true),
        (ATTEMPTS_MAX, RESUMES_MAX, true),
        (0, 0, false),
        (ATTEMPTS_MAX + 1, 0, false),
        (1, RESUMES_MAX + 1, false),
    ] {
        let mut config = changed(|_| {});
        (config.retry.attempts_max, config.retry.resumes_max) = (attempts_max, resumes_max);
        assert_eq!(judge(&config).is_ok(), fits, "{attempts_max} {resumes_max}");
    }
}

#[test]
fn upstreams_are_a_few_and_have_names_of_their_own() {
    for (count, fits) in [(0, false), (1, true), (UPSTREAMS_MAX, true), (UPSTREAMS_MAX + 1, false)] {
        let upstreams = (0..count).map(|index| UpstreamConfig::new(format!("o{index}"), "http://o"));
        assert_eq!(judge(&UpstreamsConfig::new("node", upstreams.collect())).is_ok(), fits, "{count}");
    }
    let twice = vec![UpstreamConfig::new("o", "http://a"), UpstreamConfig::new("o", "http://b")];
    assert!(judge(&UpstreamsConfig::new("node", twice)).unwrap_err().contains("two upstreams"));
    let (longest, too_long) = ("n".repeat(NAME_BYTES_MAX), "n".repeat(NAME_BYTES_MAX + 1));
    for (name, fits) in
        [("aZ0._-", true), (&longest, true), ("", false), ("a b", false), ("ä", false), (&too_long, false)]
    {
        assert_eq!(judge(&changed(|upstream| upstream.name = name.to_owned())).is_ok(), fits, "{name}");
        let mut config = changed(|_| {});
        config.node = name.to_owned();
        assert_eq!(judge(&config).is_ok(), fits, "{name}");
    }
}

#[test]
fn a_check_asks_for_a_path() {
    for (path, fits) in
        [("/", true), ("/healthz?deep=1", true), ("healthz", false), ("", false), ("/a b", false)]
    {
        let config = changed(|upstream| upstream.check = Some(CheckConfig::new(path)));
        assert_eq!(judge(&config).is_ok(), fits, "{path}");
    }
}

#[test]
fn a_file_of_authorities_holds_certificates_and_is_not_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorities.pem");
    let pem = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap().cert.pem();
    let mut config = changed(|_| {});
    config.trust = Trust::File(path.clone());
    assert!(judge(&config).unwrap_err().contains("authorities.pem"));
    let longest = usize::try_from(AUTHORITIES_BYTES_MAX).unwrap();
    let padded = |len: usize| [pem.as_bytes(), &vec![b'\n'; len - pem.len()]].concat();
    for (bytes, fits) in [
        (pem.clone().into_bytes(), true),
        (pem.repeat(2).into_bytes(), true),
        (Vec::new(), false),
        (b"no certificate".to_vec(), false),
        (pem.replace("MII", "AAA").into_bytes(), false),
        (padded(longest), true),
        (padded(longest + 1), false),
    ] {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(judge(&config).is_ok(), fits, "{} bytes", bytes.len());
    }
}
